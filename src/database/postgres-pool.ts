import type { ClientConfig, Pool } from "pg";

/** The schema that holds our tables: others may be in the same database. */
export const SCHEMA_NAME = "nightshift";
const INT8_OID = 20;

export interface ConnectionOptions {
  /** postgres://user:password@host:port/database, with sslmode and the like as libpq has them. */
  readonly url: string;
  /** Default: nightshift. */
  readonly applicationName?: string;
  readonly timeouts: Timeouts;
}

/** How long to wait for what, in ms. */
export interface Timeouts {
  /** A connection, opened or free. */
  readonly connectMs: number;
  readonly statementMs: number;
  readonly lockMs: number;
  /** The answer of a server that has fallen silent. Longer than `statementMs`, which a healthy server keeps itself. */
  readonly answerMs: number;
  /**
   * The next statement of a transaction: Postgres undoes one whose process stands still. Shorter than the time that
   * others wait for its locks.
   */
  readonly idleInTransactionMs: number;
}

/** For the jobs database: `timeoutMs` for a connection and for each statement, half of it for a lock. */
export const jobsTimeouts = (timeoutMs: number): Timeouts => ({
  connectMs: timeoutMs,
  statementMs: timeoutMs,
  lockMs: Math.ceil(timeoutMs / 2),
  answerMs: timeoutMs + 5_000,
  idleInTransactionMs: Math.ceil(timeoutMs / 3),
});

/** The configuration of every connection to Postgres. */
export const connectionConfig = ({
  url,
  applicationName = "nightshift",
  timeouts,
}: ConnectionOptions): ClientConfig => ({
  connectionString: url,
  application_name: applicationName,
  connectionTimeoutMillis: timeouts.connectMs,
  keepAlive: true,
  query_timeout: timeouts.answerMs,
});

export interface PoolOptions extends ConnectionOptions {
  /** The schema that holds our tables. */
  readonly schema: string;
  /** Connections at once. */
  readonly size: number;
  /** Sends statements without waiting for the answers of those before. Default false. */
  readonly pipeline?: boolean;
}

/** A pool that opens connections when they are needed and replaces those that break. */
export async function openPool({ schema, size, pipeline = false, ...options }: PoolOptions): Promise<Pool> {
  const { Pool, TypeOverrides } = (await import("pg")).default;
  const types = new TypeOverrides();
  // Our bigints are counts and epoch ms: far below 2^53.
  types.setTypeParser(INT8_OID, Number);
  const pool = new Pool({
    ...connectionConfig(options),
    max: size,
    types,
    pipeline,
    onConnect: async (client) => {
      await client.query(sessionSettings(schema, options.timeouts));
    },
  });
  // A connection that breaks tells its next user; without a listener the event would end the process.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  return pool;
}

/** Sent as statements: a URL may bring options of its own, and a pooler before the server may refuse such options. */
const sessionSettings = (schema: string, { statementMs, lockMs, idleInTransactionMs }: Timeouts): string =>
  [
    `set search_path = ${schema}`,
    `set statement_timeout = ${statementMs}`,
    `set lock_timeout = ${lockMs}`,
    `set idle_in_transaction_session_timeout = ${idleInTransactionMs}`,
  ].join("; ");
