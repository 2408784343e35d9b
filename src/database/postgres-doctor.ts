import type { Client } from "pg";
import { NightshiftError } from "../errors.ts";
import { toJobsError } from "./db-errors.ts";
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
    const found = server.is_made && server.has_tables ? await firstRow(client, SELECT_TABLES) : undefined;
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

const SELECT_SERVER = `select current_setting('server_version') as version,
  pg_is_in_recovery() as is_standby,
  to_regnamespace('${SCHEMA_NAME}') is not null as is_made,
  to_regclass('${SCHEMA_NAME}.runs') is not null as has_tables,
  has_database_privilege(current_database(), 'create') as may_make,
  current_setting('max_connections') as max,
  (select count(*) from pg_stat_activity where backend_type = 'client backend') as used`;

const SELECT_TABLES = `select (select count(*) from ${SCHEMA_NAME}.jobs) as jobs,
  (select count(*) from ${SCHEMA_NAME}.jobs where next_run_at is not null) as due,
  (select count(*) from ${SCHEMA_NAME}.runs) as runs`;

const firstRow = async (client: Client, sql: string): Promise<Record<string, unknown>> =>
  (await client.query(sql)).rows[0] ?? {};
