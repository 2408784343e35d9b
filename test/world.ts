import { join } from "node:path";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import type { Database } from "../src/database/database.ts";
import { openPostgres as openPostgresDatabase } from "../src/database/open-postgres.ts";
import { openDatabase } from "../src/database/open-sqlite.ts";
import { openInbox } from "../src/inbox/inbox-store.ts";
import type { JobStore, NewJob, RunStore } from "../src/jobs/contracts.ts";
import type { Inbox } from "../src/jobs/inbox-item.ts";
import { DEFAULT_LIMITS, type Job } from "../src/jobs/job.ts";
import type { EndStatus, RunResult } from "../src/jobs/run.ts";
import { openPgBoss } from "../src/scheduler/pg-boss.ts";
import { openJobStore } from "../src/store/job-store.ts";
import { openRunQueue, type RunQueueOptions } from "../src/store/open-run-queue.ts";
import type { Claimed, RunQueue, Worker } from "../src/store/run-queue.ts";
import { openRunStore } from "../src/store/run-store.ts";
import type { TokenBudget } from "../src/store/usage.ts";
import { tempDir } from "./harness.ts";
import { openPostgres, type Prepare } from "./postgres.ts";

/** The databases that every contract suite runs on. */
export const BACKENDS = ["SQLite", "Postgres"] as const;

/** The same, and a Postgres on which pg-boss decides which due runs a node gets: for suites of the run queue. */
export const QUEUE_BACKENDS = [...BACKENDS, "pg-boss"] as const;

export type Backend = (typeof QUEUE_BACKENDS)[number];

/** 2026-02-20 09:00:00 UTC: a Friday. */
export const START = Date.UTC(2026, 1, 20, 9);

interface UserOptions {
  /** The connection to use. Default: the world's own. */
  readonly db?: Database;
  /** Default: the key. */
  readonly userId?: string;
  readonly maxJobs?: number;
  readonly maxQueued?: number;
}

/** The stores of one user. */
interface User {
  readonly jobs: JobStore;
  readonly runs: RunStore;
  readonly inbox: Inbox;
}

/** An empty jobs database of either kind, its stores, and a time that only the test moves. */
export interface World {
  readonly db: Database;
  /** Begins at START. */
  readonly now: () => number;
  /** Moves the time on. */
  pass(ms: number): void;
  /** Another connection to the same data, as another process has it. */
  reopen(): Promise<Database>;
  user(userKey: string, options?: UserOptions): User;
  readonly runQueue: RunQueue;
  /** The run queue of another connection. */
  openQueue(db: Database): Promise<RunQueue>;
  /** Claims up to 16 runs of everybody for the worker w1, for 30 s. */
  claim(options?: Partial<Parameters<RunQueue["claimDue"]>[0]>): Promise<readonly Claimed[]>;
  /** False if the run was not running. */
  finish(runId: string, result?: RunResult): Promise<boolean>;
}

/** Opens a world, which is closed when the test has finished. */
export async function openWorld(backend: Backend, options: RunQueueOptions = {}): Promise<World> {
  let time = START;
  const now = () => time;
  const connect = await connector(backend, now);
  const reopen = async () => {
    const db = await connect();
    onTestFinished(() => db.close());
    return db;
  };
  const openQueue = async (db: Database): Promise<RunQueue> => {
    if (backend !== "pg-boss") return openRunQueue(db, options);
    const opened = await openPgBossQueue(db, options);
    onTestFinished(opened.close);
    return opened;
  };
  const db = await reopen();
  const runQueue = await openQueue(db);
  return {
    db,
    now,
    pass: (ms) => {
      time += ms;
    },
    reopen,
    user(userKey, { db: own = db, userId = userKey, maxJobs, maxQueued } = {}) {
      return {
        jobs: openJobStore(own, { userKey, userId, now, ...(maxJobs && { maxJobs }) }),
        runs: openRunStore(own, { userKey, now, ...(maxQueued && { maxQueued }) }),
        inbox: openInbox(own, { userKey, now }),
      };
    },
    runQueue,
    openQueue,
    claim: (changes) => runQueue.claimDue({ ...CLAIM, now: time, ...changes }),
    finish: (runId, result = resultOf("succeeded")) => runQueue.finish(runId, result, time),
  };
}

/** Opens connections to one new database. */
async function connector(backend: Backend, now: () => number): Promise<() => Promise<Database>> {
  if (backend === "SQLite") {
    const file = join(await tempDir(), "jobs.sqlite");
    return () => openDatabase({ file, now });
  }
  const { url } = await openPostgres(backend === "pg-boss" ? makeQueueTables : makeTables);
  return () => openPostgresDatabase({ url, now });
}

const makeTables: Prepare = async (url) => {
  await (await openPostgresDatabase({ url, now: () => START })).close();
};

const makeQueueTables: Prepare = async (url) => {
  const db = await openPostgresDatabase({ url, now: () => START });
  await (await openPgBossQueue(db)).close();
  await db.close();
};

/**
 * On the test's time, which is behind the database's: all that pg-boss was sent is due by its clock, so it is sent
 * nothing ahead of its time.
 */
const openPgBossQueue = (db: Database, options: RunQueueOptions = {}) =>
  openPgBoss(db, { ...options, log: pino({ level: "silent" }), aheadMs: 0, slackMs: 0 });

/** A tool job that is due every minute from a minute after START. */
export function newJob(change: Partial<NewJob> = {}): NewJob {
  return {
    name: null,
    action: { kind: "tool", tool: "current_time", arguments: {} },
    schedule: { kind: "every", everySeconds: 60, anchor: START },
    timezone: "UTC",
    limits: DEFAULT_LIMITS,
    tools: null,
    nextRunAt: START + 60_000,
    origin: { kind: "tool", parentSessionId: "session_1", threadId: "thread_1" },
    ...change,
  };
}

/** The result of a run that did nothing. */
export const resultOf = (status: EndStatus, change: Partial<RunResult> = {}): RunResult => ({
  status,
  output: null,
  error: null,
  transcript: [],
  usage: { input_tokens: 0, output_tokens: 0 },
  ...change,
});

/** Spends as a model call does. */
export const spend = (db: Database, budget: TokenBudget, tokens: number): Promise<void> =>
  db.transact((trx) => budget.spend(trx, tokens), { of: null });

export const ALL_KINDS: readonly Job["action"]["kind"][] = ["prompt", "tool", "code"];

export const worker = (workerId: string, pid = 1): Worker => ({ workerId, host: "host_1", pid });

const CLAIM = { limit: 16, filter: { kinds: ALL_KINDS }, worker: worker("w1"), leaseMs: 30_000 };
