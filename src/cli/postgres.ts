import type { Config } from "../config.ts";
import { MIGRATION_WAITS } from "../database/migration-lock.ts";
import { NightshiftError } from "../errors.ts";
import { createLog } from "../log.ts";
import { dryRunMove, type Moved, move } from "../move/move.ts";
import { openSource } from "../move/source.ts";
import type { Flags } from "./command.ts";
import { paint, print, printError, printJson, table } from "./output.ts";

const PROGRESS_EVERY_MS = 1_000;

/** Copies a data folder to Postgres. Resolves to exit code 1 when the two sides differ afterwards. */
export async function runMove(config: Config, { json, dryRun }: Flags): Promise<number> {
  const url = requirePostgres(config, "--to");
  const { openPostgresRows } = await import("../database/postgres-rows.ts");
  const source = await openSource(config.dataDir);
  try {
    const target = await openPostgresRows({ url, schema: "nightshift", timeoutMs: config.databaseTimeoutMs });
    try {
      const parts = {
        source,
        target,
        makeTables: () => makeTables(config),
        now: Date.now,
        onProgress: createProgressPrinter(),
      };
      const moved = await (dryRun ? dryRunMove(parts) : move(parts));
      if (json) printJson(moveToJson(moved));
      else printMoved(moved);
      return moved.status === "unfinished" ? 1 : 0;
    } finally {
      await target.close();
    }
  } finally {
    source.close();
  }
}

/** Prints a line to stderr when a table starts, then one a second. */
function createProgressPrinter(): (table: string, rows: number) => void {
  let last = { table: "", at: 0 };
  return (table, rows) => {
    const at = Date.now();
    if (table === last.table && at - last.at < PROGRESS_EVERY_MS) return;
    last = { table, at };
    printError(`moving ${table}: ${rows} rows`);
  };
}

const moveToJson = ({ status, tables }: Moved) => ({
  status,
  tables: tables.map(({ table, rows, found, checksum, isVerified }) => ({
    table,
    rows,
    already_there: found,
    checksum,
    verified: isVerified,
  })),
});

const MOVE_RESULTS: Readonly<Record<Moved["status"], string>> = {
  moved:
    "All data is in Postgres, with the same counts and checksums on both sides. The folder has not changed. Do not start Nightshift on it again.",
  already_moved: "All data was moved there before. Nothing was written.",
  dry_run: "This is what would be moved. Nothing was written.",
  unfinished:
    "The two sides differ, because something else has written to that database. Empty it (drop schema nightshift cascade) and run the move again.",
};

function printMoved({ status, tables }: Moved): void {
  const rows = tables.map(({ table: name, rows, found, checksum, isVerified }) => [
    name,
    String(rows),
    String(found),
    checksum,
    isVerified === null ? "" : isVerified ? "same" : "DIFFERS",
  ]);
  print(table(["TABLE", "ROWS", "WERE THERE", "CHECKSUM", "COMPARED"], rows));
  print(paint(status === "unfinished" ? "red" : "green", MOVE_RESULTS[status]));
}

/** The Postgres URL. Throws CONFIG_INVALID, which names the flag, when there is none. */
function requirePostgres({ databaseUrl }: Config, flag: string): string {
  if (databaseUrl) return databaseUrl;
  throw new NightshiftError(
    "CONFIG_INVALID",
    `Say which Postgres: ${flag} postgres://user:password@host/database, or NIGHTSHIFT_DATABASE_URL.`,
  );
}

/** Creates the tables in Postgres, or updates them. */
async function makeTables(config: Config): Promise<void> {
  const url = requirePostgres(config, "--database-url");
  const [{ openPostgres }, { openFactsPostgres }, { openPgBoss }] = await Promise.all([
    import("../database/open-postgres.ts"),
    import("../facts/postgres.ts"),
    import("../scheduler/pg-boss.ts"),
  ]);
  const log = createLog(config.logLevel);
  const onMigrationWait = () => log.warn(MIGRATION_WAITS);
  const timeoutMs = config.databaseTimeoutMs;
  const jobs = await openPostgres({ url, now: Date.now, timeoutMs, onMigrationWait });
  try {
    const runQueue = await openPgBoss(jobs, { log });
    await runQueue.close();
  } finally {
    await jobs.close();
  }
  const location = { databaseUrl: url, statementTimeoutMs: timeoutMs, onMigrationWait };
  const facts = await openFactsPostgres(location, timeoutMs);
  await facts.close();
}

export async function runMigrate(config: Config, json: boolean): Promise<number> {
  await makeTables(config);
  if (json) printJson({ migrated: true });
  else print("The tables are up to date. Nodes of this version can start.");
  return 0;
}
