import { NightshiftError } from "../errors.ts";
import type { Run } from "../jobs/run.ts";
import type { Log } from "../log.ts";
import type { RunQueue, Worker } from "../store/run-queue.ts";
import type { Slots } from "./slots.ts";

/** What the heartbeat needs of the loop's options. */
export interface HeartbeatOptions {
  readonly runQueue: RunQueue;
  readonly worker: Worker;
  readonly leaseMs: number;
  readonly log: Log;
  /** Called with runs that a dead process left behind. */
  readonly onLost?: (runs: readonly Run[]) => void;
  readonly now?: () => number;
}

/** Shows that the runs at work here are alive, hears which of them are to stop, and buries those of the dead. */
export interface Heartbeat {
  /** Ends as lost what dead processes left behind, and goes on doing so. */
  start(): Promise<void>;
  /** Extends the leases now; ends runs that their owners want cancelled. Never rejects. */
  renewLeases(): Promise<void>;
  stop(): void;
}

/** Beats within one lease: one may fail, or be late, without a live run counting as lost. */
const RENEWALS_PER_LEASE = 3;
/** How long a lease that is over is still spared, in parts of a lease: longer than until its holder's next beat. */
const SPARED_LEASES = 1 / 2;

export function createHeartbeat(options: HeartbeatOptions, slots: Slots): Heartbeat {
  const { runQueue, worker, leaseMs, log, now = Date.now } = options;
  let renewTimer: NodeJS.Timeout | undefined;
  let reapTimer: NodeJS.Timeout | undefined;
  let recheckTimer: NodeJS.Timeout | undefined;
  /** When each lease that is over was first seen so. */
  let overdue = new Map<string, number>();
  let isStopped = false;

  const renewLeases = async (): Promise<void> => {
    const runIds = slots.running;
    if (runIds.length === 0) return;
    try {
      const { cancel, gone } = await runQueue.renewLeases({ runIds, now: now(), leaseMs, worker });
      for (const { runId, reason } of cancel) slots.end(runId, cancelled(reason));
      for (const runId of gone) slots.end(runId, taken());
    } catch (error) {
      log.error({ err: error }, "the leases of running ghosts could not be extended");
    }
  };
  const reap = async (): Promise<void> => {
    // First what is ours: after a sleep of this machine our own leases look as dead as any.
    await renewLeases();
    // Not by the clock of the wall. Where the machine slept, the clock was set or the database was locked, no holder
    // could beat, and the leases of all are over: those that live get the time to beat again.
    const before = overdue;
    overdue = new Map();
    const isSilent = ({ runId, until }: { runId: string; until: number }): boolean => {
      const lease = `${runId} ${until}`;
      const since = before.get(lease) ?? performance.now();
      overdue.set(lease, since);
      return performance.now() - since >= SPARED_LEASES * leaseMs;
    };
    const lost = await runQueue.reapLost({ now: now(), worker, isAlive, isSilent });
    if (overdue.size > 0) recheckSoon();
    for (const run of lost)
      log.warn({ run_id: run.runId, job_id: run.jobId }, "a run was lost: the process that ran it is gone");
    if (lost.length > 0) options.onLost?.(lost);
  };
  const tryToReap = () =>
    void reap().catch((error: unknown) => log.error({ err: error }, "lost runs could not be looked for"));
  const recheckSoon = () => {
    clearTimeout(recheckTimer);
    if (!isStopped) recheckTimer = setTimeout(tryToReap, SPARED_LEASES * leaseMs).unref();
  };

  return {
    async start() {
      await reap();
      renewTimer = setInterval(() => void renewLeases(), leaseMs / RENEWALS_PER_LEASE).unref();
      reapTimer = setInterval(tryToReap, leaseMs).unref();
    },
    renewLeases,
    stop() {
      isStopped = true;
      clearInterval(renewTimer);
      clearInterval(reapTimer);
      clearTimeout(recheckTimer);
    },
  };
}

/** Whether a process of this host is there; one that belongs to somebody else is. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

const cancelled = (reason: string | null) =>
  new NightshiftError("CANCELLED", reason ?? "Cancelled by its owner.");
const taken = () =>
  new NightshiftError("CANCELLED", "This run was silent for so long that another process took it for lost.");
