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
