import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Config } from "../config.ts";
import type { Database } from "../database/database.ts";
import type { Action } from "../jobs/job.ts";
import type { Log } from "../log.ts";
import { identifyProcess, isAlive } from "./this-process.ts";

/** The action kinds that this process can run. Others are left for a process that can: see `waiting_because` in get_job. */
export function runnableKinds({ model, jobsDir }: Pick<Config, "model" | "jobsDir">): Action["kind"][] {
  return [...(model ? ["prompt" as const] : []), "tool", ...(jobsDir ? ["code" as const] : [])];
}

/** What a `nightshift serve` tells the processes of the same data folder. */
const servingSchema = z.object({
  worker_id: z.string(),
  host: z.string(),
  pid: z.number().int().positive(),
  kinds: z.array(z.string()),
});
type Serving = z.output<typeof servingSchema>;

const fileIn = (dataDir: string): string => join(dataDir, "serving.json");

/**
 * Tells other processes that this one runs jobs until it ends. Returns a function that takes it back. A node on Postgres
 * may have no data folder, and tells nothing there.
 */
export function announceServing(
  config: Pick<Config, "dataDir" | "model" | "jobsDir">,
  log: Pick<Log, "warn">,
): () => Promise<void> {
  if (!existsSync(config.dataDir)) return async () => {};
  const { workerId, host, pid } = identifyProcess({ isShared: false });
  const serving: Serving = { worker_id: workerId, host, pid, kinds: runnableKinds(config) };
  const file = fileIn(config.dataDir);
  try {
    writeFileSync(file, JSON.stringify(serving), { mode: 0o600 });
  } catch (error) {
    log.warn({ err: error }, "stdio servers cannot be told that this server runs their jobs");
  }
  return async () => {
    if (findServing(config.dataDir)?.worker_id === workerId) rmSync(file, { force: true });
  };
}

/** The living `nightshift serve` of this data folder, if one is known. It may be in another container, and is not then. */
export function findServing(dataDir: string): Serving | undefined {
  try {
    const serving = servingSchema.parse(JSON.parse(readFileSync(fileIn(dataDir), "utf8")));
    const { host } = identifyProcess({ isShared: false });
    return serving.host === host && isAlive(serving.pid, serving.worker_id) ? serving : undefined;
  } catch {
    return undefined;
  }
}

/** True when a `nightshift serve` is known to run jobs of this kind, with or without this process. Never rejects. */
export async function isServed(
  kind: Action["kind"],
  { dataDir, databaseUrl }: Pick<Config, "dataDir" | "databaseUrl">,
  database: () => Promise<Database>,
): Promise<boolean> {
  if (!databaseUrl) return findServing(dataDir)?.kinds.includes(kind) ?? false;
  const { readServedKinds } = await import("../database/postgres-serving.ts");
  const kinds = await database()
    .then(readServedKinds)
    .catch((): string[] => []);
  return kinds.includes(kind);
}
