/** When a job runs. Times are epoch ms. */
export type Schedule =
  | { readonly kind: "at"; readonly at: number }
  /** Five or six fields, read in the job's `timezone`. */
  | { readonly kind: "cron"; readonly cron: string }
  /** Every n seconds, counted from `anchor`, regardless of clock changes. */
  | { readonly kind: "every"; readonly everySeconds: number; readonly anchor: number }
  /** Whenever a run of that job has succeeded. */
  | { readonly kind: "after"; readonly jobId: string };

/** The work of a job: a prompt for the model, one tool call, or code. */
export type Action =
  | { readonly kind: "prompt"; readonly prompt: string }
  | { readonly kind: "tool"; readonly tool: string; readonly arguments: Readonly<Record<string, unknown>> }
  /** A module of the jobs folder, by its file name in that folder. */
  | { readonly kind: "code"; readonly file: string };

export const ACTION_KINDS = ["prompt", "tool", "code"] as const satisfies readonly Action["kind"][];

/** The limits of one run. */
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

/** The statuses that may follow each status. A completed job becomes active again with a new time. */
export const NEXT_JOB_STATUSES = {
  active: ["paused", "completed", "cancelled"],
  paused: ["active", "cancelled"],
  completed: ["active", "cancelled"],
  cancelled: [],
} as const satisfies Record<JobStatus, readonly JobStatus[]>;

/** The maker of a job, who may change it. */
type Origin =
  | { readonly kind: "tool"; readonly parentSessionId: string; readonly threadId: string }
  /** A file of the jobs folder. Only the file changes the job; tools may read, pause, resume and run it. */
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
  /** Names of the tools that its ghost may use; null means the default, tools that can do no harm. */
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

/** True where what a run does is stored as it happens, so that it can go on after an interruption. */
export function keepsJournal({
  action,
  policy: { onInterrupt },
  provision: { mayAsk, approveTools },
}: Pick<Job, "action" | "policy" | "provision">): boolean {
  if (mayAsk || approveTools) return true;
  return onInterrupt === null ? action.kind !== "tool" : onInterrupt === "resume";
}

/** A job's action in a line for people: the prompt, or the tool or file that is run instead of one. */
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

/** The first tool that the job names and `offers` is false for; undefined when there is none. */
export function missingTool(
  { action, tools, provision }: Pick<Job, "action" | "tools" | "provision">,
  offers: (tool: string) => boolean,
): string | undefined {
  const calls = [action, provision.check].flatMap((one) => (one?.kind === "tool" ? [one.tool] : []));
  return [...calls, ...(tools ?? []), ...(provision.approveTools ?? [])].find((tool) => !offers(tool));
}

/** Choices for an occurrence of a job that still has runs queued or running. */
export const OVERLAPS = ["skip", "buffer_one", "buffer_all", "cancel_other", "allow_all"] as const;
export type Overlap = (typeof OVERLAPS)[number];

/** Choices for occurrences that passed while no server was there to run them. */
export const CATCHUPS = ["skip", "once", "all"] as const;
type Catchup = (typeof CATCHUPS)[number];

/** Failures that a job may have retried, besides those of a model that is busy or cannot be reached. */
export const RETRY_ON = ["crash", "lost", "timeout"] as const;
export type RetryOn = (typeof RETRY_ON)[number];

/**
 * Choices for a run whose process ended before it: go on from its last step, end as lost, or begin anew. The default
 * is `resume` for prompts and for code that uses steps, and `lose` for others.
 */
export const INTERRUPT_CHOICES = ["resume", "lose", "restart"] as const;
type InterruptChoice = (typeof INTERRUPT_CHOICES)[number];

export interface Retry {
  /** Most runs of one occurrence, the first included: 1 means no retry. */
  readonly attempts: number;
  /** The wait before the second attempt; doubled for each later one. */
  readonly backoffSeconds: number;
  readonly maxBackoffSeconds: number;
  readonly on: readonly RetryOn[];
}

/** How a job deals with overlaps, missed times and failures, and the span in which it runs. Times are epoch ms. */
export interface Policy {
  readonly overlap: Overlap;
  readonly catchup: Catchup;
  /** An occurrence older than this is never run, whatever `catchup` is. */
  readonly catchupWindowSeconds: number;
  /** Each occurrence starts up to this much later; its delay is always the same. */
  readonly jitterSeconds: number;
  /** There is no occurrence before this; null: no limit. */
  readonly startsAt: number | null;
  /** There is no occurrence after this; null: no limit. */
  readonly endsAt: number | null;
  /** Most runs that the schedule starts, over the job's life; manual runs and retries don't count. Null: no limit. */
  readonly maxRuns: number | null;
  readonly retry: Retry;
  /** Failures in a row that pause the job; 0 means never. */
  readonly pauseAfterFailures: number;
  /** Null: by the kind of its action. */
  readonly onInterrupt: InterruptChoice | null;
  /** How often one run may go on after an interruption; then it is lost. */
  readonly maxResumes: number;
}

/**
 * Cautious: nothing runs twice, and no queue builds up. The window is Temporal's default, a year
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
  // No retry: a ghost may have sent its mail before its model failed. Owners who want one ask for it.
  retry: Object.freeze({ attempts: 1, backoffSeconds: 30, maxBackoffSeconds: 600, on: Object.freeze([]) }),
  pauseAfterFailures: 5,
  onInterrupt: null,
  maxResumes: 5,
});

/** A job is shown with a warning from this many failures in a row. */
export const WARN_AFTER_FAILURES = 2;

/** A copy of one of the owner's facts, made when the job was made or changed. */
export interface PinnedFact {
  readonly factId: string;
  readonly text: string;
}

/** Runs first, without a model, and decides whether there is anything to do. */
export type Check =
  | { readonly kind: "tool"; readonly tool: string; readonly arguments: Readonly<Record<string, unknown>> }
  /** A module of the jobs folder, by its file name in that folder. */
  | { readonly kind: "code"; readonly file: string };

/** Everything else a job is given: facts, a check, and what becomes of its output. */
export interface Provision {
  readonly pinnedFacts: readonly PinnedFact[];
  /** Input and output tokens of all runs together; null means no limit. */
  readonly maxTokensPerJob: number | null;
  readonly check: Check | null;
  /** An answer that is just this is recorded and delivered to nobody. */
  readonly silentToken: string | null;
  /** True: each run is shown the output of the last one that succeeded. */
  readonly previousOutput: boolean;
  /** Each run's end is posted here, besides to the user's own webhook. */
  readonly webhookUrl: string | null;
  /** Its ghost may ask the owner, and waits for the answer without a thread. */
  readonly mayAsk: boolean;
  /** Tools that its ghost may call when the owner approves of the call. `server__*` names all of a server. */
  readonly approveTools: readonly string[] | null;
  /** How long a question or a call waits for the owner. */
  readonly answerWithinSeconds: number;
  /** What a question is answered with when nobody did in time; null: that nobody did. */
  readonly defaultAnswer: string | null;
}

export const NO_PROVISION: Provision = Object.freeze({
  pinnedFacts: [],
  maxTokensPerJob: null,
  check: null,
  silentToken: null,
  previousOutput: false,
  webhookUrl: null,
  mayAsk: false,
  approveTools: null,
  answerWithinSeconds: 86_400,
  defaultAnswer: null,
});

export const MAX_PINNED_FACTS = 20;
/** UTF-8 bytes of all of a job's pinned facts, which are part of every request to the model. */
export const MAX_PINNED_BYTES = 16 * 1024;
