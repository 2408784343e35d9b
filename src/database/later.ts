import type { Compilable, Transaction } from "kysely";
import type { Tables } from "./schema.ts";

const MARK = " -- later";

/**
 * Executes a write whose result nobody needs. Where the database is reached over a network it is not waited for: what
 * comes after it in the transaction finds it done, and the transaction fails if it does.
 */
export async function sendPipelined(trx: Transaction<Tables>, query: Compilable): Promise<void> {
  const compiled = query.compile();
  await trx.executeQuery({ ...compiled, sql: compiled.sql + MARK });
}

export const isPipelined = (sql: string): boolean => sql.endsWith(MARK);
