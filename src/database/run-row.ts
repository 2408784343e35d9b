import * as z from "zod";
import { ERROR_CODES } from "../errors.ts";
import { describeAction, type Job } from "../jobs/job.ts";
import { END_REASONS, type Run, type TranscriptStep, type WaitingFor } from "../jobs/run.ts";
import { newId } from "./ids.ts";
import type { RunRow } from "./schema.ts";

/** The fields of a run that no query filters by, stored as JSON. */
const runDetail = z.object({
  parentSessionId: z.string().nullable(),
  /** The thread that scheduled its job, which is notified of its end. */
  threadId: z.string().nullable().default(null),
  statusReason: z.string().nullable(),
  /** It starts only while no other run of its job is running. */
  exclusive: z.boolean().default(false),
  error: z.object({ code: z.enum(ERROR_CODES), message: z.string() }).nullable(),
  silent: z.boolean().default(false),
  endReason: z.enum(END_REASONS).nullable().default(null),
});
type RunDetail = z.output<typeof runDetail>;

const UNREADABLE_DETAIL: RunDetail = {
  parentSessionId: null,
  threadId: null,
  statusReason: "Its record is damaged.",
  exclusive: false,
  error: null,
  silent: false,
  endReason: null,
};

export const readDetail = (text: string): RunDetail => {
  try {
    return runDetail.parse(JSON.parse(text));
  } catch {
    // Damaged detail must neither hide the run nor keep a list of runs from being read.
    return UNREADABLE_DETAIL;
  }
};

/** The columns of a run's summary, but its output, which may be long. */
export const SUMMARY_COLUMNS = [
  "run_id",
  "job_id",
  "user_key",
  "triggered_by",
  "status",
  "scheduled_for",
  "coalesced",
  "attempt",
  "prompt",
  "started_at",
  "finished_at",
  "resumed",
  "worked_ms",
  "waiting_for",
  "cancel_requested_at",
  "input_tokens",
  "output_tokens",
  "detail",
] as const satisfies readonly (keyof RunRow)[];

type SummaryRow = Pick<RunRow, (typeof SUMMARY_COLUMNS)[number] | "output">;

/** A run without its transcript, as lists return it. */
export function readRunSummary(row: SummaryRow): Omit<Run, "transcript"> {
  const { parentSessionId, statusReason, error, silent, endReason } = readDetail(row.detail);
  return {
    runId: row.run_id,
    jobId: row.job_id,
    userKey: row.user_key,
    trigger: row.triggered_by,
    status: row.waiting_for === null ? row.status : "waiting",
    scheduledFor: row.scheduled_for,
    coalesced: row.coalesced,
    attempt: row.attempt,
    prompt: row.prompt,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    resumed: row.resumed,
    workedMs: row.worked_ms,
    waitingFor: readWaitingFor(row),
    cancelRequestedAt: row.cancel_requested_at,
    output: row.output,
    silent,
    endReason,
    usage: { input_tokens: row.input_tokens, output_tokens: row.output_tokens },
    parentSessionId,
    statusReason,
    error,
  };
}

function readWaitingFor({ waiting_for }: SummaryRow): WaitingFor | null {
  // Not validated: `waitRun` wrote it.
  return waiting_for === null ? null : (JSON.parse(waiting_for) as WaitingFor);
}

/** `steps` is the JSON of the transcript. It is absent until the run has ended. */
export const readRun = (row: RunRow, steps: string | null | undefined): Run => ({
  ...readRunSummary(row),
  // Not validated: `endRun` wrote it from typed steps, and it is only shown.
  transcript: steps ? (JSON.parse(steps) as TranscriptStep[]) : [],
});

export interface RunSeed {
  readonly trigger: Run["trigger"];
  readonly scheduledFor: number;
  readonly coalesced?: number;
  /** Default: 1. */
  readonly attempt?: number;
  /** It takes the place of an attempt that is not counted. */
  readonly isRepeat?: boolean;
  /** Epoch ms of the earliest start. Default: now. */
  readonly dueAt?: number;
  /** It waits for another run of its job to end, not for a time. */
  readonly isHeld?: boolean;
  /** It never runs at the same time as another run of its job. */
  readonly exclusive?: boolean;
}

/** The row of a queued run. */
export function newRunRow(job: Job, seed: RunSeed, now: number): RunRow {
  const { trigger, scheduledFor, coalesced = 0, attempt = 1, isHeld = false, exclusive = false } = seed;
  const { origin } = job;
  const isFirst = attempt === 1 && !seed.isRepeat;
  const detail: RunDetail = {
    parentSessionId: origin.kind === "tool" ? origin.parentSessionId : null,
    threadId: origin.kind === "tool" ? origin.threadId : null,
    statusReason: null,
    exclusive,
    error: null,
    silent: false,
    endReason: null,
  };
  return {
    run_id: newId("run", now),
    job_id: job.jobId,
    user_key: job.userKey,
    kind: job.action.kind,
    triggered_by: trigger,
    status: "queued",
    occurrence: (trigger === "schedule" || trigger === "backfill") && isFirst ? scheduledFor : null,
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
    resumed: 0,
    worked_ms: 0,
    waiting_for: null,
    cancel_requested_at: null,
    input_tokens: 0,
    output_tokens: 0,
    prompt: describeAction(job.action),
    output: null,
    detail: JSON.stringify(detail),
  };
}
