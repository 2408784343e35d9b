import type { Config } from "../config.ts";
import { NightshiftError } from "../errors.ts";
import { createLog } from "../log.ts";
import { print, printJson } from "./output.ts";

const TIMEOUT_MS = 10_000;

/** A Postgres URL, or CONFIG_INVALID that names the flag. */
export function requirePostgres({ databaseUrl }: Config, flag: string): string {
  if (databaseUrl) return databaseUrl;
  throw new NightshiftError(
    "CONFIG_INVALID",
    `Say which Postgres: ${flag} postgres://user:password@host/database, or NIGHTSHIFT_DATABASE_URL.`,
  );
}

/** Brings all tables of a Postgres up to date, and makes those that are not there. */
export async function makeTables(config: Config): Promise<void> {
  const url = requirePostgres(config, "--database-url");
  const [{ openPostgres }, { openFactsPostgres }, { openPgBoss }] = await Promise.all([
    import("../database/open-postgres.ts"),
    import("../facts/postgres.ts"),
    import("../scheduler/pg-boss.ts"),
  ]);
  const jobs = await openPostgres({ url, now: Date.now, timeoutMs: config.databaseTimeoutMs });
  try {
    const runQueue = await openPgBoss(jobs, { log: createLog(config.logLevel) });
    await runQueue.close();
  } finally {
    await jobs.close();
  }
  const facts = await openFactsPostgres({ databaseUrl: url }, TIMEOUT_MS);
  await facts.close();
}

export async function runMigrate(config: Config, json: boolean): Promise<number> {
  await makeTables(config);
  if (json) printJson({ migrated: true });
  else print("The tables are up to date. Nodes of this version may start.");
  return 0;
}
