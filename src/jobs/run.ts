import type { ErrorCode } from "../errors.ts";

export const RUN_STATUSES = [
  "queued",
  "running",
  "succeeded",
  "failed",
  "timed_out",
  "cancelled",
  "lost",
  "skipped",
] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];
export type EndStatus = Exclude<RunStatus, "queued" | "running">;

/** The cause of a run. `after`: a run of the job that its job runs after had succeeded. */
export const TRIGGERS = ["schedule", "manual", "backfill", "after"] as const;
type Trigger = (typeof TRIGGERS)[number];

/** The statuses that may follow each status; one without a successor is an end. */
export const NEXT_STATUSES = {
  queued: ["running", "cancelled", "skipped"],
  running: ["succeeded", "failed", "timed_out", "cancelled", "lost", "skipped"],
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
