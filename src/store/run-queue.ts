import type { Job } from "../jobs/job.ts";
import type { Run, RunResult } from "../jobs/run.ts";

/** Who runs things here, so that another process can tell whether the one that claimed a run is still alive. */
export interface Worker {
  readonly workerId: string;
  readonly host: string;
  readonly pid: number;
}

/** What this process is able to run; what it is not is left for a process that is. */
export interface ClaimFilter {
  /** Action kinds, e.g. no `prompt` where no model is configured. */
  readonly kinds: readonly Job["action"]["kind"][];
  /** One user's jobs only (a stdio server serves its own user); absent means everybody's. */
  readonly userKey?: string;
  /** This queued run and nothing else: for a process that was started to run it. */
  readonly runId?: string;
}

export interface Claimed {
  readonly run: Run;
  readonly job: Job;
}

/**
 * The system's side of jobs and runs: what is due, who has it, how it ended. Only the scheduler holds it.
 * Every method is one transaction, if it doesn't say otherwise.
 */
export interface RunQueue {
  /** The earliest time at which something is due or was queued by hand; by index, whatever the number of jobs. */
  nextDueAt(filter: ClaimFilter): Promise<number | null>;
  /**
   * Claims up to `limit` due occurrences and queued runs, of all users in turn and of each the oldest first: for each
   * the run row `running` with a lease, and the job's next time (computed by the schedule), in one transaction, so
   * that two processes never run one occurrence twice and a crash between any two lines loses none. The job's policy
   * decides: occurrences that were missed are counted in `coalesced` of one run, or get runs of their own that wait
   * for each other; one whose job is still at work is started, held or recorded as a `skipped` run. Every occurrence
   * that is not run is a row (what was missed together shares one) and a counter of the job, and `onSkipped` hears
   * of the rows after the commit. Visits at most a few times `limit` rows. May claim fewer than `limit` while more is
   * due: `nextDueAt` tells.
   */
  claimDue(options: {
    now: number;
    limit: number;
    filter: ClaimFilter;
    worker: Worker;
    leaseMs: number;
    /** Runs of one user in a day; what is beyond is recorded as skipped. Default 0, no limit. */
    maxRunsPerDay?: number;
    onSkipped?: (run: Run) => void;
    /** Called after the commit when runs at work were told to stop (overlap `cancel_other`): `renewLeases` says which. */
    onCancelling?: () => void;
  }): Promise<readonly Claimed[]>;
  /**
   * Extends the leases of `runIds`; answers with those that are to stop, and why unless
   * their owner just wants it, and with those no longer ours.
   */
  renewLeases(options: { runIds: readonly string[]; now: number; leaseMs: number; worker: Worker }): Promise<{
    cancel: readonly { readonly runId: string; readonly reason: string | null }[];
    gone: readonly string[];
  }>;
  /** Writes how a run ended, once: false when it had ended (or was taken for lost) already. */
  finish(runId: string, result: RunResult, now: number): Promise<boolean>;
  /**
   * Ends as `lost` the running runs whose lease is over or whose process (on this host) is dead; answers with them.
   * A process that may have slept renews its own leases (`renewLeases`) first. A transaction for each owner.
   * `isSilent` is asked about each lease that is over, of a process that may be alive: false spares it for now. Default:
   * such a lease is believed.
   */
  reapLost(options: {
    now: number;
    worker: Worker;
    isAlive: (pid: number) => boolean;
    isSilent?: (lease: { readonly runId: string; readonly until: number }) => boolean;
  }): Promise<readonly Run[]>;
  /** True when another process may have written to the database since the last time this was asked. Cheap. */
  changedElsewhere(): boolean;
  /** Calls `listener` when another process has written; absent where nobody says so. Returns what ends it. */
  onWrite?(listener: () => void): () => void;
}

export interface ClaimOptions {
  readonly now: number;
  readonly limit: number;
  readonly filter: ClaimFilter;
  readonly worker: Worker;
  readonly leaseMs: number;
  /** Runs of one user in a day; what is beyond is recorded as skipped. Default 0, no limit. */
  readonly maxRunsPerDay?: number;
  /** What the queue knows the item by that is being taken. */
  readonly ticket?: string;
}
