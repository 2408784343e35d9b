import type { ErrorCode } from "../errors.ts";

export const RUN_STATUSES = [
  "queued",
  "running",
  "waiting",
  "succeeded",
  "failed",
  "timed_out",
  "cancelled",
  "lost",
  "skipped",
] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];
export type EndStatus = Exclude<RunStatus, "queued" | "running" | "waiting">;

/** The cause of a run. `after`: a run of the job that its job runs after had succeeded. */
export const TRIGGERS = ["schedule", "manual", "backfill", "after"] as const;
type Trigger = (typeof TRIGGERS)[number];

/**
 * The statuses that may follow each status; one without a successor is an end. A run that was interrupted is queued
 * again. One that waits for an answer or a time goes on when it has come.
 */
export const NEXT_STATUSES = {
  queued: ["running", "cancelled", "skipped"],
  waiting: ["queued", "running", "cancelled", "skipped"],
  running: ["queued", "waiting", "succeeded", "failed", "timed_out", "cancelled", "lost", "skipped"],
  succeeded: [],
  failed: [],
  timed_out: [],
  cancelled: [],
  lost: [],
  skipped: [],
} as const satisfies Record<RunStatus, readonly RunStatus[]>;

export const isEnded = (status: RunStatus): status is EndStatus => NEXT_STATUSES[status].length === 0;

/** Why an answer may be incomplete although its run succeeded, or why it is missing. */
export const END_REASONS = [
  "length",
  "content_filter",
  "refusal",
  "unclosed_reasoning",
  "max_iterations",
] as const;
export type EndReason = (typeof END_REASONS)[number];

/** One thing a ghost did, in order. `skipped`: memory it does not have. `denied`: a tool it may not use. */
export interface TranscriptStep {
  readonly step: number;
  readonly type: "model" | "tool" | "note";
  /** The model's text, or the note. */
  readonly text?: string;
  readonly tool?: string;
  readonly arguments?: unknown;
  readonly result?: string;
  readonly is_error?: boolean;
  readonly skipped?: boolean;
  readonly denied?: boolean;
}

export interface Usage {
  readonly input_tokens: number;
  readonly output_tokens: number;
}

export interface RunError {
  readonly code: ErrorCode;
  readonly message: string;
}

/** How a run ended; written once. */
export interface RunResult {
  readonly status: EndStatus;
  readonly output: string | null;
  readonly error: RunError | null;
  readonly transcript: readonly TranscriptStep[];
  readonly usage: Usage;
  /** A sentence for people: why it was skipped or cancelled. A failure's is in `error`. */
  readonly statusReason?: string | null;
  /** Its output is the job's `silent_token`: there is nothing to deliver. */
  readonly silent?: boolean;
  readonly endReason?: EndReason | null;
  /** Its model failed. Decides about another attempt; not stored. */
  readonly modelFailure?: ModelFailure;
}

/** Times are epoch ms. */
export interface ModelFailure {
  /** No attempt before this: the provider asked for it. */
  readonly retryAt?: number;
  /** The provider is away, which is no fault of the job. */
  readonly outage?: { readonly nextTryAt: number; readonly isFirst: boolean };
}

/** The keys of `ghost.step` in a run's journal begin with this. */
export const NAMED_STEP = "step ";

/** What a run waits for, without a thread. Times are epoch ms. */
export interface WaitingFor {
  readonly kind: "question" | "approval" | "sleep";
  readonly question?: string;
  readonly options?: readonly string[];
  /** The call that needs an approval. */
  readonly tool?: string;
  readonly arguments?: unknown;
  readonly argumentsHash?: string;
  /** The entry of the run's journal that the answer ends. */
  readonly key: string;
  readonly askedAt: number;
  /** Then it goes on without an answer, or after its sleep. */
  readonly until: number;
}

/** What a run waits for, as tools and webhooks show it. Times are ISO 8601. */
export const showWaitingFor = ({ kind, question, options, tool, askedAt, until, ...rest }: WaitingFor) => ({
  kind,
  ...(question !== undefined && { question }),
  ...(options && { options: [...options] }),
  ...(tool !== undefined && { tool, arguments: rest.arguments }),
  asked_at: new Date(askedAt).toISOString(),
  until: new Date(until).toISOString(),
});

/** What the owner of a run answers it: `answer` to a question, `approve` to a call. */
export interface OwnerReply {
  readonly answer?: string | undefined;
  readonly approve?: boolean | undefined;
  /** Why, for the ghost to read. */
  readonly note?: string | undefined;
  /** Approves of the same call with the same arguments for the rest of this run, or for all runs of its job. */
  readonly remember?: "this_run" | "this_job" | undefined;
}

/** One execution of a job. Times are epoch ms. */
export interface Run {
  readonly runId: string;
  readonly jobId: string;
  readonly userKey: string;
  readonly trigger: Trigger;
  readonly status: RunStatus;
  /** A sentence for people: why it was skipped or cancelled. A failure's is in `error`. */
  readonly statusReason: string | null;
  /** The time that this run was due; `startedAt` tells how late it started. */
  readonly scheduledFor: number;
  /** Earlier occurrences that were missed and get no run of their own. */
  readonly coalesced: number;
  readonly attempt: number;
  readonly parentSessionId: string | null;
  /** The prompt as it was when the run was claimed; a tool or code job's is a line that names it. */
  readonly prompt: string;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  /** How often it went on in another thread after an interruption. */
  readonly resumed: number;
  /** Ms that it had a thread, up to the last step that was stored. */
  readonly workedMs: number;
  /** Set exactly while it is `waiting`. */
  readonly waitingFor: WaitingFor | null;
  readonly cancelRequestedAt: number | null;
  readonly output: string | null;
  /** Its output is recorded and delivered to nobody. */
  readonly silent: boolean;
  /** Null for a run whose answer is complete, and for one without a model. */
  readonly endReason: EndReason | null;
  readonly error: RunError | null;
  readonly transcript: readonly TranscriptStep[];
  readonly usage: Usage;
}

/** The end of a run, for the inbox, the webhooks and the events that tell its owner. */
export interface RunEnded extends Pick<Run, "userKey" | "runId" | "jobId"> {
  readonly status: EndStatus;
  /** The thread that scheduled its job, which gets a message in words; null for a job of the folder. */
  readonly threadId: string | null;
}
