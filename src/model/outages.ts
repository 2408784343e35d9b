import type { NightshiftError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Pace } from "./pace.ts";

/** What an outage of the model's provider means for a run that met it. */
interface MetOutage {
  /** Epoch ms. */
  readonly nextTryAt: number;
  /** Its owner has not been told of this outage yet. */
  readonly isFirst: boolean;
}

/** The prompts that may start now. */
interface PromptLimits {
  readonly most: number;
  /** Users of whom none may start. */
  readonly paused: readonly string[];
  /** Epoch ms at which to look again. */
  readonly nextAt: number;
}

type PromptRun = Readonly<Record<"runId" | "jobId" | "userKey", string>>;

/**
 * When prompts may start. While the provider of the model is away they wait: after a growing time one is tried, and its
 * first answer ends the wait; then two start at once, then four, and so on. Each user has a wait of their own, so that
 * nobody stops another's prompts with one that makes the provider fail. It is kept by each process for itself.
 */
export interface ModelOutages {
  /** Undefined while all may start. */
  limits(): PromptLimits | undefined;
  started(run: PromptRun): void;
  /** The model has answered the run, so its provider is there. */
  answered(run: PromptRun): void;
  /** The run failed because of its model. Undefined when that is no outage. */
  failed(run: PromptRun, error: NightshiftError): MetOutage | undefined;
  ended(run: PromptRun): void;
}

export interface OutageOptions {
  readonly pace: Pace;
  readonly log: Log;
  readonly now: () => number;
  /** Called when more may start than before. */
  readonly onMore: () => void;
  /** The wait before the first try, doubled for each further one. Default: 10 s. */
  readonly firstWaitMs?: number;
}

const FIRST_WAIT_MS = 10_000;
const LONGEST_WAIT_MS = 600_000;
/** How soon to look again for prompts that may not start yet. */
const LOOK_AGAIN_MS = 1_000;
/** Prompts of a user at once from which on they are limited no more. */
const ENOUGH_AT_ONCE = 64;
const MAX_MET = 10_000;
const OUTAGE_CODES: readonly string[] = ["MODEL_UNREACHABLE", "MODEL_UNAVAILABLE"];

/** The wait of one user, and what follows until their prompts start freely again. */
interface Recovery {
  isAway: boolean;
  waitMs: number;
  /** Epoch ms of the next try. */
  until: number;
  /** Prompts that may be at work at once. */
  atOnce: number;
  /** Ids of the runs that were started since. */
  readonly running: Set<string>;
}

export function createModelOutages(options: OutageOptions): ModelOutages {
  const { pace, log, now, onMore, firstWaitMs = FIRST_WAIT_MS } = options;
  const recoveries = new Map<string, Recovery>();
  /** By job, how many calls had been answered when it last met an outage. */
  const met = new Map<string, number>();
  let answers = 0;
  let lastStart = Number.NEGATIVE_INFINITY;

  const isAnyAway = () => recoveries.values().some(({ isAway }) => isAway);
  /** A clock that was set back makes no wait longer. */
  const leftMs = ({ until, waitMs }: Recovery) => (until - now() > waitMs ? 0 : Math.max(0, until - now()));
  const isPaused = (recovery: Recovery) => leftMs(recovery) > 0 || recovery.running.size >= recovery.atOnce;
  /** With a pace, no prompt starts before its first call can be made. */
  const paceMs = () => Math.max(0, pace.waitMs, lastStart + pace.intervalMs - performance.now());
  /** True when the provider has answered others since this job met an outage: then it fails for this job alone. */
  const isOfJob = (jobId: string): boolean => {
    const before = met.get(jobId);
    met.delete(jobId);
    if (before !== undefined && before < answers) return true;
    const [oldest] = met.keys();
    if (met.size >= MAX_MET && oldest !== undefined) met.delete(oldest);
    met.set(jobId, answers);
    return false;
  };

  return {
    limits() {
      if (recoveries.size === 0 && pace.intervalMs === 0) return undefined;
      const waits = [...recoveries.values()].map(leftMs).filter((ms) => ms > 0);
      return {
        most: paceMs() > 0 ? 0 : 1,
        paused: [...recoveries].filter(([, recovery]) => isPaused(recovery)).map(([userKey]) => userKey),
        nextAt: now() + Math.ceil(Math.max(paceMs(), Math.min(LOOK_AGAIN_MS, ...waits))),
      };
    },
    started({ runId, userKey }) {
      lastStart = performance.now();
      recoveries.get(userKey)?.running.add(runId);
    },
    answered({ jobId, userKey }) {
      answers++;
      met.delete(jobId);
      const recovery = recoveries.get(userKey);
      if (!recovery) return;
      const wasAway = recovery.isAway;
      recovery.isAway = false;
      recovery.until = 0;
      recovery.atOnce *= 2;
      if (recovery.atOnce >= ENOUGH_AT_ONCE) recoveries.delete(userKey);
      if (wasAway && !isAnyAway()) log.info("the model's provider answers again; its prompts go on");
      onMore();
    },
    failed({ jobId, userKey }, error) {
      if (!OUTAGE_CODES.includes(error.code) || isOfJob(jobId)) return undefined;
      const before = recoveries.get(userKey);
      if (before && leftMs(before) > 0) return { nextTryAt: before.until, isFirst: false };
      if (!isAnyAway())
        log.warn({ error: error.message }, "the model's provider is away; its prompts wait until it answers");
      const growing = before?.isAway ? before.waitMs * 2 : firstWaitMs;
      const waitMs = Math.max(Math.min(growing, LONGEST_WAIT_MS), Number(error.data.retry_after_ms ?? 0));
      const nextTryAt = now() + waitMs;
      const running = before?.running ?? new Set();
      recoveries.set(userKey, { isAway: true, waitMs, until: nextTryAt, atOnce: 1, running });
      return { nextTryAt, isFirst: before === undefined };
    },
    ended({ runId, userKey }) {
      recoveries.get(userKey)?.running.delete(runId);
    },
  };
}
