import type { Job, JobStatus, Overlap, Policy, Provision } from "./job.ts";
import type { OwnerReply, Run, RunStatus } from "./run.ts";

/** A job that is not stored yet: the store gives it an owner, an id, a status and dates. */
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
  /** Default: NO_PROVISION. */
  readonly provision?: Provision;
};

/** The parts of a stored job that may change. */
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

interface CreateOnce {
  /** Made up by a program for each job that it means to make. */
  readonly key?: string;
  /** Makes it although another does the same. Default false. */
  readonly allowDuplicate?: boolean;
}

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
  /**
   * Like `create`, unless there is one: a job of this `key`, whatever became of it, else an active job of this user's tools
   * that does the same at the same times in the same way. Exact under parallel calls.
   */
  createOnce(job: NewJob, options?: CreateOnce): Promise<{ readonly job: Job; readonly isNew: boolean }>;
  get(jobId: string): Promise<Job>;
  /** Input and output tokens of all its runs since it was made; 0 for a job that is not this user's. */
  tokensSpent(jobId: string): Promise<number>;
  /** Newest first. `idStart`: only ids that begin so. `name`: only this name, in any case. Rejects with CURSOR_INVALID. */
  list(options?: {
    status?: JobStatus;
    idStart?: string;
    name?: string;
    limit?: number;
    cursor?: string;
  }): Promise<JobPage>;
  /**
   * Reads, decides and writes as one step: `change` sees the stored job and may throw to leave it as it is.
   * Unless `change` gives `nextRunAt`, the store sets it: none while the job isn't active, the first time after now
   * when it becomes active or its schedule or timezone changes. A new `status` without a `statusReason` clears the
   * old reason. Cancelling a job cancels its queued runs; pausing it skips those that no person asked for; resuming it
   * sets its failures in a row to 0. Rejects with JOB_STATE for a step that NEXT_JOB_STATUSES does not have, and for a
   * job that would become active with no time left to run at.
   */
  update(jobId: string, change: (job: Job) => JobChange): Promise<Job>;
  /**
   * Makes the stored folder jobs of this user match `files`: a known file keeps its job (with its id, its runs and a
   * person's pause), a new file gets a job, and the job of a missing file is cancelled until the file is back. A changed
   * file with unchanged times keeps the occurrences that it has missed. No limit of jobs applies: the folder belongs to
   * the operator. `keep` names files that exist but cannot be read: their jobs stay as they are. Resolves to how many
   * jobs were created, changed and removed.
   */
  syncFolder(
    files: readonly FolderJob[],
    keep?: readonly string[],
  ): Promise<{ created: number; changed: number; removed: number }>;
  counts(): Promise<Record<JobStatus, number>>;
  /** The counters of each of the jobs that is this user's; a job that never ran is absent. */
  counters(jobIds: readonly string[]): Promise<ReadonlyMap<string, Counters>>;
}

/**
 * A job as a file of the jobs folder describes it. `digest` changes with the file. A schedule of kind `after` names
 * another file of the folder here, and that file's job once it is stored.
 */
export interface FolderJob {
  readonly file: string;
  readonly digest: string;
  readonly job: Omit<NewJob, "origin">;
}

export interface Backfill {
  readonly runs: readonly Run[];
  /** How many of the times had a run already. */
  readonly alreadyRun: number;
}

/** A run without its transcript, which may have hundreds of kilobytes. */
export type RunSummary = Omit<Run, "transcript">;

export interface RunPage {
  /** Without transcripts, and with long outputs cut: a page has a million characters of them. `get` has all of a run. */
  readonly runs: readonly RunSummary[];
  readonly nextCursor?: string;
}

/** One user's runs; no method takes a user. An absent run and somebody else's give the same RUN_NOT_FOUND. */
export interface RunStore {
  get(runId: string): Promise<Run>;
  /** What `get` resolves to, without the transcript: for looking again and again. */
  summary(runId: string): Promise<RunSummary>;
  /** Newest first. An unknown `jobId` is an empty list. `idStart`: only ids that begin so. Rejects with CURSOR_INVALID. */
  list(options?: {
    jobId?: string;
    status?: RunStatus;
    idStart?: string;
    limit?: number;
    cursor?: string;
  }): Promise<RunPage>;
  /**
   * Adds a `queued` run of the job for now, outside its schedule; a paused or completed job may be run this way.
   * `overlap` decides what happens while the job has runs that have not ended; default `allow_all`. With `skip` the
   * new run may be `skipped` at once. Rejects with JOB_NOT_FOUND, with JOB_STATE for a cancelled job, and with
   * JOB_LIMIT_REACHED when too many runs wait.
   */
  enqueue(jobId: string, options?: { overlap?: Overlap }): Promise<Run>;
  /**
   * Queues a run for each time that the job's schedule has from `from` to `to` (epoch ms, both counted), oldest first
   * and one after the other unless the job's overlap is `allow_all`. A time whose run is queued, running or succeeded
   * gets no second one. Queues all of them or none. Rejects with JOB_NOT_FOUND, JOB_STATE, JOB_LIMIT_REACHED, and with
   * INVALID_ARGUMENTS for a span that ends in the future, begins before the oldest kept run, or has more than a hundred
   * times.
   */
  backfill(jobId: string, span: { from: number; to: number }): Promise<Backfill>;
  /**
   * Answers a waiting run, once, and queues it. Resolves to the run as it is after that. Rejects with RUN_NOT_FOUND, with
   * RUN_STATE for a run that does not wait (any more), and with INVALID_ARGUMENTS for the wrong kind of answer.
   */
  answer(runId: string, reply: OwnerReply): Promise<Run>;
  /**
   * Cancels a queued run at once; asks a running one to stop, and it ends when its ghost has stopped. Resolves to the
   * run as it is after that. Rejects with RUN_NOT_FOUND, and RUN_STATE for one that has ended.
   */
  cancel(runId: string): Promise<Run>;
}

/** What one user has set; no method takes a user. */
export interface UserSettings {
  /** IANA name; null when the user has set none. */
  timezone(): Promise<string | null>;
  /** Durable when it resolves. */
  setTimezone(timezone: string): Promise<void>;
}

/** Counts of a job's occurrences and runs, over its life. */
export interface Counters {
  readonly runsStarted: number;
  readonly runsSucceeded: number;
  /** Failed, timed out or lost; each attempt counts. */
  readonly runsFailed: number;
  /** Not run, or ended early by their own check, for the reason that the run tells. */
  readonly skipped: number;
  /** Occurrences that passed while no server was there to run them. */
  readonly missed: number;
  /** Occurrences that were not run because too many runs waited already. */
  readonly dropped: number;
  /** Calls of tools that its ghosts may not use. */
  readonly deniedCalls: number;
  /** Runs that failed since the last that succeeded, or since the job was resumed; retries count once, lost runs not. */
  readonly consecutiveFailures: number;
  /** Runs that count towards `maxRuns`. */
  readonly scheduledRuns: number;
  /** The newest run that was started and has ended, other than as skipped. */
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
