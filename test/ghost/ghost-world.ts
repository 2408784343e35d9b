import { hostname } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { openDatabase } from "../../src/database/open-sqlite.ts";
import { type GhostDeps, type GhostListener, runGhost } from "../../src/ghost/run.ts";
import { type Action, DEFAULT_LIMITS, type Job, type Limits, type Provision } from "../../src/jobs/job.ts";
import type { Run } from "../../src/jobs/run.ts";
import { openModel } from "../../src/model/provider.ts";
import { type Script, type ScriptedModel, startScriptedModel } from "../../src/model/scripted.ts";
import { createSchedulerLoop, type LoopOptions } from "../../src/scheduler/loop.ts";
import { openThreads } from "../../src/scheduler/threads.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { openRunQueue } from "../../src/store/open-run-queue.ts";
import { openRunStore } from "../../src/store/run-store.ts";
import type { UpstreamConfig } from "../../src/upstream/config.ts";
import { openUpstreams } from "../../src/upstream/open.ts";
import { tempDir } from "../harness.ts";

export const ALICE = { userId: "alice", userKey: "a".repeat(64) };

export interface GhostWorldOptions {
  readonly script?: Script;
  /** Instead of a scripted one's. */
  readonly modelBaseUrl?: string;
  readonly retries?: number;
  readonly jobsDir?: string;
  readonly toolModules?: readonly string[];
  readonly upstreams?: UpstreamConfig;
  readonly memoryMb?: number;
  readonly spare?: number;
  readonly loop?: Partial<LoopOptions>;
  readonly listener?: GhostListener;
  readonly threadFile?: string;
  /** How long a lock of another process is waited for. */
  readonly lockTimeoutMs?: number;
  /** The database as the scheduler sees it: for what a disk may do. */
  readonly disturb?: (db: Database) => Database;
}

export interface NewTestJob {
  readonly limits?: Partial<Limits>;
  readonly tools?: readonly string[];
  readonly dueAt?: number;
  readonly provision?: Provision;
  readonly name?: string;
}

/** The scheduler and its ghosts on real parts: files, threads, a model over HTTP. Gone with the test. */
export async function openGhostWorld(options: GhostWorldOptions = {}) {
  const dir = await tempDir();
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: "debug", base: null }, { write: (line) => lines.push(JSON.parse(line)) });
  const { lockTimeoutMs, disturb = (same: Database) => same } = options;
  const file = join(dir, "jobs.sqlite");
  const db = await openDatabase({ file, now: Date.now, ...(lockTimeoutMs && { lockTimeoutMs }) });
  const jobs = openJobStore(db, { ...ALICE, now: Date.now, maxJobs: 100_000 });
  const runs = openRunStore(db, { userKey: ALICE.userKey, now: Date.now });
  const runQueue = openRunQueue(disturb(db));
  const scripted: ScriptedModel | undefined =
    options.script && (await startScriptedModel({ script: options.script }));
  const baseUrl = options.modelBaseUrl ?? scripted?.baseUrl;
  const threads = openThreads({
    spare: options.spare ?? 0,
    memoryMb: options.memoryMb ?? 64,
    log,
    ...(options.threadFile && { threadFile: options.threadFile }),
  });
  const deps: GhostDeps = {
    threads,
    runQueue,
    model: baseUrl
      ? openModel(
          {
            model: "openai-compatible:scripted",
            modelBaseUrl: baseUrl,
            modelApiKey: "sk-secret-of-the-test",
          },
          { retries: options.retries ?? 0 },
        )
      : undefined,
    openRuns: (userKey) => openRunStore(db, { userKey, now: Date.now }),
    log,
    now: Date.now,
    toolModules: options.toolModules ?? [],
    jobsDir: options.jobsDir,
    ...(options.upstreams && {
      upstreams: {
        servers: options.upstreams.map(({ name }) => name),
        open: (grants) => openUpstreams(options.upstreams ?? [], { grants, log, connectMs: 5_000 }),
      },
    }),
    ...(options.listener && { listeners: [options.listener] }),
  };
  const loop = createSchedulerLoop({
    runQueue,
    worker: { workerId: "worker_test", host: hostname(), pid: process.pid },
    filter: { kinds: ["prompt", "tool", "code"] },
    leaseMs: 30_000,
    maxGhosts: 16,
    log,
    run: (claimed, signal) => runGhost(claimed, deps, signal),
    warm: threads.warm,
    ...options.loop,
  });
  const close = async () => {
    await loop.stop({ graceMs: 5_000 });
    await threads.close();
    await scripted?.close();
    await db.close();
  };
  onTestFinished(close);

  const addJob = (action: Action, job: NewTestJob = {}): Promise<Job> => {
    const dueAt = job.dueAt ?? Date.now();
    return jobs.create({
      name: job.name ?? null,
      action,
      schedule: { kind: "at", at: dueAt },
      timezone: "Europe/Berlin",
      limits: { ...DEFAULT_LIMITS, timeoutSeconds: 15, ...job.limits },
      tools: job.tools ?? null,
      ...(job.provision && { provision: job.provision }),
      nextRunAt: dueAt,
      origin: { kind: "tool", parentSessionId: "session_of_alice", threadId: "thread_of_alice" },
    });
  };
  const runOf = async (jobId: string): Promise<Run> => {
    const page = await runs.list({ jobId });
    return runs.get(page.runs[0]?.runId ?? "none");
  };
  /** Runs one job that is due now to its end. */
  const runJob = async (action: Action, job: NewTestJob = {}): Promise<Run> => {
    const { jobId } = await addJob(action, job);
    await loop.tick();
    await loop.idle();
    return runOf(jobId);
  };
  const prompt = (text: string, job: NewTestJob = {}) => runJob({ kind: "prompt", prompt: text }, job);
  return {
    dir,
    db,
    jobs,
    runs,
    runQueue,
    threads,
    loop,
    deps,
    lines,
    scripted,
    addJob,
    runOf,
    runJob,
    prompt,
    close,
  };
}

export type GhostWorld = Awaited<ReturnType<typeof openGhostWorld>>;
