import type { Compilable, CompiledQuery, Kysely, Transaction } from "kysely";
import type { Tables } from "./schema.ts";

const compiled = (sql: string, parameters: readonly unknown[]): CompiledQuery => ({
  sql,
  parameters,
  query: { kind: "RawNode", sqlFragments: [sql], parameters: [] },
  queryId: { queryId: "sql" },
});

/** Runs SQL in the dialect of one database. Without parameters it may be several statements. */
export async function runSql<Row>(
  db: Kysely<Tables>,
  sql: string,
  parameters: readonly unknown[] = [],
): Promise<Row[]> {
  return (await db.executeQuery<Row>(compiled(sql, parameters))).rows;
}

/** Does with SQL what `sendPipelined` does with a query. */
export const runSqlPipelined = (trx: Transaction<Tables>, sql: string, parameters: readonly unknown[]) =>
  sendPipelined(trx, { compile: () => compiled(sql, parameters) });

/**
 * Executes a write whose result nobody needs. Over a network it is sent and not waited for: later statements of the
 * transaction find it done, and the transaction fails if it does.
 */
export async function sendPipelined(trx: Transaction<Tables>, query: Compilable): Promise<void> {
  await trx.executeQuery(Object.assign({ isPipelined: true }, query.compile()));
}

/** True for a query that `sendPipelined` made. A driver need not wait for it. */
export const isPipelined = (query: unknown): boolean =>
  (query as { isPipelined?: unknown } | null)?.isPipelined === true;
