// A node of its own for the bench beside it: `node node.ts <URL> <thread file> <ghosts at once>`. Runs what is due as
// the product does, tells its figures as a line of JSON for each line on stdin, and ends with stdin.

import { hostname } from "node:os";
import { createInterface } from "node:readline";
import { Client } from "pg";
import { pino } from "pino";
import { openPostgres } from "../../src/database/open-postgres.ts";
import { isPipelined } from "../../src/database/sql.ts";
import type { GhostDeps } from "../../src/ghost/deps.ts";
import { runGhost } from "../../src/ghost/run.ts";
import { openModel } from "../../src/model/provider.ts";
import { createSchedulerLoop } from "../../src/scheduler/loop.ts";
import { openPgBoss } from "../../src/scheduler/pg-boss.ts";
import { openThreads } from "../../src/scheduler/threads.ts";
import { openRunStore } from "../../src/store/run-store.ts";
import { jobTokens, openTokenBudget } from "../../src/store/usage.ts";

export interface NodeFigures {
  /** From the due time until this process has claimed the run. */
  readonly lateMs: readonly number[];
  readonly cpuMs: number;
  /** SQL statements that were waited for. */
  readonly trips: number;
}

let trips = 0;
const query = Client.prototype.query as unknown as (
  this: Client,
  sql: unknown,
  ...rest: unknown[]
) => unknown;
Client.prototype.query = function (this: Client, sql: unknown, ...rest: unknown[]) {
  if (!isPipelined(sql)) trips++;
  return query.call(this, sql, ...rest);
} as unknown as typeof Client.prototype.query;

const [, , url = "", threadFile = "", ghosts = "16"] = process.argv;
const log = pino({ level: "warn" }, pino.destination(2));
const db = await openPostgres({ url, now: Date.now });
const runQueue = await openPgBoss(db, { log });
const threads = openThreads({ spare: 2, memoryMb: 128, log, threadFile });
const lateMs: number[] = [];
const deps: GhostDeps = {
  threads,
  runQueue,
  model: openModel({ model: undefined, modelBaseUrl: undefined, modelApiKey: undefined }),
  openBudget: ({ jobId, userKey }) => openTokenBudget(db, [jobTokens({ jobId, userKey, maxTokens: null })]),
  openRuns: (userKey) => openRunStore(db, { userKey, now: Date.now }),
  log: pino({ level: "silent" }),
  now: Date.now,
  toolModules: [],
};
const loop = createSchedulerLoop({
  runQueue,
  worker: { workerId: `bench ${process.pid}`, host: hostname(), pid: process.pid },
  filter: { kinds: ["tool"] },
  leaseMs: 30_000,
  maxGhosts: Number(ghosts),
  log,
  run: (claimed, signal) => {
    lateMs.push(Date.now() - claimed.run.scheduledFor);
    return runGhost(claimed, deps, signal);
  },
  warm: threads.warm,
});
await loop.start();
process.stdout.write("ready\n");
for await (const _ of createInterface({ input: process.stdin })) {
  const { user, system } = process.cpuUsage();
  const figures: NodeFigures = { lateMs, cpuMs: (user + system) / 1_000, trips };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}
await loop.stop();
await threads.close();
await runQueue.close();
await db.close();
