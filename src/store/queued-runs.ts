import type { Transaction } from "kysely";
import type { RunRow, Tables } from "../database/schema.ts";
import { enqueueUser } from "./fair-order.ts";

/** Stores a new run. One that has a due time puts its user into the fair order. */
export async function insertRun(trx: Transaction<Tables>, row: RunRow): Promise<void> {
  await trx.insertInto("runs").values(row).execute();
  await enqueueUser(trx, row, row.due_at);
}

/** Makes the held run with the earliest time due, unless another run of its job is running or due. */
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
