import type { Transaction } from "kysely";
import type { Tables } from "../database/schema.ts";
import { enqueueUser } from "./fair-order.ts";

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
