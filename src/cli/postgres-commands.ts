import { type Command, Option } from "commander";
import { ENVIRONMENT } from "../config.ts";
import { command, OPTIONS, type Runner, settings } from "./command.ts";

export function moveCommand(run: Runner): Command {
  const from = new Option("--from <dir>", "the data folder; it is left as it is").env(ENVIRONMENT.dataDir);
  const to = new Option("--to <url>", "an empty Postgres database").env(ENVIRONMENT.databaseUrl);
  const dryRun = new Option("--dry-run", "look, and write nothing");
  return command(
    "move",
    "Carry a data folder over to Postgres; stopped half-way, the same command goes on",
    [from, to, dryRun, OPTIONS.json],
    [
      "move --from ~/.nightshift --to postgres://nightshift@db/nightshift --dry-run",
      "move --from ~/.nightshift --to postgres://nightshift@db/nightshift",
    ],
  ).action(
    run(async ({ from: data, to: databaseUrl, ...values }) =>
      (await import("./postgres.ts")).runMove(settings({ data, databaseUrl }), values),
    ),
  );
}

export const migrateCommand = (run: Runner): Command =>
  command(
    "migrate",
    "Make the tables in Postgres, or bring them up to date",
    [OPTIONS.databaseUrl, OPTIONS.json],
    ["migrate --database-url postgres://nightshift_owner@db/nightshift"],
  ).action(
    run(async (values) => (await import("./postgres.ts")).runMigrate(settings(values), values.json === true)),
  );
