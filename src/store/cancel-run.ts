import type { Transaction } from "kysely";
import { readDetail } from "../database/run-row.ts";
import type { RunRow, Tables } from "../database/schema.ts";

/** What a run says that made way for another. */
export const REPLACED = "A newer run of this job took its place (overlap: cancel_other).";

/** Tells the runs of a job that are at work to stop, and why. The first request stands. */
export async function requestCancel(
  trx: Transaction<Tables>,
  jobId: string,
  reason: string,
  now: number,
): Promise<void> {
  const running = await trx
    .selectFrom("runs")
    .select(["run_id", "detail"])
    .where("job_id", "=", jobId)
    .where("status", "=", "running")
    .where("finished_at", "is", null)
    .where("cancel_requested_at", "is", null)
    .execute();
  for (const { run_id, detail } of running) {
    const change: Partial<RunRow> = {
      cancel_requested_at: now,
      detail: JSON.stringify({ ...readDetail(detail), statusReason: reason }),
    };
    await trx.updateTable("runs").set(change).where("run_id", "=", run_id).execute();
  }
}
