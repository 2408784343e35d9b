import { createHash } from "node:crypto";
import type { Transaction } from "kysely";
import { newRunRow, readDetail } from "../database/run-row.ts";
import type { RunRow, Tables } from "../database/schema.ts";
import type { Job, Policy, RetryOn } from "../jobs/job.ts";
import type { RunResult } from "../jobs/run.ts";
import { isDeferrable } from "./deferred-run.ts";
import { insertRun } from "./queued-runs.ts";

/** Failures of the model provider that may be over soon. They are retried whatever `retry.on` says. */
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

/** Doubles with each attempt up to the limit. Half of it is jitter, so that runs that failed together spread out. */
function retryDelayMs(
  { backoffSeconds, maxBackoffSeconds }: Policy["retry"],
  runId: string,
  attempt: number,
): number {
  const fullMs = Math.min(backoffSeconds * 2 ** (attempt - 1), maxBackoffSeconds) * 1000;
  const jitter = createHash("sha256").update(runId).digest().readUInt32BE() / 2 ** 32;
  return Math.round(fullMs * (0.5 + jitter / 2));
}

/** Queues another attempt where the job's retry policy has one left for this kind of failure. */
export async function queueRetry(
  trx: Transaction<Tables>,
  job: Job,
  run: RunRow,
  result: RunResult,
  now: number,
): Promise<boolean> {
  // The owner asked to cancel it, so it is not tried again.
  if (job.status === "cancelled" || run.cancel_requested_at !== null) return false;
  if (job.status === "paused" && run.triggered_by !== "manual") return false;
  const { retryAt = 0, outage } = result.modelFailure ?? {};
  const isDeferred = outage !== undefined && isDeferrable(run, job, result, now);
  const isLast = run.attempt >= job.policy.retry.attempts || !isWorthRetrying(result, job.policy.retry);
  if (isLast && !isDeferred) return false;
  const retriedAt = Math.max(now + retryDelayMs(job.policy.retry, run.run_id, run.attempt), retryAt);
  const seed = {
    trigger: run.triggered_by,
    scheduledFor: run.scheduled_for,
    coalesced: run.coalesced,
    attempt: isDeferred ? run.attempt : run.attempt + 1,
    isRepeat: isDeferred,
    dueAt: isDeferred ? outage.nextTryAt : retriedAt,
    exclusive: readDetail(run.detail).exclusive,
  };
  await insertRun(trx, newRunRow(job, seed, now));
  return true;
}
