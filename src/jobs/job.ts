import type { Policy } from "./policy.ts";
import type { Provision } from "./provision.ts";

/** When a job runs. Times are epoch ms. */
export type Schedule =
  | { readonly kind: "at"; readonly at: number }
  /** Five or six fields, read in the job's `timezone`. */
  | { readonly kind: "cron"; readonly cron: string }
  /** Every n seconds, counted from `anchor`, whatever the clocks on the wall do. */
  | { readonly kind: "every"; readonly everySeconds: number; readonly anchor: number }
  /** Whenever a run of that job has succeeded. */
  | { readonly kind: "after"; readonly jobId: string };

/** What a job does. */
export type Action =
  | { readonly kind: "prompt"; readonly prompt: string }
  | { readonly kind: "tool"; readonly tool: string; readonly arguments: Readonly<Record<string, unknown>> }
  /** A module of the jobs folder, named by its file name within it. */
  | { readonly kind: "code"; readonly file: string };

/** The limits a run gets; every one of them is echoed to whoever made the job. */
export interface Limits {
  readonly useReactLoop: boolean;
  readonly maxIterations: number;
  /** Input and output tokens of one run. */
  readonly maxTokens: number;
  readonly timeoutSeconds: number;
}

export const DEFAULT_LIMITS: Limits = Object.freeze({
  useReactLoop: true,
  maxIterations: 10,
  maxTokens: 100_000,
  timeoutSeconds: 300,
});

/** `completed`: a one-shot whose time has come. `cancelled` and `completed` jobs keep their runs. */
export const JOB_STATUSES = ["active", "paused", "completed", "cancelled"] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

/** The life of a job. A completed one becomes active again with a new time; a cancelled one stays cancelled. */
export const NEXT_JOB_STATUSES = {
  active: ["paused", "completed", "cancelled"],
  paused: ["active", "cancelled"],
  completed: ["active", "cancelled"],
  cancelled: [],
} as const satisfies Record<JobStatus, readonly JobStatus[]>;

/** Where a job came from, and so who may change it. */
export type Origin =
  | { readonly kind: "tool"; readonly parentSessionId: string; readonly threadId: string }
  /** Written in a file of the jobs folder: the file decides, the tools may only look, pause and run it. */
  | { readonly kind: "folder"; readonly file: string };

export interface Job {
  readonly jobId: string;
  readonly userKey: string;
  readonly userId: string;
  readonly name: string | null;
  readonly action: Action;
  readonly schedule: Schedule;
  /** IANA name. */
  readonly timezone: string;
  readonly limits: Limits;
  readonly policy: Policy;
  /** Names of the tools its ghost may use; null means the harmless default. */
  readonly tools: readonly string[] | null;
  readonly provision: Provision;
  readonly status: JobStatus;
  /** A sentence for people: why it is paused, completed or cancelled. */
  readonly statusReason: string | null;
  /** Epoch ms; null when nothing is due any more. */
  readonly nextRunAt: number | null;
  readonly origin: Origin;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** The session in which a job's runs happen: never the session of a person. */
export const ghostSessionId = (jobId: string): string => `ghost_scheduler_${jobId}`;

/** What a job does, in a line for people: the prompt, or the tool or file that is run instead of one. */
export function describeAction(action: Action): string {
  switch (action.kind) {
    case "prompt":
      return action.prompt;
    case "tool":
      return `Call the tool ${action.tool}`;
    case "code":
      return `Run the code of ${action.file}`;
  }
}
