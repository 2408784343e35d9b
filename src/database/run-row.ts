import * as z from "zod";
import { ERROR_CODES } from "../errors.ts";
import { describeAction, type Job } from "../jobs/job.ts";
import type { Run, TranscriptStep } from "../jobs/run.ts";
import { newId } from "./ids.ts";
import type { RunRow } from "./schema.ts";

/** The part of a run that no query looks into. */
const runDetail = z.object({
  parentSessionId: z.string().nullable(),
  /** The thread that scheduled its job: where its end is told. */
  threadId: z.string().nullable().default(null),
  statusReason: z.string().nullable(),
  /** It waits while another run of its job is at work. */
  exclusive: z.boolean().default(false),
  error: z.object({ code: z.enum(ERROR_CODES), message: z.string() }).nullable(),
  silent: z.boolean().default(false),
});
type RunDetail = z.output<typeof runDetail>;

const UNREADABLE: RunDetail = {
  parentSessionId: null,
  threadId: null,
  statusReason: "Its record is damaged.",
  exclusive: false,
  error: null,
  silent: false,
};

export const readDetail = (text: string): RunDetail => {
  try {
    return runDetail.parse(JSON.parse(text));
  } catch {
    // A damaged remark must not hide that the run was, or keep a list of runs from being read.
    return UNREADABLE;
  }
};

/** A run without its transcript, as lists have it. */
export function readRunSummary(row: RunRow): Omit<Run, "transcript"> {
  const { parentSessionId, statusReason, error, silent } = readDetail(row.detail);
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

/** `steps` is the JSON of the transcript, which is absent until the run has ended. */
export const readRun = (row: RunRow, steps: string | null | undefined): Run => ({
  ...readRunSummary(row),
  // Written by `endRun` from typed steps and shown as data, so it is parsed but not checked again.
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
  /** Waits behind another run of its job instead of for a time. */
  readonly isHeld?: boolean;
  /** Never at work beside another run of its job. */
  readonly exclusive?: boolean;
}

/** The row of a run that waits, for whoever is able to start it. */
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
