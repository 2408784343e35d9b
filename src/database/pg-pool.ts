import type { PostgresPool, PostgresPoolClient } from "kysely";
import type { ClientConfig, PoolClient } from "pg";
import { isBroken, toPostgresError } from "./pg-failures.ts";

export interface ConnectOptions {
  /** postgres://user:password@host:port/database, with sslmode and the like as libpq has them. */
  readonly url: string;
  /** The schema that holds our tables: others may be in the same database. */
  readonly schema: string;
  /** How long to wait for a connection, and for each statement, in ms; for a lock, half of that. */
  readonly timeoutMs: number;
}

const INT8 = 20;

/** What every connection of ours is opened with. Nothing here is set for other users of the `pg` package. */
export async function clientConfig({ url, schema, timeoutMs }: ConnectOptions): Promise<ClientConfig> {
  const { types } = (await import("pg")).default;
  return {
    connectionString: withSearchPath(url, schema),
    application_name: "nightshift",
    connectionTimeoutMillis: timeoutMs,
    statement_timeout: timeoutMs,
    lock_timeout: Math.ceil(timeoutMs / 2),
    // A process that stands still in the middle of a transaction must not keep its locks from the others.
    idle_in_transaction_session_timeout: timeoutMs,
    // For a network that swallows the answer: Postgres's own timeout would come through before.
    query_timeout: timeoutMs + 5_000,
    keepAlive: true,
    types: {
      // Ours are counts and epoch ms: far below 2^53.
      getTypeParser: ((oid: number, format?: "text") =>
        oid === INT8 ? Number : types.getTypeParser(oid, format)) as typeof types.getTypeParser,
    },
  };
}

function withSearchPath(text: string, schema: string): string {
  const url = new URL(text);
  const options = [url.searchParams.get("options"), `-c search_path=${schema}`];
  url.searchParams.set("options", options.filter(Boolean).join(" "));
  return url.href;
}

export interface PoolOptions extends ConnectOptions {
  /** Connections at once. */
  readonly size: number;
  /** A statement that is sent along with the commit of every transaction that has written something. */
  readonly afterWrites: string;
}

/** A pool for Kysely whose failures are ours, and whose connections are replaced when they break. */
export async function openPool({ size, afterWrites, ...options }: PoolOptions): Promise<PostgresPool> {
  const { Pool } = (await import("pg")).default;
  const pool = new Pool({ ...(await clientConfig(options)), max: size });
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

/** The client for as long as Kysely has it. */
function guard(client: PoolClient, afterWrites: string): PostgresPoolClient {
  let hasWritten = false;
  let broken = false;
  const query = async (sql: string, parameters: readonly unknown[]) => {
    try {
      if (sql === COMMIT && hasWritten) {
        // One message for both, and one answer each.
        const results: unknown = await client.query(`${afterWrites}; ${COMMIT}`);
        return (results as unknown[]).at(-1);
      }
      const result = await client.query(sql, parameters.map(storable));
      if (result.command !== "SELECT" && (result.rowCount ?? 0) > 0) hasWritten = true;
      return result;
    } catch (error) {
      broken ||= isBroken(error);
      throw toPostgresError(error);
    }
  };
  return {
    query: query as PostgresPoolClient["query"],
    release: () => client.release(broken),
    processID: (client as { processID?: number }).processID,
  } as PostgresPoolClient;
}

/** Postgres has no NUL in a text. */
const storable = (value: unknown): unknown =>
  typeof value === "string" && value.includes("\0") ? value.replaceAll("\0", "\uFFFD") : value;
