import { hostname } from "node:os";
import { resolve } from "node:path";
import type { Activity } from "../activity.ts";
import type { Config } from "../config.ts";
import type { Database } from "../database/database.ts";
import type { Events, StepFeed } from "../events.ts";
import { type GhostDeps, type GhostListener, runGhost } from "../ghost/run.ts";
import type { JobStore, RunStore } from "../jobs/contracts.ts";
import { INBOX_URI } from "../jobs/inbox-item.ts";
import type { Action } from "../jobs/job.ts";
import { isEnded } from "../jobs/run.ts";
import type { Log } from "../log.ts";
import { openModel } from "../model/provider.ts";
import { openRunQueue, type RunQueueOptions } from "../store/open-run-queue.ts";
import { startRetention } from "../store/retention.ts";
import type { ClaimFilter, RunQueue, Worker } from "../store/run-queue.ts";
import { openDailyTokens, openJobTokens } from "../store/usage.ts";
import type { UpstreamConfig } from "../upstream/config.ts";
import { openUpstreams } from "../upstream/open.ts";
import { createNetworkPolicy } from "../webhooks/attempt.ts";
import { createDispatcher } from "../webhooks/dispatcher.ts";
import { createOutbox } from "../webhooks/outbox.ts";
import { createSchedulerLoop, type SchedulerLoop } from "./loop.ts";
import type { RunStats } from "./run-stats.ts";
import { openThreads } from "./threads.ts";

export interface SchedulerDeps {
  readonly config: Config;
  readonly log: Log;
  readonly now: () => number;
  readonly events: Events;
  readonly steps: StepFeed;
  readonly runStats: RunStats;
  readonly activity: Pick<Activity, "isInUse">;
  /** Other MCP servers, from `--mcp-config`. */
  readonly upstreams: UpstreamConfig;
  readonly database: () => Promise<Database>;
  readonly openRuns: (userKey: string) => RunStore;
  /** Called after the listeners of this process itself. Default: none. */
  readonly listener?: GhostListener;
  /** The file that a ghost's thread runs. Default: the ghost's entry, from source or as built. */
  readonly threadFile?: string;
}

/** One for the process: two schedulers in it must not take each other's runs for those of a dead one. */
const WORKER: Worker = { workerId: `worker_${crypto.randomUUID()}`, host: hostname(), pid: process.pid };

/** The scheduler at work: the clock, the ghosts' threads, the watched folder. */
export interface SchedulerRuntime {
  wake(): void;
  close(): Promise<void>;
}

/** Starts the scheduler. Rejects with DATA_UNAVAILABLE. A jobs folder that cannot be read is logged and left. */
export async function startScheduler(
  parts: SchedulerDeps & { folderStore: JobStore; onlyUserKey?: string },
): Promise<SchedulerRuntime> {
  const { config, log, now, folderStore, onlyUserKey } = parts;
  const filter = onlyUserKey ? { userKey: onlyUserKey } : {};
  const { loop, webhooks, close } = await openScheduler(parts, filter, config.spareThreads);
  await loop.start();
  const retention = startRetention(await parts.database(), { keep: config, log, now });
  webhooks.start();
  const folder =
    config.jobsDir && (await watchJobs(config.jobsDir, folderStore, { log, now, wake: loop.wake }));
  return {
    wake: loop.wake,
    async close() {
      await (folder || undefined)?.close();
      await retention.stop();
      await close();
    },
  };
}

/**
 * Runs one queued run, and none besides; resolves when it has ended, here or in a process that was quicker, and the
 * user's webhooks were tried.
 */
export async function runOne(parts: SchedulerDeps, userKey: string, runId: string): Promise<void> {
  const { loop, webhooks, close } = await openScheduler(parts, { userKey, runId }, 0);
  try {
    await loop.start();
    const runs = parts.openRuns(userKey);
    while (!isEnded((await runs.get(runId)).status)) {
      await loop.idle();
      await new Promise((go) => setTimeout(go, 50));
    }
    await webhooks.drain();
  } finally {
    await close();
  }
}

/** What cannot run here is left for a process that can: see `waiting_because` in get_job. */
function runnableKinds({ model, jobsDir }: Config): Action["kind"][] {
  return [...(model ? ["prompt" as const] : []), "tool", ...(jobsDir ? ["code" as const] : [])];
}

/**
 * The parts of a scheduler, connected and not started: whoever opens them starts the loop and the webhooks. `only`
 * narrows what is claimed. `spare` is the number of threads that are started ahead of need.
 */
export async function openScheduler(parts: SchedulerDeps, only: Partial<ClaimFilter>, spare: number) {
  const { config, log, now, events, openRuns, runStats, activity, upstreams } = parts;
  const filter: ClaimFilter = { kinds: runnableKinds(config), ...only };
  const database = await parts.database();
  const { runQueue, closeRunQueue } = await selectRunQueue(database, filter, parts, {
    retention: { days: config.inboxDays, items: config.inboxItems },
    onInboxAdded: ({ userKey, ...ended }) => {
      try {
        events.publish(userKey, { kind: "inbox", uri: INBOX_URI, ended });
      } catch (error) {
        // The end is written: whoever cannot hear of it must not make it look as if it were not.
        log.error({ err: error, run_id: ended.runId }, "the end of a run could not be told");
      }
    },
  });
  const threads = openThreads({
    spare,
    most: config.maxGhosts,
    memoryMb: config.ghostMemoryMb,
    log,
    isInUse: () => activity.isInUse,
    ...(parts.threadFile && { threadFile: parts.threadFile }),
  });
  const publishRun = (userKey: string, runId: string, jobId: string) => {
    events.publish(userKey, { kind: "run", uri: `run://${runId}` });
    events.publish(userKey, { kind: "job", uri: `job://${jobId}` });
  };
  const webhooks = createDispatcher({
    outbox: createOutbox(database),
    filter,
    network: createNetworkPolicy(config.webhookAllowPrivate),
    log,
    now,
    onAttempt: ({ userKey, runId, jobId }) => publishRun(userKey, runId, jobId),
  });
  const deps: GhostDeps = {
    threads,
    runQueue,
    model: openModel(config),
    openRuns,
    openBudgets: ({ jobId, userKey, provision }) => [
      openDailyTokens(database, { userKey, maxTokens: config.maxTokensPerDay, now }),
      openJobTokens(database, { jobId, userKey, maxTokens: provision.maxTokensPerJob }),
    ],
    log,
    now,
    ...(upstreams.length > 0 && {
      upstreams: {
        servers: upstreams.map(({ name }) => name),
        open: (grants) => openUpstreams(upstreams, { grants, log }),
      },
    }),
    toolModules: config.tools.map((path) => resolve(path)),
    ...(config.jobsDir && { jobsDir: resolve(config.jobsDir) }),
    listeners: [
      {
        onStep: ({ run }, step) => parts.steps.publish(run.runId, step),
        onEnd: ({ run }, { status, usage }) => {
          runStats.count(status, usage);
          publishRun(run.userKey, run.runId, run.jobId);
          webhooks.wake();
        },
      },
      ...(parts.listener ? [parts.listener] : []),
    ],
  };
  const loop: SchedulerLoop = createSchedulerLoop({
    runQueue,
    worker: WORKER,
    filter,
    leaseMs: config.leaseMs,
    maxGhosts: config.maxGhosts,
    maxRunsPerDay: config.maxRunsPerDay,
    log,
    now,
    run: (claimed, signal) => {
      publishRun(claimed.run.userKey, claimed.run.runId, claimed.run.jobId);
      return runGhost(claimed, deps, signal);
    },
    warm: threads.warm,
    onSkipped: (run) => {
      runStats.count("skipped");
      publishRun(run.userKey, run.runId, run.jobId);
    },
    onLost: (runs) => {
      for (const run of runs) {
        runStats.count("lost");
        publishRun(run.userKey, run.runId, run.jobId);
      }
      webhooks.wake();
    },
  });
  const close = async () => {
    await loop.stop({ graceMs: 5_000 });
    await threads.close();
    await webhooks.stop();
    await closeRunQueue();
  };
  return { loop, threads, webhooks, close };
}

/** One database for several nodes: pg-boss hands out what is due. One user's own process finds it in the ledger. */
async function selectRunQueue(
  database: Database,
  { userKey, runId }: ClaimFilter,
  { config, log }: SchedulerDeps,
  options: RunQueueOptions,
): Promise<{ runQueue: RunQueue; closeRunQueue: () => Promise<void> }> {
  if (!config.databaseUrl || userKey !== undefined || runId !== undefined)
    return { runQueue: openRunQueue(database, options), closeRunQueue: async () => {} };
  const { openPgBoss } = await import("./pg-boss.ts");
  const runQueue = await openPgBoss(database, { ...options, log });
  return { runQueue, closeRunQueue: runQueue.close };
}

async function watchJobs(
  dir: string,
  store: JobStore,
  { log, now, wake }: { log: Log; now: () => number; wake: () => void },
) {
  const { watchFolder } = await import("../jobs-folder/watch.ts");
  try {
    return await watchFolder({ dir: resolve(dir), store, log, now: now, onChange: wake });
  } catch (error) {
    log.error({ err: error }, "the jobs folder could not be read; its jobs are left as they were");
    return undefined;
  }
}
