import type { Compilable, CompiledQuery, Kysely, Transaction } from "kysely";
import type { Tables } from "./schema.ts";

const compiled = (sql: string, parameters: readonly unknown[]): CompiledQuery => ({
  sql,
  parameters,
  query: { kind: "RawNode", sqlFragments: [sql], parameters: [] },
  queryId: { queryId: "sql" },
});

/** Runs SQL of one database's own dialect, several statements too when there are no parameters. */
export async function runSql<Row>(
  db: Kysely<Tables>,
  sql: string,
  parameters: readonly unknown[] = [],
): Promise<Row[]> {
  return (await db.executeQuery<Row>(compiled(sql, parameters))).rows;
}

/** See `sendPipelined`. */
export const runSqlPipelined = (trx: Transaction<Tables>, sql: string, parameters: readonly unknown[]) =>
  sendPipelined(trx, { compile: () => compiled(sql, parameters) });

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
