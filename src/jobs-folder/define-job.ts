import type { FileFields } from "../jobs/fields.ts";
import type { ToolContext } from "../tools/define.ts";
import type { ToolResult } from "../tools/result.ts";

/** The argument of a code job: its run, its tools, and a model if there is one. It has no memory and cannot schedule. */
export interface Ghost {
  readonly jobId: string;
  readonly runId: string;
  readonly context: ToolContext;
  readonly scheduledFor: Date;
  readonly lateBySeconds: number;
  /** The output of the last run that succeeded; null when there is none, or the job has no `previous_output`. */
  readonly previousOutput: string | null;
  /** Aborts at the run's deadline or when it is cancelled. */
  readonly signal: AbortSignal;
  /** Calls one of the ghost's tools; the call and its result are recorded in the run's transcript. */
  callTool(name: string, args?: Record<string, unknown>): Promise<ToolResult>;
  /**
   * In a job with `may_ask`, puts a question to its owner. The run waits without a thread, and its code runs again from
   * the beginning when the answer is there; `step` keeps what was done. Null: nobody answered in time, and the job has
   * no `default_answer`. In any other job the same as `askModel`.
   */
  ask(question: string, options: readonly string[]): Promise<string | null>;
  ask(prompt: string): Promise<string>;
  /** Makes one completion without tools, which counts in the run's usage. Rejects with MODEL_NOT_CONFIGURED and other MODEL_ codes. */
  askModel(prompt: string): Promise<string>;
  /**
   * Runs `work` once in this run, however often its process ends, and resolves to what it came to, which must be JSON of
   * at most a million characters. The name must be the only one of its kind in the run. An interruption during `work`
   * has it run again. Rejects with INVALID_ARGUMENTS.
   */
  step<T>(name: string, work: () => T | Promise<T>): Promise<T>;
  /** Waits without a thread, until a date or for so many seconds, at most a year. The code then runs again, as after `ask`. */
  sleep(until: Date | number): Promise<void>;
  /** Adds a line to the run's transcript. */
  note(text: string): void;
}

/** The fields of a job: the same names in front matter, in a code job and in `schedule_task`. */
export interface JobFields extends FileFields {
  readonly cron?: string;
  readonly every_seconds?: number;
  /** Like `every_seconds`: seconds, or a duration such as `90s`, `15m`, `2h`, `1d`. */
  readonly every?: number | string;
  /** `2026-02-20 09:00:00` in `timezone`, or ISO 8601 with an offset. */
  readonly execute_at?: string;
  /** The same as `execute_at`. */
  readonly at?: string;
  /** Another file of the folder, in place of a time: runs whenever that file's job has succeeded. */
  readonly after?: string;
  /** IANA name; default: the server's zone. */
  readonly timezone?: string;
  /** The same as `allowed_tools`. */
  readonly tools?: readonly string[];
}

export interface JobSpec extends JobFields {
  /** Returns or resolves to the run's output: a string as it is, anything else as JSON. */
  readonly run: (ghost: Ghost) => unknown;
}

/** Defines a code job of the jobs folder. Returns its argument unchanged: the helper exists for its types. */
export function defineJob(spec: JobSpec): JobSpec {
  return spec;
}
