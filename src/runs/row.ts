import * as z from "zod";
import { newId } from "../database/ids.ts";
import type { RunRow } from "../database/schema.ts";
import { ERROR_CODES } from "../errors.ts";
import { describeAction, type Job } from "../jobs/job.ts";
import type { Run, TranscriptStep } from "./run.ts";

/** The part of a run that no query looks into. */
const runDetail = z.object({
  parentSessionId: z.string().nullable(),
  statusReason: z.string().nullable(),
  error: z.object({ code: z.enum(ERROR_CODES), message: z.string() }).nullable(),
  silent: z.boolean().default(false),
});
type RunDetail = z.output<typeof runDetail>;

const UNREADABLE: RunDetail = {
  parentSessionId: null,
  statusReason: "Its record is damaged.",
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
    usage: { input_tokens: row.input_tokens, output_tokens: row.output_tokens },
    ...readDetail(row.detail),
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
  readonly coalesced: number;
}

/** The row of a run that waits, for whoever is able to start it. */
export function newRunRow(job: Job, { trigger, scheduledFor, coalesced }: RunSeed, now: number): RunRow {
  const { origin } = job;
  const detail: RunDetail = {
    parentSessionId: origin.kind === "tool" ? origin.parentSessionId : null,
    statusReason: null,
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
    occurrence: trigger === "schedule" ? scheduledFor : null,
    scheduled_for: scheduledFor,
    due_at: now,
    lease_until: null,
    worker_id: null,
    host: null,
    pid: null,
    attempt: 1,
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
