import { resolve } from "node:path";
import type { Activity } from "../activity.ts";
import type { Config } from "../config.ts";
import type { Database } from "../database/database.ts";
import type { Events, StepFeed } from "../events.ts";
import type { GhostDeps, GhostListener } from "../ghost/deps.ts";
import { runGhost } from "../ghost/run.ts";
import type { JobStore, RunStore } from "../jobs/contracts.ts";
import { INBOX_URI } from "../jobs/inbox-item.ts";
import { isEnded, type Run } from "../jobs/run.ts";
import { hostZoneProblem } from "../jobs/time.ts";
import type { Log } from "../log.ts";
import { createModelOutages, type ModelOutages } from "../model/outages.ts";
import { createPace, type Pace } from "../model/pace.ts";
import { openModel } from "../model/provider.ts";
import { openRunQueue, type RunQueueOptions } from "../store/open-run-queue.ts";
import { startRetention } from "../store/retention.ts";
import type { ClaimFilter, RunQueue } from "../store/run-queue.ts";
import { dailyTokens, jobTokens, openTokenBudget } from "../store/usage.ts";
import type { UpstreamConfig } from "../upstream/config.ts";
import { openUpstreams } from "../upstream/open.ts";
import { createNetworkPolicy } from "../webhooks/attempt.ts";
import { createDispatcher, type Dispatcher } from "../webhooks/dispatcher.ts";
import { createOutbox } from "../webhooks/outbox.ts";
import { watchClock } from "./clock-watch.ts";
import { limitPrompts } from "./limited-prompts.ts";
import { createSchedulerLoop, type SchedulerLoop } from "./loop.ts";
import type { RunStats } from "./run-stats.ts";
import { runnableHere } from "./runnable.ts";
import { identifyProcess } from "./this-process.ts";
import { openThreads, type Threads } from "./threads.ts";

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
  /** True for the tools that ghosts can have here. */
  readonly offers: (tool: string) => boolean;
  readonly database: () => Promise<Database>;
  readonly openRuns: (userKey: string) => RunStore;
  /** Called after the listeners of this process itself. Default: none. */
  readonly listener?: GhostListener;
  /** The file that a ghost's thread runs. Default: the ghost's entry, from source or as built. */
  readonly threadFile?: string;
}

export interface SchedulerRuntime {
  wake(): void;
  close(): Promise<void>;
}

/**
 * Starts the scheduler: the loop, the ghosts' threads, webhooks, retention and the watched jobs folder. Rejects with
 * DATA_UNAVAILABLE. A jobs folder that cannot be read is logged, and the scheduler runs without it.
 */
export async function startScheduler(
  deps: SchedulerDeps & { folderStore: JobStore; tz: string | undefined; onlyUserKey?: string },
): Promise<SchedulerRuntime> {
  const { config, log, now, folderStore, onlyUserKey } = deps;
  const problem = hostZoneProblem(deps.tz);
  if (problem) log.warn(problem);
  const only = onlyUserKey ? { userKey: onlyUserKey } : {};
  const { loop, webhooks, close } = await openScheduler(deps, only, config.spareThreads);
  const { wake } = loop;
  await loop.start();
  const retention = startRetention(await deps.database(), { keep: config, log, now });
  webhooks.start();
  const clock = await watchClock(await deps.database(), {
    now,
    log,
    onMended: () => {
      wake();
      webhooks.wake();
    },
  });
  const folder = config.jobsDir && (await watchJobs(config.jobsDir, folderStore, { log, now, wake }));
  return {
    wake,
    async close() {
      await (folder || undefined)?.close();
      await clock.close();
      await retention.stop();
      await close();
    },
  };
}

/**
 * Runs one queued run and no other. Resolves when it has ended or waits for its owner, here or in a process that was
 * quicker, and its webhook messages were tried.
 */
export async function runOne(deps: SchedulerDeps, userKey: string, runId: string): Promise<void> {
  const { loop, webhooks, close } = await openScheduler(deps, { userKey, runId }, 0);
  try {
    await loop.start();
    const runs = deps.openRuns(userKey);
    for (;;) {
      const { status } = await runs.summary(runId);
      if (isEnded(status) || status === "waiting") break;
      await loop.idle();
      await new Promise((go) => setTimeout(go, 50));
    }
    await webhooks.drain();
  } finally {
    await close();
  }
}

/**
 * Opens the parts of a scheduler. The caller starts `loop` and `webhooks`; `close` ends all in order. `only` narrows what
 * is claimed. `spare` is the number of threads that are started ahead of need.
 */
export async function openScheduler(deps: SchedulerDeps, only: Partial<ClaimFilter>, spare: number) {
  const { config, log, now, activity } = deps;
  const filter: ClaimFilter = { ...runnableHere(deps), ...only };
  const database = await deps.database();
  const publishRun = createRunPublisher(deps.events);
  const { runQueue, closeRunQueue } = await selectRunQueue(database, filter, deps);
  const threads = openThreads({
    spare,
    most: config.maxGhosts,
    memoryMb: config.ghostMemoryMb,
    log,
    isInUse: () => activity.isInUse,
    ...(deps.threadFile && { threadFile: deps.threadFile }),
  });
  const webhooks = createDispatcher({
    outbox: createOutbox(database),
    filter,
    network: createNetworkPolicy(config.webhookAllowPrivate),
    log,
    now,
    onAttempt: publishRun,
  });
  const loop = createLoop(deps, filter, { database, runQueue, threads, webhooks, publishRun });
  const close = async () => {
    await loop.stop({ graceMs: 5_000 });
    await threads.close();
    await webhooks.stop();
    await closeRunQueue();
  };
  return { loop, threads, webhooks, close };
}

interface LoopParts {
  readonly database: Database;
  readonly runQueue: RunQueue;
  readonly threads: Threads;
  readonly webhooks: Pick<Dispatcher, "wake">;
  readonly publishRun: RunPublisher;
}

/** The loop, which runs ghosts and reports their runs to connections, webhooks and metrics. */
function createLoop(deps: SchedulerDeps, filter: ClaimFilter, parts: LoopParts): SchedulerLoop {
  const { config, log, now, runStats } = deps;
  const { runQueue, threads, webhooks, publishRun } = parts;
  const pace = createPace(config.modelCallsPerMinute);
  const outages = createModelOutages({ pace, log, now, onMore: () => loop.wake() });
  const ghosts = ghostDeps(
    deps,
    { ...parts, pace, outages },
    {
      onStep: ({ run }, step) => deps.steps.publish(run.runId, step),
      onEnd: ({ run }, { status, usage }) => {
        runStats.count(status, usage);
        publishRun(run);
        webhooks.wake();
      },
      onParked: ({ run }) => publishRun(run),
    },
  );
  const loop = createSchedulerLoop({
    runQueue: limitPrompts(runQueue, outages, now),
    worker: identifyProcess({ isShared: config.databaseUrl !== undefined }),
    filter,
    leaseMs: config.leaseMs,
    maxGhosts: config.maxGhosts,
    maxGhostsPerUser: config.maxGhostsPerUser ?? Math.max(1, Math.floor(config.maxGhosts / 2)),
    maxRunsPerDay: config.maxRunsPerDay,
    log,
    now,
    run: (claimed, signal) => {
      publishRun(claimed.run);
      return runGhost(claimed, ghosts, signal).finally(() => outages.ended(claimed.run));
    },
    warm: threads.warm,
    onSkipped: (run) => {
      runStats.count("skipped");
      publishRun(run);
    },
    onInterrupted: (runs) => {
      for (const run of runs) {
        if (run.status === "lost") runStats.count("lost");
        publishRun(run);
      }
      webhooks.wake();
    },
  });
  return loop;
}

type RunPublisher = (run: Pick<Run, "userKey" | "runId" | "jobId">) => void;

/** Tells the connections of a run's owner that the run and its job have changed. */
const createRunPublisher =
  (events: Events): RunPublisher =>
  ({ userKey, runId, jobId }) => {
    events.publish(userKey, { kind: "run", uri: `run://${runId}` });
    events.publish(userKey, { kind: "job", uri: `job://${jobId}` });
  };

/**
 * Where several nodes share one database, pg-boss hands out the due items. A process that serves one user or one run
 * looks for them in the database itself.
 */
async function selectRunQueue(
  database: Database,
  { userKey, runId }: ClaimFilter,
  { config, log, events }: SchedulerDeps,
): Promise<{ runQueue: RunQueue; closeRunQueue: () => Promise<void> }> {
  const options: RunQueueOptions = {
    retention: { days: config.inboxDays, items: config.inboxItems },
    onInboxAdded: ({ userKey, ...ended }) => {
      try {
        events.publish(userKey, { kind: "inbox", uri: INBOX_URI, ended });
      } catch (error) {
        // The end is written. A listener that fails must not make it look as if it were not.
        log.error(
          { err: error, run_id: ended.runId },
          "the event of a new inbox item could not be published",
        );
      }
    },
  };
  if (!config.databaseUrl || userKey !== undefined || runId !== undefined)
    return { runQueue: openRunQueue(database, options), closeRunQueue: async () => {} };
  const { openPgBoss } = await import("./pg-boss.ts");
  const runQueue = await openPgBoss(database, { ...options, log });
  return { runQueue, closeRunQueue: runQueue.close };
}

interface GhostParts extends Pick<LoopParts, "database" | "threads" | "runQueue"> {
  readonly pace: Pace;
  readonly outages: ModelOutages;
}

/** The dependencies of `runGhost`, which are the same for all runs. */
function ghostDeps(
  { config, log, now, openRuns, upstreams, listener }: SchedulerDeps,
  { database, threads, runQueue, pace, outages }: GhostParts,
  ownListener: GhostListener,
): GhostDeps {
  return {
    threads,
    runQueue,
    model: openModel(config, { pace }),
    outages,
    openRuns,
    openBudget: ({ jobId, userKey, provision }) =>
      openTokenBudget(database, [
        dailyTokens({ userKey, maxTokens: config.maxTokensPerDay, now }),
        jobTokens({ jobId, userKey, maxTokens: provision.maxTokensPerJob }),
      ]),
    maxTimeoutSeconds: config.maxTimeoutSeconds,
    log,
    now,
    ...(upstreams.length > 0 && {
      upstreams: {
        servers: upstreams.map(({ name }) => name),
        open: (grants, userKey) => openUpstreams(upstreams, { grants, userKey, log }),
      },
    }),
    toolModules: config.tools.map((path) => resolve(path)),
    ...(config.jobsDir && { jobsDir: resolve(config.jobsDir) }),
    listeners: [ownListener, ...(listener ? [listener] : [])],
  };
}

async function watchJobs(
  dir: string,
  store: JobStore,
  { log, now, wake }: { log: Log; now: () => number; wake: () => void },
) {
  const { watchFolder } = await import("../jobs-folder/watch.ts");
  try {
    return await watchFolder({ dir: resolve(dir), store, log, now, onChange: wake });
  } catch (error) {
    log.error(
      { err: error },
      "the jobs folder could not be read, and is not watched until the next start; its jobs are left as they were",
    );
    return undefined;
  }
}
