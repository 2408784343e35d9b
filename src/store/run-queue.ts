import type { JobRow } from "../database/schema.ts";
import type { Job } from "../jobs/job.ts";
import type { Run, RunResult } from "../jobs/run.ts";
import type { JournalStore } from "./journal.ts";
import type { UserPlaces } from "./places.ts";
import type { Wait } from "./wait-run.ts";

/** Identifies this process, so that others can tell whether the holder of a run is still alive. */
export interface Worker {
  readonly workerId: string;
  /** Where `pid` is unique: equal for processes that can see each other, and for no others. */
  readonly host: string;
  readonly pid: number;
}

/** Due jobs that name a tool which this process has not: they are left for a process that has it. */
export interface LeftJobs {
  /** True for a job that this process leaves, which is not found again for a few seconds. */
  leaves(row: JobRow): boolean;
  /** The ids of jobs that are not to be looked at now. */
  ids(): readonly string[];
  /** When the first of them may be looked at again, in epoch ms; null when there is none. */
  nextLookAt(): number | null;
}

/** The work that this process can run. The rest is left for a process that can. */
export interface ClaimFilter {
  /** Action kinds; without `prompt` where no model is configured. */
  readonly kinds: readonly Job["action"]["kind"][];
  /** Only this user's jobs: a stdio server serves its own user. Default: all users. */
  readonly userKey?: string;
  /** Only this queued run: the process was started to run it. */
  readonly runId?: string;
  /** Jobs whose tools this process has not. Default: it has all. */
  readonly left?: LeftJobs;
}

export interface Claimed {
  readonly run: Run;
  readonly job: Job;
}

export interface ClaimOptions {
  readonly now: number;
  readonly limit: number;
  readonly filter: ClaimFilter;
  readonly worker: Worker;
  readonly leaseMs: number;
  /** Runs of one user in a day; the others are recorded as skipped. Default 0, no limit. */
  readonly maxRunsPerDay?: number;
  /** Users who have as many runs here as they may are passed over. Default: no limit. */
  readonly places?: UserPlaces;
}

/**
 * The scheduler's view of jobs and runs, of all users: what is due, who runs it, how it ended. Each method is one
 * transaction, unless it says otherwise.
 */
export interface RunQueue {
  /** The earliest due time of the jobs and queued runs that match. Its cost does not grow with their number. */
  nextDueAt(filter: ClaimFilter): Promise<number | null>;
  /**
   * Claims up to `limit` due items in fair order: inserts or updates the run row to `running` with a lease, and sets
   * the job's next time, in one transaction. So two processes never run one occurrence twice, and a crash loses none.
   * The job's policy decides about the rest. Missed occurrences are counted in `coalesced` of one run, or get runs
   * of their own that wait for each other; one whose job still has a run is started, held or recorded as `skipped`.
   * Each occurrence that is not run has a row (missed ones share it) and counts in a counter of the job.
   * Reads at most a few times `limit` rows. May claim fewer than `limit` while more is due: `nextDueAt` tells.
   */
  claimDue(
    options: ClaimOptions & {
      /** Called after the commit with each run that was stored as skipped. */
      readonly onSkipped?: (run: Run) => void;
      /** Called after the commit when running runs were asked to stop (overlap `cancel_other`). */
      readonly onCancelling?: () => void;
    },
  ): Promise<readonly Claimed[]>;
  /** Extends the leases of those of `runIds` that this worker holds. */
  renewLeases(options: {
    runIds: readonly string[];
    now: number;
    leaseMs: number;
    worker: Worker;
  }): Promise<void>;
  /**
   * Resolves to those of `runIds` that are to stop (the reason is null where their owner just cancelled them), and to
   * those that this worker no longer holds. Writes nothing, so it may follow each write of another process.
   */
  checkRunning(options: { runIds: readonly string[]; worker: Worker }): Promise<{
    cancel: readonly { readonly runId: string; readonly reason: string | null }[];
    gone: readonly string[];
  }>;
  /** Writes the end of a run, once. False when it had an end already, or was marked as lost. */
  finish(runId: string, result: RunResult, now: number): Promise<boolean>;
  /**
   * Queues a run again that is at work here and is to go on in another process. False where it may not go on: see
   * `on_interrupt`.
   */
  requeue(runId: string, now: number): Promise<boolean>;
  /** False when so many runs of the user or of the job wait that this one must go on without an answer. */
  mayWait(run: Pick<Run, "jobId" | "userKey">): Promise<boolean>;
  /** Stores that a run that is at work here waits. False when this process no longer holds it. */
  wait(runId: string, wait: Wait, now: number): Promise<boolean>;
  /** True when the owner has approved of this call for all runs of the job. */
  isApproved(job: Pick<Run, "jobId" | "userKey">, tool: string, argumentsHash: string): Promise<boolean>;
  /** What a run that is at work here does, kept so that it can go on in another process. */
  openJournal(run: Pick<Run, "runId" | "resumed">, isKept: boolean): JournalStore;
  /**
   * Queues the running runs again whose lease has run out or whose process (on this host) is dead, or ends them as
   * `lost` where they may not go on. Resolves to them. One transaction for each owner. A process that may have been suspended renews its own leases first.
   */
  reapLost(options: {
    now: number;
    worker: Worker;
    /** Called with processes whose host is that of `worker`. */
    isAlive: (pid: number, workerId: string) => boolean;
    /** Called with each lease that has run out while its process may be alive; false spares it. Default: true. */
    isSilent?: (lease: { readonly runId: string; readonly until: number }) => boolean;
  }): Promise<readonly Run[]>;
  /** True when another process may have written to the database since the last call. Cheap. */
  changedElsewhere(): boolean;
  /** Calls `listener` after each write of another process, where the database reports them. Returns the end of it. */
  onWrite?(listener: () => void): () => void;
}
