import * as z from "zod";
import { ERROR_CODES } from "../errors.ts";
import { describeAction, type Job } from "../jobs/job.ts";
import type { Run, TranscriptStep } from "../jobs/run.ts";
import { newId } from "./ids.ts";
import type { RunRow } from "./schema.ts";

/** The fields of a run that no query filters by, stored as JSON. */
const runDetail = z.object({
  parentSessionId: z.string().nullable(),
  /** The thread that scheduled its job. Its connections are told of the end. */
  threadId: z.string().nullable().default(null),
  statusReason: z.string().nullable(),
  /** True: it never runs beside another run of its job. */
  exclusive: z.boolean().default(false),
  error: z.object({ code: z.enum(ERROR_CODES), message: z.string() }).nullable(),
  silent: z.boolean().default(false),
});
type RunDetail = z.output<typeof runDetail>;

const DAMAGED_DETAIL: RunDetail = {
  parentSessionId: null,
  threadId: null,
  statusReason: "Its record is damaged.",
  exclusive: false,
  error: null,
  silent: false,
};

export const readRunDetail = (text: string): RunDetail => {
  try {
    return runDetail.parse(JSON.parse(text));
  } catch {
    // Damaged details must not hide the run, or make a list of runs unreadable.
    return DAMAGED_DETAIL;
  }
};

/** A run without its transcript, for lists. */
export function readRunSummary(row: RunRow): Omit<Run, "transcript"> {
  const { parentSessionId, statusReason, error, silent } = readRunDetail(row.detail);
  return {
    runId: row.run_id,
    jobId: row.job_id,
    userKey: row.user_key,
    trigger: row.triggered_by,
    status: row.status,
    scheduledFor: row.scheduled_for,
    coalesced: row.coalesced,
    attempt: row.attempt,
    prompt: row.prompt,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    cancelRequestedAt: row.cancel_requested_at,
    output: row.output,
    silent,
    usage: { input_tokens: row.input_tokens, output_tokens: row.output_tokens },
    parentSessionId,
    statusReason,
    error,
  };
}

/** `steps` is the transcript as JSON; there is none until the run has ended. */
export const readRun = (row: RunRow, steps: string | null | undefined): Run => ({
  ...readRunSummary(row),
  // `endRun` wrote it from typed steps, so it is not validated again.
  transcript: steps ? (JSON.parse(steps) as TranscriptStep[]) : [],
});

export interface RunSeed {
  readonly trigger: Run["trigger"];
  readonly scheduledFor: number;
  readonly coalesced?: number;
  /** Default 1. */
  readonly attempt?: number;
  /** Epoch ms of the earliest start; default now. */
  readonly dueAt?: number;
  /** True: it waits for other runs of its job to end, and has no due time. */
  readonly isHeld?: boolean;
  /** True: it never runs beside another run of its job. */
  readonly exclusive?: boolean;
}

/** The row of a new queued run. */
export function newRunRow(job: Job, seed: RunSeed, now: number): RunRow {
  const { trigger, scheduledFor, coalesced = 0, attempt = 1, isHeld = false, exclusive = false } = seed;
  const { origin } = job;
  const detail: RunDetail = {
    parentSessionId: origin.kind === "tool" ? origin.parentSessionId : null,
    threadId: origin.kind === "tool" ? origin.threadId : null,
    statusReason: null,
    exclusive,
    error: null,
    silent: false,
  };
  return {
    run_id: newId("run", now),
    job_id: job.jobId,
    user_key: job.userKey,
    kind: job.action.kind,
    triggered_by: trigger,
    status: "queued",
    occurrence: (trigger === "schedule" || trigger === "backfill") && attempt === 1 ? scheduledFor : null,
    scheduled_for: scheduledFor,
    due_at: isHeld ? null : (seed.dueAt ?? now),
    held_for: isHeld ? scheduledFor : null,
    lease_until: null,
    worker_id: null,
    host: null,
    pid: null,
    ticket: null,
    attempt,
    coalesced,
    created_at: now,
    started_at: null,
    finished_at: null,
    cancel_requested_at: null,
    input_tokens: 0,
    output_tokens: 0,
    prompt: describeAction(job.action),
    output: null,
    detail: JSON.stringify(detail),
  };
}
