import type { Catchup, Overlap, RetryOn } from "../jobs/job.ts";
import type { ToolContext } from "../tools/define.ts";
import type { ToolResult } from "../tools/result.ts";

/** What a code job is handed: its run, its tools, a model if there is one. No memory, and nothing to schedule with. */
export interface Ghost {
  readonly jobId: string;
  readonly runId: string;
  readonly context: ToolContext;
  readonly scheduledFor: Date;
  readonly lateBySeconds: number;
  /** The output of the last run that succeeded; null where there is none, or the job has no `previous_output`. */
  readonly previousOutput: string | null;
  /** Aborts at the run's deadline or when it is cancelled. */
  readonly signal: AbortSignal;
  /** Calls one of the ghost's tools; the call and its result stand in the run's transcript. */
  callTool(name: string, args?: Record<string, unknown>): Promise<ToolResult>;
  /** One completion, no tools; counted in the run's usage. Rejects with MODEL_NOT_CONFIGURED and other MODEL_ codes. */
  ask(prompt: string): Promise<string>;
  /** Adds a line to the run's transcript. */
  note(text: string): void;
}

/** When a job runs and with which limits: the same words in front matter, in a code job and in `schedule_task`. */
export interface JobFields {
  readonly name?: string;
  readonly cron?: string;
  /** Seconds, or a duration such as `90s`, `15m`, `2h`, `1d`. */
  readonly every?: number | string;
  /** `2026-02-20 09:00:00` in `timezone`, or ISO 8601 with an offset. */
  readonly at?: string;
  /** Another file of the folder, in place of a time: runs whenever that file's job has succeeded. */
  readonly after?: string;
  readonly timezone?: string;
  readonly tools?: readonly string[];
  readonly use_react_loop?: boolean;
  readonly max_iterations?: number;
  readonly max_tokens?: number;
  readonly timeout_seconds?: number;
  readonly overlap?: Overlap;
  readonly catchup?: Catchup;
  readonly catchup_window_seconds?: number;
  readonly jitter_seconds?: number;
  /** Like `at`. */
  readonly starts_at?: string;
  readonly ends_at?: string;
  readonly max_runs?: number;
  readonly retry?: {
    readonly attempts?: number;
    readonly backoff_seconds?: number;
    readonly max_backoff_seconds?: number;
    readonly on?: readonly RetryOn[];
  };
  readonly pause_after_failures?: number;
  /** Input and output tokens of all its runs together. */
  readonly max_tokens_per_job?: number;
  /**
   * What is asked first, without a model: a tool, or a file of the jobs folder (its name begins with `_`, so that it
   * is no job itself) that exports a run function. An empty text, `{"run": false}` or false ends the run as skipped.
   */
  readonly check?: string | { readonly name: string; readonly arguments?: Readonly<Record<string, unknown>> };
  /** An answer that is just this is recorded and delivered to nobody. */
  readonly silent_token?: string;
  /** Shows each run the output of the last one that succeeded. */
  readonly previous_output?: boolean;
  /** Where the ends of its runs are told, signed; https only, unless private addresses are allowed. */
  readonly webhook_url?: string;
}

export interface JobSpec extends JobFields {
  /** What it resolves to is the run's output: a string as it is, anything else as JSON. */
  readonly run: (ghost: Ghost) => unknown;
}

/** Defines a code job of the jobs folder. It returns what it is given: the helper exists for its types. */
export function defineJob(spec: JobSpec): JobSpec {
  return spec;
}
