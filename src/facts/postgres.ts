import type { KeyvPostgres } from "@keyv/postgres";
import type { Pool, PoolClient } from "pg";
import { toFactsError } from "../database/db-errors.ts";
import { openPool, SCHEMA_NAME } from "../database/postgres-pool.ts";
import { type FactsDatabase, KEYV_OPTIONS, parseRow, type Query, whileBusy } from "./database.ts";
import type { StoredFact } from "./rules.ts";

const DEFAULT_POOL_SIZE = 10;
const DEFAULT_STATEMENT_TIMEOUT_MS = 10_000;
/** A transaction whose process has stopped is undone after so long, before those who wait for it give up. */
const IDLE_IN_TRANSACTION_MS = 3_000;

export interface PostgresLocation {
  /** `postgres://user:password@host/database`, with what else Postgres takes in a URL. */
  readonly databaseUrl: string;
  /** Connections at most, half of them for reading. Default 10, at least 2. */
  readonly poolSize?: number;
  /** Default 10,000 ms. */
  readonly statementTimeoutMs?: number;
}

/** Connects, and makes the tables where there are none. Rejects with DATA_UNAVAILABLE; a later try starts afresh. */
export async function openFactsPostgres(
  location: PostgresLocation,
  lockTimeoutMs: number,
): Promise<FactsDatabase> {
  const { databaseUrl, poolSize = DEFAULT_POOL_SIZE } = location;
  const { statementTimeoutMs = DEFAULT_STATEMENT_TIMEOUT_MS } = location;
  // Loaded on first use, like SQLite.
  const [{ Keyv }, adapterOn] = await Promise.all([import("keyv"), loadAdapter()]);
  const timeouts = {
    connectMs: lockTimeoutMs,
    statementMs: statementTimeoutMs,
    lockMs: lockTimeoutMs,
    answerMs: statementTimeoutMs + lockTimeoutMs,
    idleInTransactionMs: IDLE_IN_TRANSACTION_MS,
  };
  const open = (share: number) =>
    openPool({
      url: databaseUrl,
      applicationName: "nightshift facts",
      schema: SCHEMA_NAME,
      size: Math.max(1, Math.floor(share)),
      timeouts,
    });
  // Apart, because a writer may wait for a reader of the same user, who must not wait for the writer's connection.
  const [readers, writers] = await Promise.all([open(poolSize / 2), open((poolSize + 1) / 2)]);
  const close = async () => void (await Promise.all([readers.end(), writers.end()]));
  try {
    await whileBusy(lockTimeoutMs, () => migratePostgres(writers));
    const read = postgresQuery(readers);
    const [secret] = await read<{ value: string }>("SELECT value FROM fact_secrets WHERE name = 'cursor'");
    const parser = new Keyv<StoredFact>(KEYV_OPTIONS);
    return {
      read,
      lockKey: (userKey) => userKey,
      async transact(userKey, work) {
        const begin = `BEGIN; SELECT pg_advisory_xact_lock(${lockOf(userKey)})`;
        const client = await whileBusy(lockTimeoutMs, () => beginOn(writers, begin));
        const query = postgresQuery(client);
        await finish(client, () =>
          work({ query, keyv: new Keyv<StoredFact>(adapterOn(query), KEYV_OPTIONS) }),
        );
      },
      cursorSecret: secret?.value ?? "",
      parse: (value) => parseRow(parser, value),
      close,
    };
  } catch (error) {
    await close();
    throw toFactsError(error);
  }
}

/** A number of 64 bits with a sign, as Postgres names a lock. */
const lockOf = (userKey: string): bigint => BigInt.asIntN(64, BigInt(`0x${userKey.slice(0, 16)}`));

/**
 * Keyv's adapter on a connection of ours, so that it takes part in our transactions. Its own pool is one for the
 * whole process, whatever the options, and a cut connection of it ends the process: it is never made.
 */
async function loadAdapter(): Promise<(query: Query) => KeyvPostgres> {
  const { KeyvPostgres } = await import("@keyv/postgres");
  class Adapter extends KeyvPostgres {
    constructor(query: Query) {
      super({ schema: SCHEMA_NAME });
      this.query = (sql, values = []) => query(sql, ...values);
    }
    override async connect() {
      return async () => [];
    }
  }
  return (query) => new Adapter(query);
}

/**
 * Each entry brings the tables to the next version, all in one transaction, so that a version says what is there. They
 * only ever add: a node of an older version goes on beside a newer one. Keys sort by their bytes, whatever the
 * database's locale, so that the primary key serves a range of keys.
 */
const POSTGRES_MIGRATIONS = [
  `CREATE TABLE keyv (
     key varchar(255) COLLATE "C" PRIMARY KEY, value text, rowid bigint GENERATED ALWAYS AS IDENTITY);
   CREATE TABLE fact_changes (
     user_key text COLLATE "C" PRIMARY KEY, changes bigint NOT NULL, removals bigint NOT NULL)
     WITH (fillfactor = 50);
   CREATE FUNCTION count_fact_change() RETURNS trigger LANGUAGE plpgsql AS $$
     DECLARE removed int := CASE TG_OP WHEN 'INSERT' THEN 0 ELSE 1 END;
     BEGIN
       INSERT INTO ${SCHEMA_NAME}.fact_changes AS known
       VALUES (substr(CASE TG_OP WHEN 'DELETE' THEN old.key ELSE new.key END, 1, 64), 1, removed)
       ON CONFLICT (user_key) DO UPDATE SET changes = known.changes + 1, removals = known.removals + removed;
       RETURN NULL;
     END $$;
   CREATE TRIGGER fact_change AFTER INSERT OR UPDATE OR DELETE ON keyv
     FOR EACH ROW EXECUTE FUNCTION count_fact_change();
   CREATE TABLE fact_secrets (name text PRIMARY KEY, value text NOT NULL);
   INSERT INTO fact_secrets
     VALUES ('cursor', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));`,
];

/** The lock is shared with the other tables of the schema: nodes that start together make each of them once. */
const BEGIN_MIGRATION = `BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;
  SELECT pg_advisory_xact_lock(hashtextextended('${SCHEMA_NAME} tables', 0))`;
/** Said only when it is absent: a user who may not make schemas can be given one. */
const MAKE_SCHEMA = `DO $$ BEGIN
  IF to_regnamespace('${SCHEMA_NAME}') IS NULL THEN CREATE SCHEMA ${SCHEMA_NAME}; END IF; END $$`;

/** Brings the tables up to date, and makes them where there are none. */
async function migratePostgres(pool: Pool): Promise<void> {
  if ((await versionOn(pool)) >= POSTGRES_MIGRATIONS.length) return;
  const client = await beginOn(pool, BEGIN_MIGRATION);
  await finish(client, async () => {
    const version = await versionOn(client);
    if (version >= POSTGRES_MIGRATIONS.length) return;
    if (version === 0) {
      await client.query(MAKE_SCHEMA);
      await client.query("CREATE TABLE fact_version AS SELECT 0 AS version");
    }
    for (const migration of POSTGRES_MIGRATIONS.slice(version)) await client.query(migration);
    await client.query("UPDATE fact_version SET version = $1", [POSTGRES_MIGRATIONS.length]);
  });
}

async function versionOn(connection: Pool | PoolClient): Promise<number> {
  const query = postgresQuery(connection);
  // Of the catalogue's rows: to_regclass may answer from what this connection knew before it waited for the lock.
  const tables = await query(
    "SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'fact_version'",
    SCHEMA_NAME,
  );
  if (tables.length === 0) return 0;
  const [row] = await query<{ version: number }>("SELECT version FROM fact_version");
  return row?.version ?? 0;
}

/** A connection on which a transaction is open, see `finish`. Leaves nothing behind when it fails. */
async function beginOn(pool: Pool, begin: string): Promise<PoolClient> {
  const client = await pool.connect();
  try {
    await client.query(begin);
    return client;
  } catch (error) {
    client.release(true);
    throw error;
  }
}

/** Commits after `work`, and gives the connection back; one that failed is closed, which undoes what it began. */
async function finish(client: PoolClient, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    // Postgres answers ROLLBACK, and no error, to the commit of what has failed already.
    const { command } = await client.query("COMMIT");
    if (command !== "COMMIT") throw new Error(`the commit ended as ${command}`);
    client.release();
  } catch (error) {
    client.release(true);
    throw error;
  }
}

/** Names of prepared statements by their SQL. They are few: no SQL of this folder is put together at run time. */
const statementNames = new Map<string, string>();

function statementName(sql: string): string {
  const name = statementNames.get(sql) ?? `facts_${statementNames.size}`;
  statementNames.set(sql, name);
  return name;
}

const postgresQuery =
  (connection: Pool | PoolClient): Query =>
  async (text, ...values) =>
    (await connection.query({ name: statementName(text), text, values })).rows;
