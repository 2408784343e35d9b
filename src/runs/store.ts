import type { Overlap } from "../jobs/policy.ts";
import type { Run, RunStatus } from "../jobs/run.ts";

export interface Backfill {
  readonly runs: readonly Run[];
  /** Times that had their run. */
  readonly alreadyRun: number;
}

export interface RunPage {
  /** Without transcripts: those are read one run at a time. */
  readonly runs: readonly Omit<Run, "transcript">[];
  readonly nextCursor?: string;
}

/** One user's runs; no method takes a user. Absent and somebody else's look the same: RUN_NOT_FOUND. */
export interface RunStore {
  get(runId: string): Promise<Run>;
  /** Newest first. An unknown `jobId` is an empty list. Rejects with CURSOR_INVALID. */
  list(options?: { jobId?: string; status?: RunStatus; limit?: number; cursor?: string }): Promise<RunPage>;
  /**
   * Adds a `queued` run of the job for now, outside its schedule; a paused or completed job may be run this way.
   * `overlap` says what happens while the job is at work; default `allow_all`. With `skip` the run may be born
   * `skipped`. Rejects with JOB_NOT_FOUND, with JOB_STATE for a cancelled job, and with JOB_LIMIT_REACHED when too many wait.
   */
  enqueue(jobId: string, options?: { overlap?: Overlap }): Promise<Run>;
  /**
   * Queues a run for each time that the job's schedule has from `from` to `to` (epoch ms, both counted), oldest first
   * and one after the other unless the job's overlap is `allow_all`. A time that has its run, waiting, at work or
   * succeeded, gets no second one. All of them or none: rejects with JOB_NOT_FOUND, JOB_STATE, JOB_LIMIT_REACHED,
   * and INVALID_ARGUMENTS for a future, for times of which the runs are no longer kept, and for a stretch of more than
   * a hundred times.
   */
  backfill(jobId: string, span: { from: number; to: number }): Promise<Backfill>;
  /**
   * A queued run is cancelled at once; a running one is told, and ends when its ghost has stopped. Resolves to the
   * run as it is then. Rejects with RUN_NOT_FOUND, and RUN_STATE for one that has ended.
   */
  cancel(runId: string): Promise<Run>;
}
