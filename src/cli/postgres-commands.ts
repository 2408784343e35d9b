import { type Command, Option } from "commander";
import { command, configFrom, OPTIONS, type Runner, setting } from "./command.ts";

export function moveCommand(run: Runner): Command {
  const from = setting("--from <dir>", "data folder to read; it is not changed", "dataDir");
  const to = setting("--to <url>", "an empty Postgres database", "databaseUrl");
  const dryRun = new Option("--dry-run", "report what would be copied, and write nothing");
  return command(
    "move",
    "Copy a data folder to Postgres; run it again to go on after an interruption",
    [from, to, dryRun, OPTIONS.json],
    [
      "move --from ~/.nightshift --to postgres://nightshift@db/nightshift --dry-run",
      "move --from ~/.nightshift --to postgres://nightshift@db/nightshift",
    ],
  ).action(
    run(async ({ from: data, to: databaseUrl, ...flags }) =>
      (await import("./postgres.ts")).runMove(configFrom({ data, databaseUrl }), flags),
    ),
  );
}

export const migrateCommand = (run: Runner): Command =>
  command(
    "migrate",
    "Create or update the tables in Postgres",
    [OPTIONS.databaseUrl, OPTIONS.json],
    ["migrate --database-url postgres://nightshift_owner@db/nightshift"],
  ).action(
    run(async (flags) => (await import("./postgres.ts")).runMigrate(configFrom(flags), flags.json === true)),
  );
