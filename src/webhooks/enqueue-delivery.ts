import { randomBytes } from "node:crypto";
import type { Transaction } from "kysely";
import { newId } from "../database/ids.ts";
import type { DeliveryRow, RunRow, Tables, WebhookRow } from "../database/schema.ts";
import type { RunResult, WaitingFor } from "../jobs/run.ts";

/** The row of a run before its end, with the webhooks of its job and its user. */
export interface RunWithWebhooks extends RunRow {
  readonly job_webhook: string | null;
  readonly user_webhook: string | null;
}

/**
 * Queues the end of a run for the webhooks of its job and its user, in the transaction that writes the end, so that a
 * crash cannot lose it. Nothing is queued for a run that never started, was skipped or is silent.
 */
export async function queueDeliveries(
  trx: Transaction<Tables>,
  run: RunWithWebhooks,
  { status, silent = false }: Pick<RunResult, "status" | "silent">,
  now: number,
): Promise<void> {
  if (run.started_at === null || status === "skipped" || silent) return;
  await queueMessages(trx, run, null, now);
}

/** Queues for the same webhooks that the run waits for its owner. */
export async function queueWaitingMessages(
  trx: Transaction<Tables>,
  run: RunRow,
  waitingFor: WaitingFor,
  now: number,
): Promise<void> {
  const urls = await trx
    .selectFrom("jobs")
    .leftJoin("webhooks", "webhooks.user_key", "jobs.user_key")
    .select(["jobs.webhook_url as job_webhook", "webhooks.url as user_webhook"])
    .where("jobs.job_id", "=", run.job_id)
    .executeTakeFirst();
  if (urls) await queueMessages(trx, { ...run, ...urls }, waitingFor, now);
}

async function queueMessages(
  trx: Transaction<Tables>,
  run: RunWithWebhooks,
  waitingFor: WaitingFor | null,
  now: number,
): Promise<void> {
  const targets: DeliveryRow["target"][] = [];
  if (run.job_webhook) targets.push("job");
  if (run.user_webhook && run.user_webhook !== run.job_webhook) targets.push("user");
  if (targets.length === 0) return;
  const waiting_for = waitingFor && JSON.stringify(waitingFor);
  await trx
    .insertInto("deliveries")
    .values(targets.map((target) => ({ ...newDelivery(run, target, now), waiting_for })))
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
  waiting_for: null,
});

/** Notes that a delivery of the user is due at `at`, unless an earlier one is noted. */
export async function markUserDue(trx: Transaction<Tables>, userKey: string, at: number): Promise<void> {
  await trx
    .updateTable("webhooks")
    .set({ turn_at: at })
    .where("user_key", "=", userKey)
    .where((eb) => eb.or([eb("turn_at", "is", null), eb("turn_at", ">", at)]))
    .execute();
}

/** After a rotation the old secret signs too for so long, so that receivers can change over. */
export const OLD_SECRET_MS = 24 * 3_600_000;

/** 192 random bits, in the form that Standard Webhooks defines for secrets. */
export const newSecret = (): string => `whsec_${randomBytes(24).toString("base64")}`;

/** Reads the user's row; makes it with a new secret when there is none. */
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

/** The secrets that sign a message at `now`: the current one, and for a day after a rotation the one before. */
export function secretsAt(
  { secret, old_secret, old_until }: Pick<WebhookRow, "secret" | "old_secret" | "old_until">,
  now: number,
): string[] {
  return old_secret !== null && old_until !== null && now < old_until ? [secret, old_secret] : [secret];
}
