import type { Job, JobStatus, Overlap, Policy, Provision } from "./job.ts";
import type { Run, RunStatus } from "./run.ts";

/** A job before it has an owner, an id and dates: those are the store's to give. */
export type NewJob = Omit<
  Job,
  | "jobId"
  | "userKey"
  | "userId"
  | "status"
  | "statusReason"
  | "createdAt"
  | "updatedAt"
  | "policy"
  | "provision"
> & {
  /** Default: DEFAULT_POLICY. */
  readonly policy?: Policy;
  /** Default: nothing. */
  readonly provision?: Provision;
};

/** What may change in a stored job. */
export type JobChange = Partial<
  Pick<
    Job,
    | "name"
    | "action"
    | "schedule"
    | "timezone"
    | "limits"
    | "policy"
    | "tools"
    | "provision"
    | "status"
    | "statusReason"
    | "nextRunAt"
  >
>;

export interface JobPage {
  readonly jobs: readonly Job[];
  readonly nextCursor?: string;
}

/**
 * One user's jobs; no method takes a user. A job that is absent and one that is somebody else's get the same
 * JOB_NOT_FOUND.
 */
export interface JobStore {
  /**
   * Durable when it resolves. Rejects with JOB_LIMIT_REACHED (exact under parallel calls and processes): active and
   * paused jobs count, those of the folder too.
   */
  create(job: NewJob): Promise<Job>;
  get(jobId: string): Promise<Job>;
  /** Input and output tokens of all its runs since it was made; 0 for a job that is not this user's. */
  tokensSpent(jobId: string): Promise<number>;
  /** Newest first. `idStart`: only ids that begin so. Rejects with CURSOR_INVALID. */
  list(options?: { status?: JobStatus; idStart?: string; limit?: number; cursor?: string }): Promise<JobPage>;
  /**
   * Reads, decides and writes as one step: `change` sees the stored job and may throw to leave it as it is.
   * Unless `change` gives `nextRunAt`, the store sets it: none while the job isn't active, the first time after now
   * when it becomes active or its schedule or timezone changes. A new `status` without a `statusReason` clears the
   * old reason. Cancelling a job cancels its queued runs; pausing it skips
   * those that no person asked for; resuming it forgets its failures in a row. Rejects with JOB_STATE for a step that NEXT_JOB_STATUSES
   * doesn't have, and for a job that would become active with no time left to run at.
   */
  update(jobId: string, change: (job: Job) => JobChange): Promise<Job>;
  /**
   * Makes this user's jobs of the folder those of `files` and no others: a known file keeps its job (and its id,
   * its runs and a person's pause), a new one gets one, a missing one's is cancelled, and comes back with its file.
   * A changed file that keeps its time keeps what it has missed. No limit applies: the folder is the operator's.
   * `keep` names files that are there but cannot be read: their jobs, if they have any, stay as they are. Returns
   * what changed.
   */
  syncFolder(
    files: readonly FolderJob[],
    keep?: readonly string[],
  ): Promise<{ created: number; changed: number; removed: number }>;
  counts(): Promise<Record<JobStatus, number>>;
  /** Of those of the jobs that are this user's; a job without any is absent. */
  counters(jobIds: readonly string[]): Promise<ReadonlyMap<string, Counters>>;
}

/**
 * A job as a file of the jobs folder describes it; `digest` tells whether the file has changed. What it runs after is
 * named by its file here, which is another one of the folder, and by its id once it is stored.
 */
export interface FolderJob {
  readonly file: string;
  readonly digest: string;
  readonly job: Omit<NewJob, "origin">;
}

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

/** What became of a job's occurrences and runs, over its life. */
export interface Counters {
  readonly runsStarted: number;
  readonly runsSucceeded: number;
  /** Failed, timed out or lost, each attempt by itself. */
  readonly runsFailed: number;
  /** Not run, or ended by its own ghost, because there was a reason not to; the run says which. */
  readonly skipped: number;
  /** Passed while nobody was there to run them. */
  readonly missed: number;
  /** Not run because too many waited already. */
  readonly dropped: number;
  /** Calls of tools that its ghosts may not use. */
  readonly deniedCalls: number;
  /** Runs that failed since the last that succeeded, or since the job was resumed; retries count once, lost runs not. */
  readonly consecutiveFailures: number;
  /** Runs that the schedule has used up of `maxRuns`. */
  readonly scheduledRuns: number;
  /** The newest run that has ended after it had started, and not as skipped. */
  readonly lastRunId: string | null;
}

export const NO_COUNTS: Counters = Object.freeze({
  runsStarted: 0,
  runsSucceeded: 0,
  runsFailed: 0,
  skipped: 0,
  missed: 0,
  dropped: 0,
  deniedCalls: 0,
  consecutiveFailures: 0,
  scheduledRuns: 0,
  lastRunId: null,
});
