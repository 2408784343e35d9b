import { hostname } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { openDatabase } from "../../src/database/open-sqlite.ts";
import type { RunResult } from "../../src/jobs/run.ts";
import { createSchedulerLoop, type LoopOptions, type SchedulerLoop } from "../../src/scheduler/loop.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { openRunQueue } from "../../src/store/open-run-queue.ts";
import type { Claimed } from "../../src/store/run-queue.ts";
import { openRunStore } from "../../src/store/run-store.ts";
import { tempDir } from "../harness.ts";
import { newJob, resultOf } from "../world.ts";

const ALICE = { userId: "alice", userKey: "a".repeat(64) };
const DONE = resultOf("succeeded", { output: "done" });

interface Begun extends Claimed {
  readonly at: number;
  readonly signal: AbortSignal;
  finish(outcome?: RunResult): Promise<void>;
}

/** A scheduler loop on a real database, whose ghosts do as the test says. */
export async function openLoop(options: Partial<LoopOptions> & { file?: string; autoFinish?: boolean } = {}) {
  const { file = join(await tempDir(), "jobs.sqlite"), autoFinish = true, ...rest } = options;
  const now = options.now ?? Date.now;
  const db: Database = await openDatabase({ file, now });
  const runQueue = openRunQueue(db);
  const begun: Begun[] = [];
  const loop: SchedulerLoop = createSchedulerLoop({
    runQueue,
    worker: { workerId: `worker_${Math.random()}`, host: hostname(), pid: process.pid },
    filter: { kinds: ["prompt", "tool", "code"] },
    leaseMs: 30_000,
    maxGhosts: 16,
    log: pino({ level: "silent" }),
    run: (claimed, signal) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      let isFinished = false;
      const finish = async (outcome = DONE) => {
        if (isFinished) return;
        isFinished = true;
        await runQueue.finish(claimed.run.runId, outcome, now());
        resolve();
      };
      begun.push({ ...claimed, at: now(), signal, finish });
      signal.addEventListener("abort", () => void finish({ ...DONE, status: "cancelled" }));
      if (autoFinish) void finish();
      return promise;
    },
    now,
    ...rest,
  });
  onTestFinished(async () => {
    await loop.stop({ graceMs: 500 });
    await db.close();
  });
  const jobs = openJobStore(db, { ...ALICE, now });
  const runs = openRunStore(db, { userKey: ALICE.userKey, now });
  const add = (dueAt: number, name = "job") =>
    jobs.create(newJob({ name, schedule: { kind: "at", at: dueAt }, nextRunAt: dueAt }));
  return { file, loop, jobs, runs, add, begun, runQueue };
}
