import { setImmediate, setTimeout as wait } from "node:timers/promises";
import { NightshiftError } from "../errors.ts";
import type { Run } from "../jobs/run.ts";
import type { Claimed, ClaimFilter } from "../store/run-queue.ts";
import { createHeartbeat, type HeartbeatOptions } from "./heartbeat.ts";
import { openSlots } from "./slots.ts";

export interface LoopOptions extends HeartbeatOptions {
  readonly filter: ClaimFilter;
  /** Runs of one user in a day; default 0, no limit. */
  readonly maxRunsPerDay?: number;
  /** Ghosts at work at once; the rest wait in order. */
  readonly maxGhosts: number;
  /** Runs one claimed run to its end. Must not reject. */
  readonly run: (claimed: Claimed, signal: AbortSignal) => Promise<unknown>;
  /** Called when something will be due within seconds: the time to have spare threads. */
  readonly warm?: () => void;
  /** Told of occurrences that were passed over because their job was still at work. */
  readonly onSkipped?: (run: Run) => void;
}

/** Starts what is due, when it is due, never before, oldest first. */
export interface SchedulerLoop {
  /** Ends what dead processes left, then runs what is due from now on. Rejects with DATA_UNAVAILABLE. */
  start(): Promise<void>;
  /** Says that something may be due, or to be cancelled, sooner than the clock knew. */
  wake(): void;
  /**
   * Claims what is due at `now`, as far as there are free slots, and starts it. Resolves to how many were started.
   * The clock does this by itself; tests pass the time in.
   */
  tick(now?: number): Promise<number>;
  /** Ids of the runs at work. */
  readonly running: readonly string[];
  /** Resolves when no ghost is at work. */
  idle(): Promise<void>;
  /**
   * Claims nothing more, tells running ghosts to stop, ends those that do not, and resolves when all have their
   * outcome written, or after `graceMs`.
   */
  stop(options?: { graceMs?: number }): Promise<void>;
}

/** Claims between which live calls get their turn. */
const CLAIM_BATCH = 8;
const WARM_AHEAD_MS = 5_000;
const LOOK_ELSEWHERE_MS = 500;
/** Where other processes are heard: at once, but not more often than this, however much they write. */
const LISTEN_EVERY_MS = 150;
/** After a failure, and when something is due that nobody here could claim. */
const RETRY_MS = 250;
const MAX_TIMER_MS = 2 ** 31 - 1;

export function createSchedulerLoop(options: LoopOptions): SchedulerLoop {
  const { runQueue, worker, filter, leaseMs, maxRunsPerDay = 0, onSkipped, log, now = Date.now } = options;
  const slots = openSlots({ max: options.maxGhosts, run: options.run, onFree: () => requestPass() });
  const heartbeat = createHeartbeat(options, slots);
  let timer: NodeJS.Timeout | undefined;
  let elsewhereTimer: NodeJS.Timeout | undefined;
  let lookTimer: NodeJS.Timeout | undefined;
  let lookedAt = -Infinity;
  let endListening = () => {};
  let dueAt: number | null = null;
  let pass: Promise<void> | undefined;
  let isRequested = false;
  let isOpen = false;
  let isStopping = false;

  const tick = async (at = now()): Promise<number> => {
    let started = 0;
    for (;;) {
      const limit = Math.min(slots.free, CLAIM_BATCH);
      if (limit <= 0 || isStopping) return started;
      const claimed = await runQueue.claimDue({
        now: at,
        limit,
        filter,
        worker,
        leaseMs,
        maxRunsPerDay,
        ...(onSkipped && { onSkipped }),
        onCancelling: () => void heartbeat.renewLeases(),
      });
      for (const one of claimed) slots.fill(one);
      started += claimed.length;
      if (claimed.length < limit) return started;
      await setImmediate();
    }
  };

  /** Sleeps until `dueAt`: in stretches, because timers are short and clocks are set; up once before, to warm. */
  const sleep = (atLeastMs = 0): void => {
    clearTimeout(timer);
    if (!isOpen || dueAt === null) return;
    const leftMs = dueAt - now();
    if (leftMs <= WARM_AHEAD_MS) options.warm?.();
    const untilWarmMs = leftMs - WARM_AHEAD_MS;
    const sleepMs = Math.max(atLeastMs, untilWarmMs > 0 ? untilWarmMs : leftMs);
    // A timer may fire a millisecond early by this clock: `wakeUp` looks at the clock, not at the timer.
    timer = setTimeout(wakeUp, Math.min(Math.max(sleepMs, 0), MAX_TIMER_MS));
  };
  const wakeUp = () => {
    if (dueAt !== null && now() >= dueAt) requestPass();
    else sleep();
  };

  const runPass = async (): Promise<void> => {
    try {
      do {
        isRequested = false;
        const started = await tick();
        // With no free slot the end of a ghost is what is waited for.
        const before = dueAt;
        dueAt = slots.free > 0 ? await runQueue.nextDueAt(filter) : null;
        const isStuck = started === 0 && dueAt !== null && dueAt === before && dueAt <= now();
        sleep(isStuck ? RETRY_MS : 0);
      } while (isRequested && isOpen);
    } catch (error) {
      log.error({ err: error }, "due jobs could not be read; trying again");
      dueAt = now();
      sleep(RETRY_MS * 4);
    }
  };
  /** One turn at a time: claim, start, and set the timer for what is next. */
  function requestPass(): void {
    isRequested = true;
    if (!isOpen || pass) return;
    pass = runPass().finally(() => {
      pass = undefined;
      if (isRequested) requestPass();
    });
  }

  const wake = (): void => {
    void heartbeat.renewLeases();
    requestPass();
  };
  const lookElsewhere = () => {
    const isLate = dueAt !== null && now() >= dueAt + RETRY_MS;
    if (isLate || runQueue.changedElsewhere()) wake();
  };

  const lookSoon = () => {
    lookTimer ??= setTimeout(
      () => {
        lookTimer = undefined;
        lookedAt = performance.now();
        if (runQueue.changedElsewhere()) wake();
      },
      Math.max(0, lookedAt + LISTEN_EVERY_MS - performance.now()),
    ).unref();
  };

  return {
    async start() {
      await heartbeat.start();
      isOpen = true;
      endListening = runQueue.onWrite?.(lookSoon) ?? endListening;
      elsewhereTimer = setInterval(lookElsewhere, LOOK_ELSEWHERE_MS).unref();
      requestPass();
    },
    wake,
    tick,
    get running() {
      return slots.running;
    },
    idle: () => slots.idle(),
    async stop({ graceMs = 10_000 } = {}) {
      isOpen = false;
      isStopping = true;
      clearTimeout(timer);
      clearInterval(elsewhereTimer);
      endListening();
      clearTimeout(lookTimer);
      await pass;
      for (const runId of slots.running) slots.end(runId, stopping());
      await Promise.race([slots.idle(), wait(graceMs, undefined, { ref: false })]);
      heartbeat.stop();
    },
  };
}

const stopping = () =>
  new NightshiftError("CANCELLED", "Nightshift was stopped while this run was at work; it was not finished.");
