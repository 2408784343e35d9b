import { inject, onTestFinished } from "vitest";
import { createApp } from "../src/app.ts";
import { readConfig } from "../src/config.ts";
import { createLog } from "../src/log.ts";
import { openPostgres } from "./postgres.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** The database that the program uses: some test files run on both, see vitest.config.ts. */
    database: "SQLite" | "Postgres";
  }
}

const urls = new Map<string, Promise<string>>();

/**
 * The URL of the database that replaces a data folder when this run is on Postgres: the same for each program that a
 * test starts on that folder. Undefined on SQLite.
 */
export function databaseUrlOf(dataDir: string): Promise<string> | undefined {
  if (inject("database") === "SQLite") return undefined;
  let url = urls.get(dataDir);
  if (!url) {
    url = openPostgres(makeTables).then((opened) => opened.url);
    urls.set(dataDir, url);
    onTestFinished(() => void urls.delete(dataDir));
  }
  return url;
}

/** The same for a process that is given `--data`, as its environment. */
export async function databaseEnvironment(args: readonly string[]): Promise<Record<string, string>> {
  const dataDir = args[args.indexOf("--data") + 1];
  const url = args.includes("--data") && dataDir ? await databaseUrlOf(dataDir) : undefined;
  return url ? { NIGHTSHIFT_DATABASE_URL: url } : {};
}

async function makeTables(databaseUrl: string): Promise<void> {
  const app = await createApp({ config: readConfig({ databaseUrl }, {}), log: createLog("silent") });
  const { toolkit } = app.openContext({ user: "alice" });
  await Promise.all([toolkit.call("list_jobs", {}), toolkit.call("list_facts", {})]);
  await app.close();
}
