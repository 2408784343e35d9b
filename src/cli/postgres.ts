import type { Config } from "../config.ts";
import { NightshiftError } from "../errors.ts";
import { createLog } from "../log.ts";
import { dryRunMove, type Moved, move } from "../move/move.ts";
import { openSource } from "../move/source.ts";
import { paint, print, printJson, table } from "./output.ts";

interface Values {
  readonly json?: unknown;
  readonly dryRun?: unknown;
}

const TELL_EVERY_MS = 1_000;

/** Carries a data folder to Postgres. Exit code 1 when the two sides differ afterwards. */
export async function runMove(config: Config, { json, dryRun }: Values): Promise<number> {
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
        onProgress: teller(),
      };
      const moved = await (dryRun ? dryRunMove(parts) : move(parts));
      if (json) printJson(show(moved));
      else printMoved(moved);
      return moved.status === "unfinished" ? 1 : 0;
    } finally {
      await target.close();
    }
  } finally {
    source.close();
  }
}

/** A line on stderr for the start of each table, and one a second. */
function teller(): (table: string, rows: number) => void {
  let last = { table: "", at: 0 };
  return (table, rows) => {
    const at = Date.now();
    if (table === last.table && at - last.at < TELL_EVERY_MS) return;
    last = { table, at };
    process.stderr.write(`moving ${table}: ${rows} rows\n`);
  };
}

const show = ({ status, tables }: Moved) => ({
  status,
  tables: tables.map(({ table, rows, found, checksum, isVerified }) => ({
    table,
    rows,
    already_there: found,
    checksum,
    verified: isVerified,
  })),
});

const SENTENCES: Readonly<Record<Moved["status"], string>> = {
  moved:
    "All of it is in Postgres: counts and checksums are the same on both sides. The folder is as it was; start no Nightshift on it any more.",
  already_moved: "All of it was moved there before. Nothing was written.",
  dry_run: "This is what would be moved. Nothing was written.",
  unfinished:
    "The two sides differ: something else has written there. Empty that database (drop schema nightshift cascade), and move again.",
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
  print(paint(status === "unfinished" ? "red" : "green", SENTENCES[status]));
}

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
