import { execFile } from "node:child_process";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { DUE, LARGE, storeJobs } from "./million-jobs.ts";
import { hasYardsticks, SHARED, type Started, startBuilt } from "./yardstick.ts";

const run = promisify(execFile);
const USERS_DUE = 10;
/** Calls a second, before and while the jobs run: few enough that the machine is not busy. */
const CALLS_PER_SECOND = 100;
/** Time to store a million jobs, to start, and to measure live calls while nothing runs. */
const LEAD_MS = 75_000;

interface DueRun {
  readonly user_key: string;
  readonly status: string;
  readonly scheduled_for: number;
  readonly started_at: number;
}

/** A million jobs stored and a thousand due in one second: what that costs live calls, and whether all ran, in order. */
export async function benchDrain(): Promise<object[]> {
  if (!hasYardsticks()) return [];
  const dueAt = Date.now() + LEAD_MS;
  let file = "";
  const server = await startBuilt(1, async (dataDir) => {
    file = join(dataDir, "jobs.sqlite");
    await storeJobs(file, { count: LARGE, dueAt, users: { due: USERS_DUE, all: 1_000 } });
  });
  try {
    await liveCalls(server, 2);
    const idle = await liveCalls(server, Math.floor((dueAt - Date.now()) / 1000) - 3);
    await wait(dueAt - Date.now());
    const draining = await liveCalls(server, 15);
    const runs = await history(file);
    const seconds = (Math.max(...runs.map((one) => one.started_at)) - dueAt) / 1000;
    return [
      { name: "p99 ms of a live call, idle", value: idle.p99ms },
      { name: "p99 ms of a live call while they run", value: draining.p99ms, atMost: idle.p99ms * 3 },
      {
        name: "ended as succeeded",
        value: runs.filter(({ status }) => status === "succeeded").length,
        of: DUE,
      },
      { name: "seconds until the last began", value: seconds },
      { name: "begun before an older one of the same user", value: overtakings(runs), atMost: 0 },
      { name: "most that one user was ahead of another", value: unfairness(runs) },
    ];
  } finally {
    await server.stop();
  }
}

async function liveCalls({ url, tokens }: Started, seconds: number): Promise<{ p99ms: number }> {
  const caller = join(SHARED, "mcp-http.mjs");
  const load = { url, tokens, users: 1, callsPerSecond: CALLS_PER_SECOND, seconds, caller };
  const script = join(import.meta.dirname, "crowd-load.ts");
  const { stdout } = await run(process.execPath, [script, JSON.stringify(load)]);
  return JSON.parse(stdout) as { p99ms: number };
}

/** Waits until all runs have ended. Resolves to them in the order in which they began. */
async function history(file: string): Promise<DueRun[]> {
  const raw = new DatabaseSync(file, { readOnly: true });
  const query = raw.prepare(
    "select user_key, status, scheduled_for, started_at from runs where finished_at is not null order by started_at, run_id",
  );
  const deadline = Date.now() + 120_000;
  let runs: DueRun[] = [];
  while (runs.length < DUE && Date.now() < deadline) {
    await wait(500);
    runs = query.all() as unknown as DueRun[];
  }
  raw.close();
  return runs;
}

function overtakings(runs: readonly DueRun[]): number {
  const newest = new Map<string, number>();
  let count = 0;
  for (const { user_key, scheduled_for } of runs) {
    if (scheduled_for < (newest.get(user_key) ?? 0)) count += 1;
    newest.set(user_key, Math.max(scheduled_for, newest.get(user_key) ?? 0));
  }
  return count;
}

/** The largest difference, at any time, between the runs begun for one user and for another. */
function unfairness(runs: readonly DueRun[]): number {
  const begun = new Map(runs.map(({ user_key }) => [user_key, 0]));
  let most = 0;
  for (const { user_key } of runs) {
    begun.set(user_key, (begun.get(user_key) ?? 0) + 1);
    most = Math.max(most, Math.max(...begun.values()) - Math.min(...begun.values()));
  }
  return most;
}

if (import.meta.main) console.table(await benchDrain());
