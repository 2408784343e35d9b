import type { Run, RunStatus } from "./run.ts";

export interface RunPage {
  /** Without transcripts: those are read one run at a time. */
  readonly runs: readonly Omit<Run, "transcript">[];
  readonly nextCursor?: string;
}

/** One user's runs; no method takes a user. Absent and somebody else's look the same: RUN_NOT_FOUND. */
export interface RunBook {
  get(runId: string): Promise<Run>;
  /** Newest first. An unknown `jobId` is an empty list. Rejects with CURSOR_INVALID. */
  list(options?: { jobId?: string; status?: RunStatus; limit?: number; cursor?: string }): Promise<RunPage>;
  /**
   * Adds a `queued` run of the job for now, outside its schedule; a paused or completed job may be run this way.
   * Rejects with JOB_NOT_FOUND, with JOB_STATE for a cancelled job, and with JOB_LIMIT_REACHED when too many wait.
   */
  enqueue(jobId: string): Promise<Run>;
  /**
   * A queued run is cancelled at once; a running one is told, and ends when its ghost has stopped. Resolves to the
   * run as it is then. Rejects with RUN_NOT_FOUND, and RUN_STATE for one that has ended.
   */
  cancel(runId: string): Promise<Run>;
}
