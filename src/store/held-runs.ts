import type { Transaction } from "kysely";
import type { Tables } from "../database/schema.ts";
import { enqueueUser } from "./fair-order.ts";
import { emptyOutcome, endRun } from "./run-end.ts";

/** Runs of one job that may wait for each other; what comes then is dropped. */
export const MAX_WAITING = 1_000;

/** A held run becomes due when nothing of its job runs, and none before it is due: the one for the earliest time. */
export async function releaseNext(trx: Transaction<Tables>, jobId: string, now: number): Promise<void> {
  const next = await trx
    .selectFrom("runs")
    .select(["run_id", "user_key", "kind"])
    .where("job_id", "=", jobId)
    .where("held_for", "is not", null)
    .orderBy("held_for")
    .limit(1)
    .executeTakeFirst();
  if (!next) return;
  const inFront = await trx
    .selectFrom("runs")
    .select("run_id")
    .where("job_id", "=", jobId)
    .where("finished_at", "is", null)
    .where("held_for", "is", null)
    .limit(1)
    .executeTakeFirst();
  if (inFront) return;
  await trx
    .updateTable("runs")
    .set({ due_at: now, held_for: null })
    .where("run_id", "=", next.run_id)
    .where("status", "=", "queued")
    .execute();
  await enqueueUser(trx, next, now);
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
  const outcome = emptyOutcome(status, reason);
  for (const { run_id } of await queued.execute())
    await endRun(trx, run_id, "queued", outcome, now, { startsNext: false });
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
