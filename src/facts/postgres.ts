import type { KeyvPostgres } from "@keyv/postgres";
import type { Pool, PoolClient } from "pg";
import { toFactsError } from "../database/db-errors.ts";
import { makeSchema, migrationLock, retryMigration } from "../database/migration-lock.ts";
import { openPool, SCHEMA_NAME } from "../database/postgres-pool.ts";
import { type FactsDatabase, KEYV_OPTIONS, parseRow, type Query, whileBusy } from "./database.ts";
import type { StoredFact } from "./rules.ts";

const DEFAULT_POOL_SIZE = 10;
const DEFAULT_STATEMENT_TIMEOUT_MS = 10_000;
/** A transaction whose process has stopped is undone after so long, before those who wait for it give up. */
const IDLE_IN_TRANSACTION_MS = 3_000;

export interface PostgresLocation {
  /** `postgres://user:password@host/database`, with sslmode and the like as libpq has them. */
  readonly databaseUrl: string;
  /** Connections at most, half of them for reading. Default 10, at least 2. */
  readonly poolSize?: number;
  /** Default 10,000 ms. */
  readonly statementTimeoutMs?: number;
  /** Called each time the migration of the tables has to wait for a lock. */
  readonly onMigrationWait?: () => void;
}

/** Connects and brings the tables up to date. Rejects with DATA_UNAVAILABLE; a later call may succeed. */
export async function openFactsPostgres(
  location: PostgresLocation,
  lockTimeoutMs: number,
): Promise<FactsDatabase> {
  const { databaseUrl, poolSize = DEFAULT_POOL_SIZE } = location;
  const { statementTimeoutMs = DEFAULT_STATEMENT_TIMEOUT_MS } = location;
  // Loaded on first use, to keep the start short.
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
  // Two pools: a writer may wait for a reader of the same user, which must not wait for a connection of the writers.
  const [readers, writers] = await Promise.all([open(poolSize / 2), open((poolSize + 1) / 2)]);
  const close = async () => void (await Promise.all([readers.end(), writers.end()]));
  try {
    const migrate = () => retryMigration(() => migratePostgres(writers), location.onMigrationWait);
    await whileBusy(lockTimeoutMs, migrate);
    const read = postgresQuery(readers);
    const [secret] = await read<{ value: string }>("SELECT value FROM fact_secrets WHERE name = 'cursor'");
    const parser = new Keyv<StoredFact>(KEYV_OPTIONS);
    return {
      read,
      lockKey: (userKey) => userKey,
      async transact(userKey, work) {
        const beginSql = `BEGIN; SELECT pg_advisory_xact_lock(${lockOf(userKey)})`;
        const client = await whileBusy(lockTimeoutMs, () => begin(writers, beginSql));
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

/** The number of a user's advisory lock: 64 bits with a sign. */
const lockOf = (userKey: string): bigint => BigInt.asIntN(64, BigInt(`0x${userKey.slice(0, 16)}`));

/**
 * Keyv's adapter on a connection of ours, so that it takes part in our transactions. It never opens its own pool: that
 * is one for the whole process whatever the options, and a connection of it that is cut ends the process.
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
 * Each entry brings the tables to the next version; all run in one transaction. They only ever add, so that a node of
 * an older version can work beside a newer one. Keys sort by their bytes, whatever the database's locale, so that a
 * range of keys can be read by the primary key.
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
  // Vectors go with their facts, whoever deletes these.
  `CREATE TABLE fact_vectors (
     key text COLLATE "C" PRIMARY KEY, model text NOT NULL, value text NOT NULL,
     rowid bigint GENERATED ALWAYS AS IDENTITY);
   CREATE FUNCTION delete_fact_vector() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       DELETE FROM ${SCHEMA_NAME}.fact_vectors WHERE key = old.key;
       RETURN NULL;
     END $$;
   CREATE TRIGGER fact_vector_delete AFTER DELETE ON keyv FOR EACH ROW EXECUTE FUNCTION delete_fact_vector();`,
];

const BEGIN_MIGRATION = ["BEGIN", ...migrationLock()].join("; ");

/** Creates the tables, or brings them up to date. */
async function migratePostgres(pool: Pool): Promise<void> {
  if ((await versionOn(pool)) >= POSTGRES_MIGRATIONS.length) return;
  const client = await begin(pool, BEGIN_MIGRATION);
  await finish(client, async () => {
    const version = await versionOn(client);
    if (version >= POSTGRES_MIGRATIONS.length) return;
    if (version === 0) {
      await client.query(makeSchema());
      await client.query("CREATE TABLE fact_version AS SELECT 0 AS version");
    }
    for (const migration of POSTGRES_MIGRATIONS.slice(version)) await client.query(migration);
    await client.query("UPDATE fact_version SET version = $1", [POSTGRES_MIGRATIONS.length]);
  });
}

async function versionOn(connection: Pool | PoolClient): Promise<number> {
  const query = postgresQuery(connection);
  // Not by to_regclass: that may answer from what this connection knew before it waited for the lock.
  const tables = await query(
    "SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'fact_version'",
    SCHEMA_NAME,
  );
  if (tables.length === 0) return 0;
  const [row] = await query<{ version: number }>("SELECT version FROM fact_version");
  return row?.version ?? 0;
}

/** Resolves to a connection with an open transaction, for `finish`. Leaves nothing behind when it fails. */
async function begin(pool: Pool, beginSql: string): Promise<PoolClient> {
  const client = await pool.connect();
  try {
    await client.query(beginSql);
    return client;
  } catch (error) {
    client.release(true);
    throw error;
  }
}

/** Commits after `work` and gives the connection back. After a failure it closes it, which undoes the transaction. */
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

/** Names of prepared statements by their SQL. They are few: this folder builds no SQL at run time. */
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
