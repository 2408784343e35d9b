import type { Transaction } from "kysely";
import { readDetail } from "../database/run-row.ts";
import type { RunRow, Tables } from "../database/schema.ts";
import { sendPipelined } from "../database/sql.ts";
import { addInboxItem, type Notice, removeQuestion } from "../inbox/add-item.ts";
import { DEFAULT_RETENTION, type Retention } from "../jobs/inbox-item.ts";
import { type Job, WARN_AFTER_FAILURES } from "../jobs/job.ts";
import { type EndStatus, NEXT_STATUSES, type RunEnded, type RunResult, type RunStatus } from "../jobs/run.ts";
import { queueDeliveries } from "../webhooks/enqueue-delivery.ts";
import { AWAY } from "./deferred-run.ts";
import { addCounts } from "./job-counters.ts";
import { findAnyJob } from "./job-rows.ts";
import { deleteEntries, readSteps } from "./journal.ts";
import { releaseNext } from "./queued-runs.ts";
import { queueRetry } from "./retry-run.ts";

/** The result of a run that never started: no output, no transcript, no tokens. */
export function emptyResult(status: EndStatus, statusReason: string | null): RunResult {
  return {
    status,
    statusReason,
    output: null,
    error: null,
    transcript: [],
    usage: { input_tokens: 0, output_tokens: 0 },
  };
}

/** The columns of a run that ended with `result`. For `endRun`, and for rows that are inserted as ended. */
export function endedColumns(row: Pick<RunRow, "detail">, result: RunResult, now: number) {
  const before = readDetail(row.detail);
  const { error, silent = false, endReason = null } = result;
  // A request to cancel may have stored its reason.
  const statusReason = result.statusReason ?? before.statusReason;
  return {
    status: result.status,
    due_at: null,
    held_for: null,
    waiting_for: null,
    lease_until: null,
    finished_at: now,
    output: result.output,
    input_tokens: result.usage.input_tokens,
    output_tokens: result.usage.output_tokens,
    detail: JSON.stringify({ ...before, statusReason, error, silent, endReason }),
  };
}

export interface EndOptions {
  /** Ends this claim of the run and no other, if given: see `resumed` in RunRow. */
  readonly resumed?: number | undefined;
  /** False keeps the run that waits behind this one from starting. Default true. */
  readonly startsNext?: boolean;
  /** How long the result stays in its owner's inbox. */
  readonly retention?: Retention;
  /** Called within the transaction when the result was added to the inbox. */
  readonly onInboxAdded?: (ended: RunEnded) => void;
}

const runEndedOf = (row: RunRow, { status }: RunResult): RunEnded => ({
  userKey: row.user_key,
  runId: row.run_id,
  jobId: row.job_id,
  status,
  threadId: readDetail(row.detail).threadId,
});

/**
 * Ends a stored run, with all that follows: counters, a retry, the inbox item, webhook deliveries, the next held run.
 * No other function does. Resolves to false, and writes nothing, when the run is not in the status `from` or
 * NEXT_STATUSES does not lead from there to this end. So an end is written once: the transaction locks the user's runs.
 */
export async function endRun(
  trx: Transaction<Tables>,
  runId: string,
  from: "queued" | "running",
  given: RunResult,
  now: number,
  { startsNext, retention = DEFAULT_RETENTION, onInboxAdded, resumed }: EndOptions = {},
): Promise<boolean> {
  const next: readonly RunStatus[] = NEXT_STATUSES[from];
  if (!next.includes(given.status)) return false;
  const row = await trx
    .selectFrom("runs")
    .innerJoin("jobs", "jobs.job_id", "runs.job_id")
    .leftJoin("webhooks", "webhooks.user_key", "runs.user_key")
    .selectAll("runs")
    .select(["jobs.webhook_url as job_webhook", "webhooks.url as user_webhook"])
    .where("runs.run_id", "=", runId)
    .where("runs.status", "=", from)
    .$if(resumed !== undefined, (query) => query.where("runs.resumed", "=", resumed ?? 0))
    .executeTakeFirst();
  if (!row) return false;
  const result = await withJournal(trx, row, given);
  if (row.waiting_for !== null) await removeQuestion(trx, runId);
  const ended = trx
    .updateTable("runs")
    .set(endedColumns(row, result, now))
    .where("run_id", "=", runId);
  await sendPipelined(trx, ended);
  if (result.transcript.length > 0) {
    const steps = JSON.stringify(result.transcript);
    await sendPipelined(trx, trx.insertInto("transcripts").values({ run_id: runId, steps }));
  }
  const { isRetried, notice } = await applyResult(trx, row, result, now, startsNext);
  // Only the last attempt is reported, and an outage once.
  if (isRetried && !notice) return true;
  if (await addInboxItem(trx, row, result, { notice, retention, now }))
    onInboxAdded?.(runEndedOf(row, result));
  if (isRetried) return true;
  await queueDeliveries(trx, row, result, now);
  return true;
}

/** The result with what the run's journal has of it, which then is deleted. A run that never began has none. */
async function withJournal(trx: Transaction<Tables>, row: RunRow, result: RunResult): Promise<RunResult> {
  if (row.worked_ms === 0) return result;
  // A process that ends its own run knows more than it has stored.
  const transcript = result.transcript.length > 0 ? result.transcript : await readSteps(trx, row.run_id);
  await deleteEntries(trx, row.run_id);
  const usage = {
    input_tokens: Math.max(row.input_tokens, result.usage.input_tokens),
    output_tokens: Math.max(row.output_tokens, result.usage.output_tokens),
  };
  return { ...result, transcript, usage };
}

interface AppliedResult {
  /** Another attempt was queued. */
  readonly isRetried: boolean;
  /** A warning to the owner about the job, or about an outage. */
  readonly notice: Notice | null;
}

/** Updates the job's counters, queues a retry, pauses a job that keeps failing, and lets the next held run start. */
async function applyResult(
  trx: Transaction<Tables>,
  run: RunRow,
  result: RunResult,
  now: number,
  startsNext = true,
): Promise<AppliedResult> {
  const owner = { jobId: run.job_id, userKey: run.user_key };
  let isRetried = false;
  let notice: Notice | null = null;
  if (run.started_at === null) {
    await addCounts(trx, owner, { skipped: result.status === "skipped" ? 1 : 0 });
  } else {
    const denied_calls = result.transcript.filter(({ denied }) => denied).length;
    const last = { last_run_id: run.run_id };
    if (FAILURES.includes(result.status)) {
      const job = await findAnyJob(trx, run.job_id);
      const { outage } = result.modelFailure ?? {};
      isRetried = job !== null && (await queueRetry(trx, job, run, result, now));
      // Neither a process that died nor an outage of the model's provider is the job's fault.
      const consecutive_failures = isRetried || result.status === "lost" || outage ? 0 : 1;
      await addCounts(trx, owner, { runs_failed: 1, denied_calls, consecutive_failures }, last);
      if (job && consecutive_failures > 0) notice = await warnOrPause(trx, job, run, result, now);
      else if (isRetried && outage?.isFirst) notice = AWAY;
    } else if (result.status === "succeeded") {
      await addCounts(trx, owner, { runs_succeeded: 1, denied_calls }, { ...last, consecutive_failures: 0 });
    } else {
      // A skipped run has no result, so the job keeps showing the run before it as its last.
      const isSkipped = result.status === "skipped";
      await addCounts(trx, owner, { skipped: isSkipped ? 1 : 0, denied_calls }, isSkipped ? {} : last);
    }
  }
  if (startsNext) await releaseNext(trx, run.job_id, now);
  return { isRetried, notice };
}

const FAILURES: readonly RunResult["status"][] = ["failed", "timed_out", "lost"];

/** The notice to the owner of a job that fails again and again. At its limit the job is paused. */
async function warnOrPause(
  trx: Transaction<Tables>,
  job: Job,
  run: RunRow,
  result: RunResult,
  now: number,
): Promise<Notice | null> {
  const limit = job.status === "active" ? job.policy.pauseAfterFailures : 0;
  const counted = await trx
    .selectFrom("job_counters")
    .select("consecutive_failures")
    .where("job_id", "=", run.job_id)
    .executeTakeFirst();
  const failures = Number(counted?.consecutive_failures ?? 0);
  if (limit > 0 && failures >= limit) return pauseFailingJob(trx, run, { failures, result }, now);
  if (failures !== WARN_AFTER_FAILURES) return null;
  const then = limit > 0 ? ` It is paused after ${limit} (pause_after_failures).` : "";
  return { kind: "warning", note: `The last ${failures} runs of this job failed.${then}` };
}

async function pauseFailingJob(
  trx: Transaction<Tables>,
  run: RunRow,
  { failures, result }: { failures: number; result: RunResult },
  now: number,
): Promise<Notice> {
  const cause = (result.error?.message ?? result.status).slice(0, 500);
  const note = `Paused after ${failures} failure${failures === 1 ? "" : "s"} in a row (pause_after_failures). The last: ${cause} resume_job lets it go on.`;
  await trx
    .updateTable("jobs")
    .set({ status: "paused", status_reason: note, next_run_at: null, updated_at: now })
    .where("job_id", "=", run.job_id)
    .execute();
  await skipQueuedRuns(trx, run.job_id, now);
  return { kind: "paused", note };
}

interface QueuedEnd {
  readonly status: "cancelled" | "skipped";
  readonly reason: string;
  /** Leaves the runs that a person asked for, and those that were begun: they are at work. */
  readonly onlyScheduled: boolean;
}

async function endQueuedRuns(
  trx: Transaction<Tables>,
  jobId: string,
  { status, reason, onlyScheduled }: QueuedEnd,
  now: number,
): Promise<void> {
  let queued = trx
    .selectFrom("runs")
    .select("run_id")
    .where("job_id", "=", jobId)
    .where("status", "=", "queued")
    .where("finished_at", "is", null);
  if (onlyScheduled) queued = queued.where("triggered_by", "!=", "manual").where("started_at", "is", null);
  const result = emptyResult(status, reason);
  for (const { run_id } of await queued.execute())
    await endRun(trx, run_id, "queued", result, now, { startsNext: false });
  if (onlyScheduled) await releaseNext(trx, jobId, now);
}

/** Cancels all queued runs of a job. */
export async function cancelQueuedRuns(trx: Transaction<Tables>, jobId: string, now: number): Promise<void> {
  const reason = "Its job was cancelled before it started.";
  await endQueuedRuns(trx, jobId, { status: "cancelled", reason, onlyScheduled: false }, now);
}

/** Skips the queued runs of a job, except those that a person asked for. */
export async function skipQueuedRuns(
  trx: Transaction<Tables>,
  jobId: string,
  now: number,
  reason = "Its job was paused before it started.",
): Promise<void> {
  await endQueuedRuns(trx, jobId, { status: "skipped", reason, onlyScheduled: true }, now);
}
