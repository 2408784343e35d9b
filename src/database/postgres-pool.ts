import type { PostgresPool, PostgresPoolClient } from "kysely";
import type { ClientConfig, PoolClient, QueryResult } from "pg";
import { isBroken, toPostgresError } from "./db-errors.ts";
import { isPipelined } from "./sql.ts";

export interface ConnectOptions {
  /** postgres://user:password@host:port/database, with sslmode and the like as libpq has them. */
  readonly url: string;
  /** The schema that holds our tables: others may be in the same database. */
  readonly schema: string;
  /** How long to wait for a connection, and for each statement, in ms; for a lock half of that. */
  readonly timeoutMs: number;
}

/** What every connection of ours is opened with. */
export const connectionConfig = ({ url, timeoutMs }: ConnectOptions): ClientConfig => ({
  connectionString: url,
  application_name: "nightshift",
  connectionTimeoutMillis: timeoutMs,
  keepAlive: true,
  // For a server that has fallen silent; one that is well keeps the time itself.
  query_timeout: timeoutMs + 5_000,
});

/**
 * Said on the connection, because a URL may bring options of its own. A process that stands still in the middle of a
 * transaction loses it before those who wait for its locks give up.
 */
const settings = ({ schema, timeoutMs }: ConnectOptions): string =>
  [
    `set search_path = ${schema}`,
    `set statement_timeout = ${timeoutMs}`,
    `set lock_timeout = ${Math.ceil(timeoutMs / 2)}`,
    `set idle_in_transaction_session_timeout = ${Math.ceil(timeoutMs / 3)}`,
  ].join("; ");

export interface PoolOptions extends ConnectOptions {
  /** Connections at once. */
  readonly size: number;
  /** A statement that is sent along with the commit of every transaction that has written something. */
  readonly afterWrites: string;
}

/** A pool for Kysely whose failures are ours, and whose connections are replaced when they break. */
export async function openPool({ size, afterWrites, ...options }: PoolOptions): Promise<PostgresPool> {
  const { Pool, TypeOverrides } = (await import("pg")).default;
  const types = new TypeOverrides();
  // Ours are counts and epoch ms: far below 2^53.
  types.setTypeParser(20, Number);
  const pool = new Pool({
    ...connectionConfig(options),
    max: size,
    types,
    pipeline: true,
    onConnect: async (client) => {
      await client.query(settings(options));
    },
  });
  // A connection that breaks says so to whoever uses it next; without a listener it would end the process.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  return {
    async connect() {
      try {
        return guard(await pool.connect(), afterWrites);
      } catch (error) {
        throw toPostgresError(error);
      }
    },
    end: () => pool.end(),
    options: pool.options,
  };
}

const COMMIT = "commit";

/**
 * The client for as long as Kysely has it. Beginning a transaction, and what is marked for later, is sent along with
 * the next statement: a transaction costs a round trip only where something is read.
 */
function guard(client: PoolClient, afterWrites: string): PostgresPoolClient {
  let hasWritten = false;
  let broken = false;
  /** Of what was sent and not waited for. */
  let failure: { readonly error: unknown } | undefined;
  let sent: Promise<unknown> = Promise.resolve();

  const send = (sql: string, parameters: readonly unknown[]): Promise<QueryResult> => {
    // One message for both, and one answer each.
    if (sql === COMMIT && hasWritten)
      return client
        .query(`${afterWrites}; ${COMMIT}`)
        .then((results) => [results].flat().at(-1) as QueryResult);
    return client.query(sql, parameters.map(storable));
  };
  const sendAhead = (sql: string, parameters: readonly unknown[]) => {
    sent = send(sql, parameters).catch((error: unknown) => {
      failure ??= { error };
    });
    hasWritten ||= isPipelined(sql) && !sql.startsWith("select");
    return { command: "", rowCount: 0, rows: [] };
  };
  const query = async (sql: string, parameters: readonly unknown[]) => {
    if (sql.startsWith("start transaction") || isPipelined(sql)) return sendAhead(sql, parameters);
    try {
      const result = await send(sql, parameters);
      if (failure && sql === COMMIT) throw failure.error;
      if (result.command !== "SELECT" && (result.rowCount ?? 0) > 0) hasWritten = true;
      return result;
    } catch (error) {
      await sent;
      // The first failure is the reason for all that come after it.
      const first = failure?.error ?? error;
      broken ||= isBroken(first) || isBroken(error);
      throw toPostgresError(first);
    } finally {
      if (sql === COMMIT || sql === "rollback") {
        failure = undefined;
        hasWritten = false;
      }
    }
  };
  return {
    query: query as unknown as PostgresPoolClient["query"],
    release: () => client.release(broken),
    processID: (client as { processID?: number }).processID,
  } as PostgresPoolClient;
}

/** Postgres has no NUL in a text. */
const storable = (value: unknown): unknown =>
  typeof value === "string" && value.includes("\0") ? value.replaceAll("\0", "\uFFFD") : value;
