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

/** What happens to an occurrence whose job is still at work. */
export const OVERLAPS = ["skip", "buffer_one", "buffer_all", "cancel_other", "allow_all"] as const;
export type Overlap = (typeof OVERLAPS)[number];

/** What happens to occurrences that nobody was there to run. */
export const CATCHUPS = ["skip", "once", "all"] as const;
export type Catchup = (typeof CATCHUPS)[number];

/** Failures that a job may declare worth another try, besides those of a model that is busy or away. */
export const RETRY_ON = ["crash", "lost", "timeout"] as const;
export type RetryOn = (typeof RETRY_ON)[number];

export interface Retry {
  /** Runs of one occurrence at most, the first one counted: 1 is no retry. */
  readonly attempts: number;
  /** Before the second attempt; doubled before each later one. */
  readonly backoffSeconds: number;
  readonly maxBackoffSeconds: number;
  readonly on: readonly RetryOn[];
}

/** How a job's schedule is kept when things don't go as planned. Times are epoch ms. */
export interface Policy {
  readonly overlap: Overlap;
  readonly catchup: Catchup;
  /** An occurrence that is older than this is never run, whatever `catchup` says. */
  readonly catchupWindowSeconds: number;
  /** Each occurrence starts up to so much later, by an amount of its own that is always the same. */
  readonly jitterSeconds: number;
  /** No occurrence before. */
  readonly startsAt: number | null;
  /** No occurrence after. */
  readonly endsAt: number | null;
  /** Runs that the schedule starts, over the job's life; what a person starts and retries don't count. */
  readonly maxRuns: number | null;
  readonly retry: Retry;
  /** Failures in a row that pause the job; 0 is never. */
  readonly pauseAfterFailures: number;
}

/**
 * As cautious as can be: nothing runs twice, nothing piles up. The window is Temporal's default, a year
 * (https://docs.temporal.io/schedule#catchup-window).
 */
export const DEFAULT_POLICY: Policy = Object.freeze({
  overlap: "skip",
  catchup: "once",
  catchupWindowSeconds: 31_536_000,
  jitterSeconds: 0,
  startsAt: null,
  endsAt: null,
  maxRuns: null,
  // A ghost may have sent its mail before its model went away: a second attempt is for the owner to ask for.
  retry: Object.freeze({ attempts: 1, backoffSeconds: 30, maxBackoffSeconds: 600, on: Object.freeze([]) }),
  pauseAfterFailures: 5,
});

/** Failures in a row from which on the job carries a warning. */
export const WARN_AFTER_FAILURES = 2;

/** What the owner of a job has given it of their memory: a copy, made when they asked for it. */
export interface PinnedFact {
  readonly factId: string;
  readonly text: string;
}

/** What is asked first, without a model: whether there is anything to do. */
export type Check =
  | { readonly kind: "tool"; readonly tool: string; readonly arguments: Readonly<Record<string, unknown>> }
  /** A module of the jobs folder, named by its file name within it. */
  | { readonly kind: "code"; readonly file: string };

/** What a job's ghost is given besides the action, and what it may cost over the job's life. */
export interface Provision {
  readonly pinnedFacts: readonly PinnedFact[];
  /** Input and output tokens of all runs together; null means no limit. */
  readonly maxTokensPerJob: number | null;
  readonly check: Check | null;
  /** An answer that is just this is recorded and delivered to nobody. */
  readonly silentToken: string | null;
  /** Whether a run is shown the output of the last one that succeeded. */
  readonly previousOutput: boolean;
  /** Where the ends of its runs are told, besides the user's own webhook. */
  readonly webhookUrl: string | null;
}

export const NO_PROVISION: Provision = Object.freeze({
  pinnedFacts: [],
  maxTokensPerJob: null,
  check: null,
  silentToken: null,
  previousOutput: false,
  webhookUrl: null,
});

export const MAX_PINNED_FACTS = 20;
/** UTF-8 bytes of all of a job's pinned facts: they are part of every question to the model. */
export const MAX_PINNED_BYTES = 16 * 1024;
