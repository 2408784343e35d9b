import type { Pool, PoolClient } from "pg";
import { NightshiftError } from "../errors.ts";
import type { Query } from "./database.ts";

export const SCHEMA_NAME = "nightshift";
/** A transaction whose node has fallen silent is undone after so long, before those who wait for it give up. */
const SILENCE_MS = 3_000;
const INT8_OID = 20;
/** Of the SQL standard's codes. */
const CONNECTION_FAILURE = "08006";

export interface PoolOptions {
  readonly databaseUrl: string;
  /** Connections at once. */
  readonly size: number;
  readonly statementTimeoutMs: number;
  /** How long a connection or a lock is waited for. */
  readonly lockTimeoutMs: number;
}

/** Connections that are replaced when they break. None is opened before it is needed. */
export async function openPool(options: PoolOptions): Promise<Pool> {
  const { Pool, TypeOverrides } = await import("pg");
  const { databaseUrl, size, statementTimeoutMs, lockTimeoutMs } = options;
  const types = new TypeOverrides();
  types.setTypeParser(INT8_OID, Number);
  const pool = new Pool({
    connectionString: databaseUrl,
    max: size,
    types,
    application_name: "nightshift facts",
    keepAlive: true,
    connectionTimeoutMillis: lockTimeoutMs,
    // For a server that has fallen silent; one that is well keeps the time itself.
    query_timeout: statementTimeoutMs + lockTimeoutMs,
    // Not by the connection's options, which a URL may set itself and a pooler before the server may refuse.
    onConnect: async (client) => {
      await client.query(`SET search_path = ${SCHEMA_NAME}; SET lock_timeout = ${lockTimeoutMs};
        SET statement_timeout = ${statementTimeoutMs};
        SET idle_in_transaction_session_timeout = ${SILENCE_MS}`);
    },
  });
  // A connection that is cut says so to whoever uses it; without listeners the news would end the process.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  return pool;
}

/** A connection on which a transaction is open, see `finish`. Leaves nothing behind when it fails. */
export async function beginOn(pool: Pool, begin: string): Promise<PoolClient> {
  const client = await pool.connect().catch(failWithCode);
  try {
    await client.query(begin);
    return client;
  } catch (error) {
    client.release(true);
    return failWithCode(error);
  }
}

/** Commits after `work`, and gives the connection back; one that failed is closed, which undoes what it began. */
export async function finish(client: PoolClient, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    // Postgres answers ROLLBACK, and no error, to the commit of what has failed already.
    const { command } = await client.query("COMMIT");
    if (command !== "COMMIT") throw new Error(`the commit ended as ${command}`);
    client.release();
  } catch (error) {
    client.release(true);
    failWithCode(error);
  }
}

/** Names of the statements that connections prepare once. The room's statements are few and never put together. */
const names = new Map<string, string>();

function nameOf(sql: string): string {
  const name = names.get(sql) ?? `facts_${names.size}`;
  names.set(sql, name);
  return name;
}

export const queryOf =
  (connection: Pool | PoolClient): Query =>
  async (text, ...values) =>
    (await connection.query({ name: nameOf(text), text, values }).catch(failWithCode)).rows;

/** pg gives no code to a connection that broke, or that was waited for in vain. */
function failWithCode(error: unknown): never {
  if (error instanceof Error && !(error instanceof NightshiftError) && !("code" in error))
    Object.assign(error, { code: CONNECTION_FAILURE });
  throw error;
}
