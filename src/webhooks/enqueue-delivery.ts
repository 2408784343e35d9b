import type { Transaction } from "kysely";
import { newId } from "../database/ids.ts";
import type { DeliveryRow, RunRow, Tables } from "../database/schema.ts";
import type { Outcome } from "../jobs/run.ts";
import { ensureWebhook } from "./secret.ts";

/** The row of a run as it was before its end, with the webhooks that may hear of it. */
export interface RunWithWebhooks extends RunRow {
  readonly job_webhook: string | null;
  readonly user_webhook: string | null;
}

/**
 * Has the end of a run told to the webhooks of its job and its user, in the transaction that writes the end: no crash
 * parts the two. Of a run that never started, was skipped, or said in its job's own word for it that there is nothing to
 * tell, nobody is told.
 */
export async function queueDeliveries(
  trx: Transaction<Tables>,
  run: RunWithWebhooks,
  { status, silent = false }: Pick<Outcome, "status" | "silent">,
  now: number,
): Promise<void> {
  if (run.status !== "running" || status === "skipped" || silent) return;
  const targets: DeliveryRow["target"][] = [];
  if (run.job_webhook) targets.push("job");
  if (run.user_webhook && run.user_webhook !== run.job_webhook) targets.push("user");
  if (targets.length === 0) return;
  await trx
    .insertInto("deliveries")
    .values(targets.map((target) => newDelivery(run, target, now)))
    .execute();
  await ensureWebhook(trx, run.user_key);
  await markUserDue(trx, run.user_key, now);
}

const newDelivery = (run: RunRow, target: DeliveryRow["target"], now: number): DeliveryRow => ({
  delivery_id: newId("msg", now),
  run_id: run.run_id,
  job_id: run.job_id,
  user_key: run.user_key,
  target,
  status: "pending",
  attempts: 0,
  next_attempt_at: now,
  host: null,
  last_status: null,
  last_error: null,
  created_at: now,
  ended_at: null,
});

/** Says that a delivery of the user's is due at `at`, unless an earlier one is known of. */
export async function markUserDue(trx: Transaction<Tables>, userKey: string, at: number): Promise<void> {
  await trx
    .updateTable("webhooks")
    .set({ turn_at: at })
    .where("user_key", "=", userKey)
    .where((eb) => eb.or([eb("turn_at", "is", null), eb("turn_at", ">", at)]))
    .execute();
}
