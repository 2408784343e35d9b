import type { Counters } from "../store/job-counters.ts";
import type { Job, JobStatus } from "./job.ts";
import type { Policy } from "./policy.ts";
import type { Provision } from "./provision.ts";

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
