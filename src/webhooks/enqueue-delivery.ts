import { randomBytes } from "node:crypto";
import type { Transaction } from "kysely";
import { newId } from "../database/ids.ts";
import type { DeliveryRow, RunRow, Tables, WebhookRow } from "../database/schema.ts";
import type { RunResult } from "../jobs/run.ts";

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
  { status, silent = false }: Pick<RunResult, "status" | "silent">,
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

/** How long the secret before the last rotation signs too, so that receivers can change over. */
export const OLD_SECRET_MS = 24 * 3_600_000;

/** 192 random bits, in the form that Standard Webhooks gives a secret. */
export const newSecret = (): string => `whsec_${randomBytes(24).toString("base64")}`;

/** The user's row, made with a new secret when there is none. */
export async function ensureWebhook(trx: Transaction<Tables>, userKey: string): Promise<WebhookRow> {
  const row: WebhookRow = {
    user_key: userKey,
    url: null,
    secret: newSecret(),
    old_secret: null,
    old_until: null,
    turn_at: null,
  };
  await trx
    .insertInto("webhooks")
    .values(row)
    .onConflict((conflict) => conflict.column("user_key").doNothing())
    .execute();
  return trx.selectFrom("webhooks").selectAll().where("user_key", "=", userKey).executeTakeFirstOrThrow();
}

/** What a message is signed with at `now`: the secret, and for a while the one before. */
export function secretsAt(
  row: Pick<WebhookRow, "secret" | "old_secret" | "old_until">,
  now: number,
): string[] {
  const isOldGood = row.old_secret !== null && row.old_until !== null && now < row.old_until;
  return isOldGood && row.old_secret !== null ? [row.secret, row.old_secret] : [row.secret];
}
