import { setImmediate, setTimeout as wait } from "node:timers/promises";
import { interruption } from "../ghost/outcome.ts";
import type { Run } from "../jobs/run.ts";
import type { Claimed, ClaimFilter, RunQueue } from "../store/run-queue.ts";
import { createHeartbeat, type HeartbeatOptions } from "./heartbeat.ts";
import { openSlots, type Slots } from "./slots.ts";

export interface LoopOptions extends HeartbeatOptions {
  readonly filter: ClaimFilter;
  /** Runs of one user in a day; default 0, no limit. */
  readonly maxRunsPerDay?: number;
  /** Ghosts that run at once; other due items wait in order. */
  readonly maxGhosts: number;
  /**
   * Ghosts of one user at once, so that others find a place however long those run; default: no limit. Not for a loop
   * that serves one user.
   */
  readonly maxGhostsPerUser?: number;
  /** Runs one claimed run to its end. Must not reject. */
  readonly run: (claimed: Claimed, signal: AbortSignal) => Promise<unknown>;
  /** Called when something will be due within seconds: the time to start spare threads. */
  readonly warm?: () => void;
  /** Called with each run that was stored as skipped, because its job still had one or by its policy. */
  readonly onSkipped?: (run: Run) => void;
}

/** Starts what is due: never before its time, and in fair order of users. */
export interface SchedulerLoop {
  /** Marks the runs of dead processes as lost, then starts what is due from now on. Rejects with DATA_UNAVAILABLE. */
  start(): Promise<void>;
  /** Looks at once: something may be due sooner, or be cancelled. */
  wake(): void;
  /**
   * Claims what is due at `now` for the slots that are free, and starts it. Resolves to how many runs it started.
   * The loop calls it by itself; tests call it with a time of theirs.
   */
  tick(now?: number): Promise<number>;
  /** Ids of the running runs. */
  readonly running: readonly string[];
  /** Resolves when no run is running. */
  idle(): Promise<void>;
  /** Claims no more, stops running ghosts, and resolves when all have their end written, or after `graceMs`. */
  stop(options?: { graceMs?: number }): Promise<void>;
}

/** Runs claimed at once. Between two claims the calls of connections get the processor. */
const CLAIM_BATCH = 8;
const WARM_AHEAD_MS = 5_000;
/** How often the loop looks for writes of other processes. */
const LOOK_ELSEWHERE_MS = 500;
/** Reported writes of other processes are looked at once, but not more often than this. */
const LISTEN_EVERY_MS = 150;
/** Pause when something is due that nobody here could claim; four times as long after a failure. */
const PASS_RETRY_MS = 250;
const LONGEST_SLEEP_MS = 2 ** 31 - 1;

export function createSchedulerLoop(options: LoopOptions): SchedulerLoop {
  const { runQueue, now = Date.now } = options;
  const slots = openSlots({ max: options.maxGhosts, run: options.run, onFree: () => passes.request() });
  const heartbeat = createHeartbeat(options, slots);
  const timer = createDueTimer(now, { warm: options.warm, onDue: () => passes.request() });
  const stopping = new AbortController();
  let stopWatching = () => {};

  const tick = (at = now()) =>
    startDue(options, slots, {
      at,
      signal: stopping.signal,
      onCancelling: () => void heartbeat.checkRunning(),
    });
  const passes = createPasses(() => runPass(options, { slots, timer, tick }));
  const wake = (): void => {
    void heartbeat.checkRunning();
    passes.request();
  };

  return {
    async start() {
      await heartbeat.start();
      const isLate = () => timer.dueAt !== null && now() >= timer.dueAt + PASS_RETRY_MS;
      stopWatching = watchOtherProcesses(runQueue, isLate, wake);
      passes.open();
    },
    wake,
    tick,
    get running() {
      return slots.running;
    },
    idle: () => slots.idle(),
    async stop({ graceMs = 10_000 } = {}) {
      stopping.abort();
      timer.stop();
      stopWatching();
      await passes.close();
      for (const runId of slots.running) slots.stop(runId, interruption());
      await Promise.race([slots.idle(), wait(graceMs, undefined, { ref: false })]);
      heartbeat.stop();
    },
  };
}

/** Starts what is due, and sets the timer to what is due next. Never rejects. */
async function runPass(
  { runQueue, filter, log, now = Date.now }: LoopOptions,
  { slots, timer, tick }: { slots: Slots; timer: DueTimer; tick: () => Promise<number> },
): Promise<void> {
  try {
    const started = await tick();
    const before = timer.dueAt;
    // Without a free slot the next pass comes when a run ends.
    const dueAt = slots.free > 0 ? await runQueue.nextDueAt(filter) : null;
    const isStuck = started === 0 && dueAt !== null && dueAt === before && dueAt <= now();
    timer.set(dueAt, isStuck ? PASS_RETRY_MS : 0);
  } catch (error) {
    log.error({ err: error }, "due jobs could not be read; trying again");
    timer.set(now(), PASS_RETRY_MS * 4);
  }
}

/** Claims and starts runs until nothing more is due or no slot is free. Resolves to how many it started. */
async function startDue(
  options: LoopOptions,
  slots: Slots,
  { at, signal, onCancelling }: { at: number; signal: AbortSignal; onCancelling: () => void },
): Promise<number> {
  const { runQueue, filter, worker, leaseMs, maxRunsPerDay = 0, maxGhostsPerUser, onSkipped } = options;
  let started = 0;
  for (;;) {
    const limit = Math.min(slots.free, CLAIM_BATCH);
    if (limit <= 0 || signal.aborted) return started;
    const claimed = await runQueue.claimDue({
      now: at,
      limit,
      filter,
      worker,
      leaseMs,
      maxRunsPerDay,
      ...(maxGhostsPerUser &&
        filter.userKey === undefined && { places: { limit: maxGhostsPerUser, held: slots.byUser } }),
      ...(onSkipped && { onSkipped }),
      onCancelling,
    });
    for (const one of claimed) slots.start(one);
    started += claimed.length;
    if (claimed.length < limit) return started;
    await setImmediate();
  }
}

/** Runs `pass` once at a time, from `open` on. Requests during a pass lead to one more after it. */
function createPasses(pass: () => Promise<void>) {
  let current: Promise<void> | undefined;
  let isRequested = false;
  let isOpen = false;
  const request = (): void => {
    isRequested = true;
    if (!isOpen || current) return;
    isRequested = false;
    current = pass().finally(() => {
      current = undefined;
      if (isRequested) request();
    });
  };
  return {
    request,
    open() {
      isOpen = true;
      request();
    },
    async close() {
      isOpen = false;
      await current;
    },
  };
}

type DueTimer = ReturnType<typeof createDueTimer>;

/** Calls `onDue` at a time that may be years ahead, and `warm` a few seconds before it. */
function createDueTimer(
  now: () => number,
  { warm, onDue }: { warm: (() => void) | undefined; onDue: () => void },
) {
  let timer: NodeJS.Timeout | undefined;
  let dueAt: number | null = null;
  let isStopped = false;
  const sleep = (atLeastMs = 0): void => {
    clearTimeout(timer);
    if (isStopped || dueAt === null) return;
    const leftMs = dueAt - now();
    if (leftMs <= WARM_AHEAD_MS) warm?.();
    const untilWarmMs = leftMs - WARM_AHEAD_MS;
    const sleepMs = Math.max(atLeastMs, untilWarmMs > 0 ? untilWarmMs : leftMs);
    timer = setTimeout(wakeUp, Math.min(Math.max(sleepMs, 0), LONGEST_SLEEP_MS));
  };
  // A timer may fire a millisecond early, and the system clock may have been set: the time decides.
  const wakeUp = () => {
    if (dueAt !== null && now() >= dueAt) onDue();
    else sleep();
  };
  return {
    get dueAt() {
      return dueAt;
    },
    /** `atLeastMs`: how long to wait even when the time has come. */
    set(at: number | null, atLeastMs: number) {
      dueAt = at;
      sleep(atLeastMs);
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}

/** Calls `wake` when another process has written, or when `isLate`. Returns what ends it. */
function watchOtherProcesses(runQueue: RunQueue, isLate: () => boolean, wake: () => void): () => void {
  let soon: NodeJS.Timeout | undefined;
  let lookedAt = -Infinity;
  const lookSoon = () => {
    const look = () => {
      soon = undefined;
      lookedAt = performance.now();
      if (runQueue.changedElsewhere()) wake();
    };
    soon ??= setTimeout(look, Math.max(0, lookedAt + LISTEN_EVERY_MS - performance.now())).unref();
  };
  const stopListening = runQueue.onWrite?.(lookSoon);
  const interval = setInterval(() => {
    if (isLate() || runQueue.changedElsewhere()) wake();
  }, LOOK_ELSEWHERE_MS).unref();
  return () => {
    clearInterval(interval);
    stopListening?.();
    clearTimeout(soon);
  };
}
