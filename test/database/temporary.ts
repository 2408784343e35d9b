import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import type { Database } from "../../src/database/database.ts";
import { openPostgres as openPostgresDatabase } from "../../src/database/open-postgres.ts";
import { openDatabase } from "../../src/database/open-sqlite.ts";
import type { NewJob } from "../../src/jobs/contracts.ts";
import { DEFAULT_LIMITS, type Job } from "../../src/jobs/job.ts";
import { openPgBoss, type PgBossRunQueue } from "../../src/scheduler/pg-boss.ts";
import { openRunQueue } from "../../src/store/open-run-queue.ts";
import type { RunQueue, Worker } from "../../src/store/run-queue.ts";
import { openPostgres, type Prepare } from "../postgres.ts";

/** 2026-02-20 09:00:00 UTC: a Friday. */
export const START = Date.UTC(2026, 1, 20, 9);

/** A contract suite runs on this: an empty jobs database of any kind, and a time that the test moves. */
export interface Backend {
  readonly db: Database;
  readonly clock: () => number;
  /** Moves the time forward. */
  pass(ms: number): void;
  /** Another connection to the same data, as another process has it. */
  reopen(): Promise<Database>;
  /** The queue that hands out its due runs. Closed with it. */
  selectRunQueue(db: Database): Promise<RunQueue>;
  close(): Promise<void>;
}
export type OpenBackend = () => Promise<Backend>;

/** A backend on databases that `openOne` opens, all closed with it. */
async function openBackend(openOne: (clock: () => number) => Promise<Database>): Promise<Backend> {
  let now = START;
  const clock = () => now;
  const opened: Database[] = [];
  const open = async () => {
    const db = await openOne(clock);
    opened.push(db);
    return db;
  };
  return {
    db: await open(),
    clock,
    pass: (ms) => {
      now += ms;
    },
    reopen: open,
    selectRunQueue: async (db) => openRunQueue(db),
    close: async () => {
      for (const db of opened) await db.close();
    },
  };
}

export async function openSqliteBackend(): Promise<Backend> {
  const folder = temporaryFolder();
  const file = join(folder.path, "jobs.sqlite");
  const backend = await openBackend((clock) => openDatabase({ file, now: clock }));
  return {
    ...backend,
    close: async () => {
      await backend.close();
      folder.remove();
    },
  };
}

const prepare = async (url: string): Promise<void> => {
  await (await openPostgresDatabase({ url, now: () => START })).close();
};

export const openPostgresBackend = (): Promise<Backend> => openPostgresWith(prepare);

async function openPostgresWith(prepare: Prepare): Promise<Backend> {
  const { url } = await openPostgres(prepare);
  return openBackend((clock) => openPostgresDatabase({ url, now: clock }));
}

const prepareBoss = async (url: string): Promise<void> => {
  const db = await openPostgresDatabase({ url, now: () => START });
  await (await openBoss(db)).close();
  await db.close();
};

/**
 * On the test's clock, which is behind the database's: all that pg-boss was sent is due for it, so it is sent nothing
 * ahead of its time.
 */
const openBoss = (db: Database) => openPgBoss(db, { log: pino({ level: "silent" }), aheadMs: 0, slackMs: 0 });

/** A Postgres whose due runs are handed out by pg-boss. */
export async function openBossBackend(): Promise<Backend> {
  const backend = await openPostgresWith(prepareBoss);
  const opened: PgBossRunQueue[] = [];
  return {
    ...backend,
    selectRunQueue: async (db) => {
      const runQueue = await openBoss(db);
      opened.push(runQueue);
      return runQueue;
    },
    close: async () => {
      for (const runQueue of opened) await runQueue.close();
      await backend.close();
    },
  };
}

/** Every kind of database: each contract suite runs on all of them. */
export const BACKENDS: readonly (readonly [name: string, open: OpenBackend])[] = [
  ["SQLite", openSqliteBackend],
  ["Postgres", openPostgresBackend],
];

export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "nightshift-jobs-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

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

export const ALL_KINDS: readonly Job["action"]["kind"][] = ["prompt", "tool", "code"];

export const worker = (workerId: string, pid = 1): Worker => ({ workerId, host: "night", pid });
