import type { Client } from "pg";
import { NightshiftError } from "../errors.ts";
import { toJobsError } from "./db-errors.ts";
import { SCHEMA_VERSION } from "./migrations.ts";
import { connectionConfig, jobsTimeouts, SCHEMA_NAME } from "./postgres-pool.ts";

const DOCTOR_TIMEOUT_MS = 5_000;

/** Checks the Postgres of `--database-url` for `doctor`, as `checkDatabase` does a file. Changes nothing. */
export async function checkPostgres(url: string): Promise<string> {
  const { Client } = (await import("pg")).default;
  const client = new Client(connectionConfig({ url, timeouts: jobsTimeouts(DOCTOR_TIMEOUT_MS) }));
  client.on("error", () => {});
  try {
    await client.connect();
    const before = performance.now();
    const server = await firstRow(client, SELECT_SERVER);
    const roundTripMs = performance.now() - before;
    if (server.is_standby) throw wrong("it is a standby, which can only be read; name the primary");
    if (!server.is_made && !server.may_make)
      throw wrong(
        `this user may not make the schema ${SCHEMA_NAME}; make it, and give this user every right to it`,
      );
    if (server.is_made && !server.may_use)
      throw wrong(`this user may not use the schema ${SCHEMA_NAME}; ${GIVE_RIGHTS}`);
    if (server.has_tables) await checkTables(client);
    const found = server.has_tables ? await firstRow(client, SELECT_TABLES) : undefined;
    const tables = found
      ? `${found.jobs} jobs (${found.due} with a next run), ${found.runs} runs`
      : "no tables yet; made when needed";
    return `Postgres ${server.version}, ${tables}, ${server.used} of ${server.max} connections in use, round trip ${roundTripMs.toFixed(1)} ms`;
  } catch (error) {
    throw toJobsError(error);
  } finally {
    await client.end().catch(() => {});
  }
}

const wrong = (what: string) => new NightshiftError("DATA_UNAVAILABLE", `Postgres answers, but ${what}.`);

const GIVE_RIGHTS = "give it the rights that .github/OPERATIONS.md lists under Roles";

/** Rejects with what a node would fail at: an old version, a move that has not ended, rights that are missing. */
async function checkTables(client: Client): Promise<void> {
  const rights = await firstRow(client, SELECT_RIGHTS);
  if (rights.may_read === false) throw wrong(`this user may not read ${rights.tables}; ${GIVE_RIGHTS}`);
  const { version, half_moved } = await firstRow(client, SELECT_STATE);
  if (Number(version) < SCHEMA_VERSION)
    throw wrong(
      `its tables are of version ${version}, and this Nightshift needs ${SCHEMA_VERSION}; run nightshift migrate as the owner of the tables`,
    );
  if (half_moved)
    throw wrong(
      "a move into it is not finished; run the same nightshift move again, which goes on where it ended",
    );
  if (rights.may_write === false) throw wrong(`this user may only read ${rights.tables}; ${GIVE_RIGHTS}`);
}

const SELECT_RIGHTS = `select bool_and(has_table_privilege(c.oid, 'select')) as may_read,
  bool_and(has_table_privilege(c.oid, 'insert') and has_table_privilege(c.oid, 'update')
    and has_table_privilege(c.oid, 'delete')) as may_write,
  string_agg(relname, ', ' order by relname) filter (where not has_table_privilege(c.oid, 'select')
    or not has_table_privilege(c.oid, 'insert') or not has_table_privilege(c.oid, 'update')
    or not has_table_privilege(c.oid, 'delete')) as tables
  from pg_class c where relnamespace = to_regnamespace('${SCHEMA_NAME}') and relkind = 'r'`;

const SELECT_STATE = `select (select max(version) from ${SCHEMA_NAME}.schema_version) as version,
  exists (select from ${SCHEMA_NAME}.moves where finished_at is null) as half_moved`;

const SELECT_SERVER = `select current_setting('server_version') as version,
  pg_is_in_recovery() as is_standby,
  to_regnamespace('${SCHEMA_NAME}') is not null as is_made,
  exists (select from pg_tables where schemaname = '${SCHEMA_NAME}' and tablename = 'runs') as has_tables,
  coalesce(has_schema_privilege(to_regnamespace('${SCHEMA_NAME}'), 'usage'), false) as may_use,
  has_database_privilege(current_database(), 'create') as may_make,
  current_setting('max_connections') as max,
  (select count(*) from pg_stat_activity where backend_type = 'client backend') as used`;

const SELECT_TABLES = `select (select count(*) from ${SCHEMA_NAME}.jobs) as jobs,
  (select count(*) from ${SCHEMA_NAME}.jobs where next_run_at is not null) as due,
  (select count(*) from ${SCHEMA_NAME}.runs) as runs`;

const firstRow = async (client: Client, sql: string): Promise<Record<string, unknown>> =>
  (await client.query(sql)).rows[0] ?? {};
