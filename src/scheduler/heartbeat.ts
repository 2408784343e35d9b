import { NightshiftError } from "../errors.ts";
import type { Run } from "../jobs/run.ts";
import type { Log } from "../log.ts";
import { takenOver } from "../store/journal.ts";
import type { RunQueue, Worker } from "../store/run-queue.ts";
import type { Slots } from "./slots.ts";
import { isAlive } from "./this-process.ts";

export interface HeartbeatOptions {
  readonly runQueue: RunQueue;
  readonly worker: Worker;
  readonly leaseMs: number;
  readonly log: Log;
  /** Called with the runs whose process is gone: each is queued again, or has ended as lost. */
  readonly onInterrupted?: (runs: readonly Run[]) => void;
  readonly now?: () => number;
}

/** Renews the leases of running runs, picks up cancellations, and marks runs of dead processes as lost. */
export interface Heartbeat {
  /** Marks lost runs now and at intervals. Rejects with DATA_UNAVAILABLE. */
  start(): Promise<void>;
  /** Stops the runs that are to be cancelled, and those that are no longer this process's. Never rejects. */
  checkRunning(): Promise<void>;
  stop(): void;
}

/** Renewals within one lease: one may fail or be late, and the run still does not count as lost. */
const RENEWALS_PER_LEASE = 3;
/** How long a lease that has run out is spared, in parts of a lease. Longer than one renewal takes to come. */
const SPARED_LEASES = 1 / 2;

export function createHeartbeat(options: HeartbeatOptions, slots: Slots): Heartbeat {
  const { runQueue, worker, leaseMs, log, now = Date.now } = options;
  const silence = trackSilence(SPARED_LEASES * leaseMs);
  let renewTimer: NodeJS.Timeout | undefined;
  let reapTimer: NodeJS.Timeout | undefined;
  let recheckTimer: NodeJS.Timeout | undefined;
  let isStopped = false;

  const checkRunning = async (): Promise<void> => {
    const runIds = slots.running;
    if (runIds.length === 0) return;
    try {
      const { cancel, gone } = await runQueue.checkRunning({ runIds, worker });
      for (const { runId, reason } of cancel) slots.stop(runId, cancelled(reason));
      for (const runId of gone) slots.stop(runId, takenOver());
    } catch (error) {
      log.error({ err: error }, "it could not be read which running ghosts are to stop");
    }
  };
  const renewLeases = async (): Promise<void> => {
    const runIds = slots.running;
    if (runIds.length === 0) return;
    try {
      await runQueue.renewLeases({ runIds, now: now(), leaseMs, worker });
    } catch (error) {
      log.error({ err: error }, "the leases of running ghosts could not be extended");
    }
    await checkRunning();
  };
  const reap = async (): Promise<void> => {
    // Our own leases first: after this machine was suspended they look as dead as any.
    await renewLeases();
    const isSilent = silence.startRound();
    const interrupted = await runQueue.reapLost({ now: now(), worker, isAlive, isSilent });
    if (silence.hasOverdue() && !isStopped) {
      clearTimeout(recheckTimer);
      recheckTimer = setTimeout(tryToReap, SPARED_LEASES * leaseMs).unref();
    }
    for (const { runId, jobId, status } of interrupted)
      log.warn(
        { run_id: runId, job_id: jobId },
        status === "lost"
          ? "a run was lost: the process that ran it is gone"
          : "a run goes on here or elsewhere: the process that ran it is gone",
      );
    if (interrupted.length > 0) options.onInterrupted?.(interrupted);
  };
  const tryToReap = () =>
    void reap().catch((err: unknown) => log.error({ err }, "lost runs could not be looked for"));

  return {
    async start() {
      await reap();
      renewTimer = setInterval(() => void renewLeases(), leaseMs / RENEWALS_PER_LEASE).unref();
      reapTimer = setInterval(tryToReap, leaseMs).unref();
    },
    checkRunning,
    stop() {
      isStopped = true;
      clearInterval(renewTimer);
      clearInterval(reapTimer);
      clearTimeout(recheckTimer);
    },
  };
}

/**
 * Remembers since when each lease has been seen as run out, by a clock that only runs while this process does. Where
 * the machine was suspended, its system clock was set or the database was locked, nobody could renew, and all leases
 * have run out at once: living holders get `sparedMs` to renew theirs.
 */
function trackSilence(sparedMs: number) {
  let seen = new Map<string, number>();
  return {
    /** Begins a look at all leases; the result says of one that has run out whether it has been so for too long. */
    startRound() {
      const before = seen;
      seen = new Map();
      return ({ runId, until }: { runId: string; until: number }): boolean => {
        const lease = `${runId} ${until}`;
        const since = before.get(lease) ?? performance.now();
        seen.set(lease, since);
        return performance.now() - since >= sparedMs;
      };
    },
    /** True when the last round met a lease that has run out. */
    hasOverdue: () => seen.size > 0,
  };
}

const cancelled = (reason: string | null) =>
  new NightshiftError("CANCELLED", reason ?? "Cancelled by its owner.");
