import { z } from "zod";
import { NightshiftError } from "../errors.ts";
import { CATCHUPS, DEFAULT_POLICY, OVERLAPS, type Policy, RETRY_ON } from "./job.ts";
import { readExecuteAt } from "./moment.ts";

const moment = z.string().max(64);
const seconds = (max: number) => z.number().int().min(0).max(max);
const DAY_SECONDS = 86_400;

/** The policy in the words that schedule_task, update_job and the jobs folder share; null takes away what may be absent. */
export const policyFields = {
  overlap: z.enum(OVERLAPS).optional().describe("when due while it still runs (default skip)"),
  catchup: z.enum(CATCHUPS).optional().describe("runs missed while nobody was there (default once)"),
  catchup_window_seconds: seconds(10 * 366 * DAY_SECONDS)
    .min(10)
    .optional()
    .describe("what is older is never caught up (default a year)"),
  jitter_seconds: seconds(DAY_SECONDS).optional().describe("start up to so much later (default 0)"),
  starts_at: moment.nullable().optional().describe("nothing before; like execute_at, or `now`"),
  ends_at: moment.nullable().optional().describe("nothing after; like execute_at, or `never`"),
  max_runs: z
    .number()
    .int()
    .min(0)
    .max(1_000_000_000)
    .nullable()
    .optional()
    .describe("scheduled runs in all, 0 = any"),
  retry: z
    .strictObject({
      attempts: z.number().int().min(1).max(10).optional(),
      backoff_seconds: seconds(DAY_SECONDS).optional(),
      max_backoff_seconds: seconds(DAY_SECONDS).optional(),
      on: z.array(z.enum(RETRY_ON)).max(RETRY_ON.length).optional(),
    })
    .optional()
    .describe("attempts in all (default 1) when the model is busy or away, and on what `on` names"),
  pause_after_failures: z
    .number()
    .int()
    .min(0)
    .max(1_000)
    .optional()
    .describe("failures in a row that pause it (default 5, 0 = never)"),
};

const policyObject = z.object(policyFields);
export type PolicyArguments = z.output<typeof policyObject>;

/** `before` with what was given changed. Throws INVALID_SCHEDULE for a time that can't be read or an empty span. */
export function policyOf(args: PolicyArguments, timezone: string, before: Policy = DEFAULT_POLICY): Policy {
  const policy: Policy = {
    overlap: args.overlap ?? before.overlap,
    catchup: args.catchup ?? before.catchup,
    catchupWindowSeconds: args.catchup_window_seconds ?? before.catchupWindowSeconds,
    jitterSeconds: args.jitter_seconds ?? before.jitterSeconds,
    startsAt: momentOf("starts_at", args.starts_at, timezone, before.startsAt),
    endsAt: momentOf("ends_at", args.ends_at, timezone, before.endsAt),
    maxRuns: args.max_runs === undefined ? before.maxRuns : args.max_runs || null,
    retry: {
      attempts: args.retry?.attempts ?? before.retry.attempts,
      backoffSeconds: args.retry?.backoff_seconds ?? before.retry.backoffSeconds,
      maxBackoffSeconds: args.retry?.max_backoff_seconds ?? before.retry.maxBackoffSeconds,
      on: args.retry?.on ?? before.retry.on,
    },
    pauseAfterFailures: args.pause_after_failures ?? before.pauseAfterFailures,
  };
  if (policy.startsAt !== null && policy.endsAt !== null && policy.endsAt < policy.startsAt)
    throw new NightshiftError("INVALID_SCHEDULE", "ends_at is before starts_at, so nothing would ever run.");
  return policy;
}

const OPEN_ENDS = { starts_at: "now", ends_at: "never" } as const;

/** The past is no mistake here: a span may have begun, and a job that has ended is still a job. */
function momentOf(
  field: keyof typeof OPEN_ENDS,
  text: string | null | undefined,
  timezone: string,
  before: number | null,
): number | null {
  if (text === undefined) return before;
  if (text === null || text.trim().toLowerCase() === OPEN_ENDS[field]) return null;
  try {
    return readExecuteAt(text, timezone, 0);
  } catch (error) {
    if (!(error instanceof NightshiftError)) throw error;
    throw new NightshiftError("INVALID_SCHEDULE", error.message.replaceAll("execute_at", field), error.data);
  }
}
