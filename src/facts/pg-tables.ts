import type { Pool, PoolClient } from "pg";
import { beginOn, finish, queryOf, SCHEMA_NAME } from "./pg-pool.ts";

/**
 * Each entry brings the tables to the next version, all in one transaction, so that a version says what is there. They
 * only ever add: a node of an older version goes on beside a newer one. Keys sort by their bytes, whatever the
 * database's locale, so that the primary key serves a range of keys.
 */
const MIGRATIONS = [
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
export async function migrate(pool: Pool): Promise<void> {
  if ((await versionOn(pool)) >= MIGRATIONS.length) return;
  const client = await beginOn(pool, BEGIN_MIGRATION);
  await finish(client, async () => {
    const version = await versionOn(client);
    if (version >= MIGRATIONS.length) return;
    if (version === 0) {
      await client.query(MAKE_SCHEMA);
      await client.query("CREATE TABLE fact_version AS SELECT 0 AS version");
    }
    for (const migration of MIGRATIONS.slice(version)) await client.query(migration);
    await client.query("UPDATE fact_version SET version = $1", [MIGRATIONS.length]);
  });
}

async function versionOn(connection: Pool | PoolClient): Promise<number> {
  const query = queryOf(connection);
  // Of the catalogue's rows: to_regclass may answer from what this connection knew before it waited for the lock.
  const tables = await query(
    "SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'fact_version'",
    SCHEMA_NAME,
  );
  if (tables.length === 0) return 0;
  const [row] = await query<{ version: number }>("SELECT version FROM fact_version");
  return row?.version ?? 0;
}
