import { createHash } from "node:crypto";
import type { Transaction } from "kysely";
import { newRunRow, readDetail } from "../database/run-row.ts";
import type { RunRow, Tables } from "../database/schema.ts";
import { sendPipelined } from "../database/sql.ts";
import { addInboxItem, type Notice } from "../inbox/add-item.ts";
import { DEFAULT_RETENTION, type Retention } from "../jobs/inbox-item.ts";
import { type Job, type Policy, type RetryOn, WARN_AFTER_FAILURES } from "../jobs/job.ts";
import { type EndStatus, NEXT_STATUSES, type RunEnded, type RunResult, type RunStatus } from "../jobs/run.ts";
import { queueDeliveries } from "../webhooks/enqueue-delivery.ts";
import { enqueueUser } from "./fair-order.ts";
import { releaseNext } from "./held-runs.ts";
import { addCounts } from "./job-counters.ts";
import { readJob } from "./job-rows.ts";

/** Only the parts that a run can have that never started: nothing was said and nothing was spent. */
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

/** The columns of a run that has ended so. For rows that are born ended and for `endRun`. */
export function endedColumns(row: Pick<RunRow, "detail">, result: RunResult, now: number) {
  const before = readDetail(row.detail);
  const { error, silent = false } = result;
  // Whoever had it cancelled may have said why.
  const statusReason = result.statusReason ?? before.statusReason;
  return {
    status: result.status,
    due_at: null,
    held_for: null,
    lease_until: null,
    finished_at: now,
    output: result.output,
    input_tokens: result.usage.input_tokens,
    output_tokens: result.usage.output_tokens,
    detail: JSON.stringify({ ...before, statusReason, error, silent }),
  };
}

export interface EndOptions {
  /** Whether the run that waits behind this one may start; default true. */
  readonly startsNext?: boolean;
  /** How long what it came to stays in its owner's inbox. */
  readonly retention?: Retention;
  /** Called when it was put into the inbox, within the transaction. */
  readonly onInboxAdded?: (delivered: RunEnded) => void;
}

const runEndedOf = (row: RunRow, { status }: RunResult): RunEnded => ({
  userKey: row.user_key,
  runId: row.run_id,
  jobId: row.job_id,
  status,
  threadId: readDetail(row.detail).threadId,
});

/**
 * The one function that ends a stored run. False, and nothing written, when the run is in none of the states from
 * which NEXT_STATUSES leads to that end, or not in `from`: so an end is written once, whoever comes second (nobody
 * else writes to its user's runs meanwhile).
 * What follows from the end is part of it: see `applyResult`, `addInboxItem` and `queueDeliveries`.
 */
export async function endRun(
  trx: Transaction<Tables>,
  runId: string,
  from: "queued" | "running",
  result: RunResult,
  now: number,
  { startsNext, retention = DEFAULT_RETENTION, onInboxAdded }: EndOptions = {},
): Promise<boolean> {
  const next: readonly RunStatus[] = NEXT_STATUSES[from];
  if (!next.includes(result.status)) return false;
  const row = await trx
    .selectFrom("runs")
    .innerJoin("jobs", "jobs.job_id", "runs.job_id")
    .leftJoin("webhooks", "webhooks.user_key", "runs.user_key")
    .selectAll("runs")
    .select(["jobs.webhook_url as job_webhook", "webhooks.url as user_webhook"])
    .where("runs.run_id", "=", runId)
    .where("runs.status", "=", from)
    .executeTakeFirst();
  if (!row) return false;
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
  // Told once, of the last attempt.
  if (isRetried) return true;
  if (await addInboxItem(trx, row, result, { notice, retention, now }))
    onInboxAdded?.(runEndedOf(row, result));
  await queueDeliveries(trx, row, result, now);
  return true;
}

/** What came of the end of a run for its job. */
export interface AppliedResult {
  /** Another attempt was queued: this end is not the last word. */
  readonly isRetried: boolean;
  readonly notice: Notice | null;
}

/** What follows from the end of a run: its job's counters, a retry, a pause, and the run that waits behind it. */
export async function applyResult(
  trx: Transaction<Tables>,
  run: RunRow,
  result: RunResult,
  now: number,
  startsNext = true,
): Promise<AppliedResult> {
  const owner = { jobId: run.job_id, userKey: run.user_key };
  let isRetried = false;
  let notice: Notice | null = null;
  if (run.status === "queued") {
    await addCounts(trx, owner, { skipped: result.status === "skipped" ? 1 : 0 });
  } else {
    const denied_calls = result.transcript.filter(({ denied }) => denied).length;
    const last = { last_run_id: run.run_id };
    if (FAILURES.includes(result.status)) {
      isRetried = await retry(trx, run, result, now);
      // That a process died is not the job's doing, and says nothing about its next run.
      const consecutive_failures = isRetried || result.status === "lost" ? 0 : 1;
      await addCounts(trx, owner, { runs_failed: 1, denied_calls, consecutive_failures }, last);
      if (consecutive_failures > 0) notice = await weighFailures(trx, run, result, now);
    } else if (result.status === "succeeded") {
      await addCounts(trx, owner, { runs_succeeded: 1, denied_calls }, { ...last, consecutive_failures: 0 });
    } else {
      // That there was nothing to do is no result: the last one stands.
      const isSkipped = result.status === "skipped";
      await addCounts(trx, owner, { skipped: isSkipped ? 1 : 0, denied_calls }, isSkipped ? {} : last);
    }
  }
  if (startsNext) await releaseNext(trx, run.job_id, now);
  return { isRetried, notice };
}

const FAILURES: readonly RunResult["status"][] = ["failed", "timed_out", "lost"];

/** Passing failures of the model's side: nothing about the job would have to change. */
const TRANSIENT = ["MODEL_RATE_LIMITED", "MODEL_UNREACHABLE", "MODEL_UNAVAILABLE"];

function isWorthRetrying({ status, error }: RunResult, { on }: Policy["retry"]): boolean {
  const kind: RetryOn | undefined =
    status === "timed_out"
      ? "timeout"
      : status === "lost"
        ? "lost"
        : error?.code === "GHOST_CRASHED"
          ? "crash"
          : undefined;
  return kind ? on.includes(kind) : TRANSIENT.includes(error?.code ?? "");
}

/** Doubled from attempt to attempt, up to the limit; half of it by chance, so that what failed together parts. */
export function backoffMs(
  { backoffSeconds, maxBackoffSeconds }: Policy["retry"],
  runId: string,
  attempt: number,
) {
  const fullMs = Math.min(backoffSeconds * 2 ** (attempt - 1), maxBackoffSeconds) * 1000;
  const chance = createHash("sha256").update(runId).digest().readUInt32BE() / 2 ** 32;
  return Math.round(fullMs * (0.5 + chance / 2));
}

async function retry(
  trx: Transaction<Tables>,
  run: RunRow,
  result: RunResult,
  now: number,
): Promise<boolean> {
  const job = await findJob(trx, run.job_id);
  if (!job || job.status === "cancelled" || run.attempt >= job.policy.retry.attempts) return false;
  // The owner wants an end of it, whatever it failed with meanwhile.
  if (run.cancel_requested_at !== null || !isWorthRetrying(result, job.policy.retry)) return false;
  if (job.status === "paused" && run.triggered_by !== "manual") return false;
  const seed = {
    trigger: run.triggered_by,
    scheduledFor: run.scheduled_for,
    coalesced: run.coalesced,
    attempt: run.attempt + 1,
    dueAt: now + backoffMs(job.policy.retry, run.run_id, run.attempt),
    exclusive: readDetail(run.detail).exclusive,
  };
  const row = newRunRow(job, seed, now);
  await trx.insertInto("runs").values(row).execute();
  await enqueueUser(trx, row, row.due_at);
  return true;
}

/** What the owner is told of a job that fails again and again. At its limit it is paused. */
async function weighFailures(
  trx: Transaction<Tables>,
  run: RunRow,
  result: RunResult,
  now: number,
): Promise<Notice | null> {
  const job = await findJob(trx, run.job_id);
  if (!job) return null;
  const limit = job.status === "active" ? job.policy.pauseAfterFailures : 0;
  const counted = await trx
    .selectFrom("job_counters")
    .select("consecutive_failures")
    .where("job_id", "=", run.job_id)
    .executeTakeFirst();
  const failures = Number(counted?.consecutive_failures ?? 0);
  if (limit > 0 && failures >= limit) return pause(trx, run, { failures, result }, now);
  if (failures !== WARN_AFTER_FAILURES) return null;
  const then = limit > 0 ? ` It is paused after ${limit} (pause_after_failures).` : "";
  return { kind: "warning", note: `The last ${failures} runs of this job failed.${then}` };
}

async function pause(
  trx: Transaction<Tables>,
  run: RunRow,
  { failures, result }: { failures: number; result: RunResult },
  now: number,
): Promise<Notice> {
  const said = (result.error?.message ?? result.status).slice(0, 500);
  const note = `Paused after ${failures} failure${failures === 1 ? "" : "s"} in a row (pause_after_failures). The last: ${said} resume_job lets it go on.`;
  await trx
    .updateTable("jobs")
    .set({ status: "paused", status_reason: note, next_run_at: null, updated_at: now })
    .where("job_id", "=", run.job_id)
    .execute();
  await skipQueuedRuns(trx, run.job_id, now);
  return { kind: "paused", note };
}

/** Null for a job that can't be read: its run has ended all the same. */
async function findJob(trx: Transaction<Tables>, jobId: string): Promise<Job | null> {
  const row = await trx.selectFrom("jobs").selectAll().where("job_id", "=", jobId).executeTakeFirst();
  try {
    return row ? readJob(row) : null;
  } catch {
    return null;
  }
}

interface Ended {
  readonly status: "cancelled" | "skipped";
  readonly reason: string;
}

/** Ends the runs of a job that nobody has started; `spareManual`: but for those that a person asked for. */
export async function endWaiting(
  trx: Transaction<Tables>,
  jobId: string,
  { status, reason, spareManual = false }: Ended & { spareManual?: boolean },
  now: number,
): Promise<void> {
  let queued = trx
    .selectFrom("runs")
    .select("run_id")
    .where("job_id", "=", jobId)
    .where("status", "=", "queued")
    .where("finished_at", "is", null);
  if (spareManual) queued = queued.where("triggered_by", "!=", "manual");
  const result = emptyResult(status, reason);
  for (const { run_id } of await queued.execute())
    await endRun(trx, run_id, "queued", result, now, { startsNext: false });
  if (spareManual) await releaseNext(trx, jobId, now);
}

export const cancelQueuedRuns = (trx: Transaction<Tables>, jobId: string, now: number): Promise<void> =>
  endWaiting(trx, jobId, { status: "cancelled", reason: "Its job was cancelled before it started." }, now);

/** Skips those that no person asked for. */
export const skipQueuedRuns = (
  trx: Transaction<Tables>,
  jobId: string,
  now: number,
  reason = "Its job was paused before it started.",
): Promise<void> => endWaiting(trx, jobId, { status: "skipped", reason, spareManual: true }, now);
