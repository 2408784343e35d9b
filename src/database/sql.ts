import type { CompiledQuery, Kysely, Transaction } from "kysely";
import { sendPipelined } from "./later.ts";
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
