import { join } from "node:path";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import { createActivity } from "../../src/activity.ts";
import { type ConfigInput, readConfig } from "../../src/config.ts";
import type { Database } from "../../src/database/database.ts";
import { openDatabase } from "../../src/database/open-sqlite.ts";
import { createEvents, createTopics } from "../../src/events.ts";
import {
  type Action,
  DEFAULT_LIMITS,
  type Job,
  type Limits,
  type Policy,
  type Provision,
} from "../../src/jobs/job.ts";
import type { Run } from "../../src/jobs/run.ts";
import { type Script, startScriptedModel } from "../../src/model/scripted.ts";
import { createRunStats } from "../../src/scheduler/run-stats.ts";
import { openScheduler, type SchedulerDeps } from "../../src/scheduler/start.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { openRunStore } from "../../src/store/run-store.ts";
import type { UpstreamConfig } from "../../src/upstream/config.ts";
import { tempDir } from "../harness.ts";

const ALICE = { userId: "alice", userKey: "a".repeat(64) };

export interface GhostWorldOptions
  extends Partial<ConfigInput>,
    Pick<SchedulerDeps, "listener" | "threadFile"> {
  /** Configures a model that answers with this. Default: no model. */
  readonly script?: Script;
  readonly upstreams?: UpstreamConfig;
  /** The kinds of jobs that are claimed. Default: those that the configuration can run. */
  readonly kinds?: readonly Action["kind"][];
  /** The longest wait for a lock of another process. */
  readonly lockTimeoutMs?: number;
  /** Puts a fault between the scheduler and its database. */
  readonly disturb?: (db: Database) => Database;
  /** Default: the system's. */
  readonly now?: () => number;
}

export interface NewTestJob {
  readonly limits?: Partial<Limits>;
  readonly tools?: readonly string[];
  readonly dueAt?: number;
  readonly provision?: Provision;
  readonly policy?: Policy;
  readonly name?: string;
}

/**
 * The product's own scheduler on real parts: a file, threads, a model over HTTP. Its loop is not started: a test
 * starts what is due with `loop.tick()`. Closed when the test has finished.
 */
export async function openGhostWorld(options: GhostWorldOptions = {}) {
  const { script, upstreams = [], kinds, lockTimeoutMs, disturb, listener, threadFile, ...others } = options;
  const { now = Date.now, ...given } = others;
  const dir = await tempDir();
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: "debug", base: null }, { write: (line) => lines.push(JSON.parse(line)) });
  const scripted = script && (await startScriptedModel({ script }));
  if (scripted) onTestFinished(() => scripted.close());
  const model = scripted && {
    model: "openai-compatible:scripted",
    modelBaseUrl: scripted.baseUrl,
    modelApiKey: "sk-secret-of-the-test",
  };
  const config = readConfig({ dataDir: dir, spareThreads: 0, ghostMemoryMb: 64, ...model, ...given }, {});
  const db = await openDatabase({
    file: join(dir, "jobs.sqlite"),
    now,
    ...(lockTimeoutMs && { lockTimeoutMs }),
  });
  onTestFinished(() => db.close());
  const jobs = openJobStore(db, { ...ALICE, now, maxJobs: config.maxJobs });
  const runs = openRunStore(db, { userKey: ALICE.userKey, now });
  const deps: SchedulerDeps = {
    config,
    log,
    now,
    events: createEvents(),
    steps: createTopics(),
    runStats: createRunStats(),
    activity: createActivity(),
    upstreams,
    offers: () => true,
    database: async () => disturb?.(db) ?? db,
    openRuns: (userKey) => openRunStore(db, { userKey, now }),
    ...(listener && { listener }),
    ...(threadFile && { threadFile }),
  };
  const { loop, threads, close } = await openScheduler(
    deps,
    { ...(kinds && { kinds }) },
    config.spareThreads,
  );
  onTestFinished(close);

  const addJob = (action: Action, job: NewTestJob = {}): Promise<Job> => {
    const dueAt = job.dueAt ?? now();
    return jobs.create({
      name: job.name ?? null,
      action,
      schedule: { kind: "at", at: dueAt },
      timezone: "Europe/Berlin",
      limits: { ...DEFAULT_LIMITS, timeoutSeconds: 15, ...job.limits },
      tools: job.tools ?? null,
      ...(job.provision && { provision: job.provision }),
      ...(job.policy && { policy: job.policy }),
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
  return { dir, db, jobs, runs, threads, loop, lines, scripted, addJob, runOf, runJob, prompt };
}
