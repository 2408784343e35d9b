import type { Transaction } from "kysely";
import { newId } from "../database/ids.ts";
import type { DeliveryRow, RunRow, Tables } from "../database/schema.ts";
import type { Outcome } from "../runs/run.ts";
import { ensureWebhook } from "./secret.ts";

/**
 * Has the end of a run told to the webhooks of its job and its user, in the transaction that writes the end: no crash
 * parts the two. `run` is the row as it was before. Of a run that never started, was skipped, or said in its job's own
 * word for it that there is nothing to tell, nobody is told.
 */
export async function queueDeliveries(
  trx: Transaction<Tables>,
  run: RunRow,
  { status, silent = false }: Pick<Outcome, "status" | "silent">,
  now: number,
): Promise<void> {
  if (run.status !== "running" || status === "skipped" || silent) return;
  const found = await trx
    .selectFrom("jobs")
    .leftJoin("webhooks", "webhooks.user_key", "jobs.user_key")
    .select(["jobs.webhook_url", "webhooks.url"])
    .where("jobs.job_id", "=", run.job_id)
    .executeTakeFirst();
  const targets: DeliveryRow["target"][] = [];
  if (found?.webhook_url) targets.push("job");
  if (found?.url && found.url !== found.webhook_url) targets.push("user");
  if (targets.length === 0) return;
  await trx
    .insertInto("deliveries")
    .values(targets.map((target) => newDelivery(run, target, now)))
    .execute();
  await ensureWebhook(trx, run.user_key);
  await turnAt(trx, run.user_key, now);
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
export async function turnAt(trx: Transaction<Tables>, userKey: string, at: number): Promise<void> {
  await trx
    .updateTable("webhooks")
    .set({ turn_at: at })
    .where("user_key", "=", userKey)
    .where((eb) => eb.or([eb("turn_at", "is", null), eb("turn_at", ">", at)]))
    .execute();
}
