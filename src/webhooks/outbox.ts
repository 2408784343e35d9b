import type { Transaction } from "kysely";
import type { Database, UserLocks } from "../database/database.ts";
import type { DeliveryRow, Tables, WebhookRow } from "../database/schema.ts";
import { type AttemptResult, readMessage, type WebhookMessage } from "./attempt.ts";
import { markUserDue, secretsAt } from "./enqueue-delivery.ts";

/** A claimed attempt, which this process is to make. */
export interface Attempt {
  readonly deliveryId: string;
  readonly userKey: string;
  readonly runId: string;
  readonly jobId: string;
  /** From 1. It is also the claim: a result is written only while the row has this number. */
  readonly attempt: number;
  /** Null when the webhook was removed. */
  readonly url: string | null;
  readonly message: WebhookMessage;
  /** The newest first. */
  readonly secrets: readonly string[];
}

/** Limits a dispatcher to one user's deliveries, or to those of one run. */
export interface DeliveryFilter {
  readonly userKey?: string;
  readonly runId?: string;
}

/** Longer than any attempt takes. A process that dies during an attempt delays the next one by so long. */
const LEASE_MS = 60_000;

/** The deliveries of all users, for the dispatcher. Never handed to a connection. */
export interface Outbox {
  /** Epoch ms at which a delivery of a user not in `full` may be due, possibly too early; null when none is pending. */
  nextAt(filter: DeliveryFilter, full: readonly string[]): Promise<number | null>;
  /**
   * Claims due attempts, at most `limit` in all and `each` for a user, less those that run already (`busy`, by user).
   * Users who were served longest ago come first, so that nobody's dead endpoint holds up others. Only one process
   * gets an attempt.
   */
  claim(options: ClaimDeliveriesOptions): Promise<readonly Attempt[]>;
  /** Writes the result of an attempt. Resolves to false, with nothing written, when the claim has expired. */
  recordResult(attempt: Attempt, result: AttemptResult, now: number): Promise<boolean>;
}

interface ClaimDeliveriesOptions {
  readonly now: number;
  readonly limit: number;
  readonly each: number;
  readonly busy: ReadonlyMap<string, number>;
  readonly filter: DeliveryFilter;
}

export function createOutbox(db: Database): Outbox {
  return {
    async nextAt({ userKey }, full) {
      let query = db.kysely
        .selectFrom("webhooks")
        .select((eb) => eb.fn.min("turn_at").as("at"))
        .where("turn_at", "is not", null);
      if (userKey !== undefined) query = query.where("user_key", "=", userKey);
      if (full.length > 0) query = query.where("user_key", "not in", full);
      const at = (await query.executeTakeFirst())?.at;
      return at === null || at === undefined ? null : Number(at);
    },
    claim: (options) => db.transact((trx, users) => claimDeliveries(trx, users, options), { of: null }),
    recordResult: (attempt, result, now) =>
      db.transact((trx) => recordResult(trx, attempt, result, now), { of: attempt.userKey }),
  };
}

async function claimDeliveries(
  trx: Transaction<Tables>,
  locks: UserLocks,
  { now, limit, each, busy, filter }: ClaimDeliveriesOptions,
): Promise<Attempt[]> {
  const full = [...busy].filter(([, count]) => count >= each).map(([userKey]) => userKey);
  let users = trx.selectFrom("webhooks").selectAll().where("turn_at", "<=", now);
  if (filter.userKey !== undefined) users = users.where("user_key", "=", filter.userKey);
  if (full.length > 0) users = users.where("user_key", "not in", full);
  const attempts: Attempt[] = [];
  let isHolding = false;
  for (const webhook of await users.orderBy("turn_at").limit(limit).execute()) {
    if (attempts.length >= limit) break;
    // With one user's rows locked, never wait for another's: that could deadlock.
    if (!isHolding) await locks.take(webhook.user_key);
    else if (!(await locks.tryTake(webhook.user_key))) continue;
    isHolding = true;
    const slots = Math.min(each - (busy.get(webhook.user_key) ?? 0), limit - attempts.length);
    let due = trx
      .selectFrom("deliveries")
      .selectAll()
      .where("user_key", "=", webhook.user_key)
      .where("next_attempt_at", "<=", now);
    if (filter.runId !== undefined) due = due.where("run_id", "=", filter.runId);
    for (const row of await due.orderBy("next_attempt_at").limit(slots).execute())
      attempts.push(await claimOne(trx, row, webhook, now));
    await advanceWebhookUser(trx, webhook.user_key, now);
  }
  return attempts;
}

async function claimOne(
  trx: Transaction<Tables>,
  row: DeliveryRow,
  webhook: WebhookRow,
  now: number,
): Promise<Attempt> {
  const attempt = row.attempts + 1;
  await trx
    .updateTable("deliveries")
    .set({ attempts: attempt, next_attempt_at: now + LEASE_MS })
    .where("delivery_id", "=", row.delivery_id)
    .execute();
  const { message, jobUrl } = await readMessage(trx, row);
  return {
    deliveryId: row.delivery_id,
    userKey: row.user_key,
    runId: row.run_id,
    jobId: row.job_id,
    attempt,
    url: row.target === "job" ? jobUrl : webhook.url,
    message,
    secrets: secretsAt(webhook, now),
  };
}

/** Sets when the user is next: at the next due time, and behind the users who wait if that has passed already. */
async function advanceWebhookUser(trx: Transaction<Tables>, userKey: string, now: number): Promise<void> {
  const row = await trx
    .selectFrom("deliveries")
    .select((eb) => eb.fn.min("next_attempt_at").as("at"))
    .where("user_key", "=", userKey)
    .where("next_attempt_at", "is not", null)
    .executeTakeFirst();
  const at = row?.at === null || row?.at === undefined ? null : Math.max(Number(row.at), now);
  await trx.updateTable("webhooks").set({ turn_at: at }).where("user_key", "=", userKey).execute();
}

async function recordResult(
  trx: Transaction<Tables>,
  { deliveryId, userKey, attempt }: Attempt,
  result: AttemptResult,
  now: number,
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable("deliveries")
    .set(columnsOf(result, attempt, now))
    .where("delivery_id", "=", deliveryId)
    .where("status", "=", "pending")
    .where("attempts", "=", attempt)
    .executeTakeFirst();
  if (numUpdatedRows !== 1n) return false;
  if (result.kind === "again") await markUserDue(trx, userKey, result.at);
  if (result.kind === "stopped") await markUserDue(trx, userKey, now);
  return true;
}

function columnsOf(result: AttemptResult, attempt: number, now: number): Partial<DeliveryRow> {
  // A stopped attempt does not count.
  if (result.kind === "stopped") return { attempts: attempt - 1, next_attempt_at: now };
  const { host, status: last_status, error: last_error } = result;
  const fields = { host, last_status, last_error };
  if (result.kind === "again") return { ...fields, next_attempt_at: result.at };
  return { ...fields, status: result.kind, next_attempt_at: null, ended_at: now };
}
