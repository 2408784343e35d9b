import type { Transaction } from "kysely";
import type { Database } from "../database/database.ts";
import { newId } from "../database/ids.ts";
import type { DeliveryRow, Tables, WebhookRow } from "../database/schema.ts";
import { NightshiftError } from "../errors.ts";
import type { Delivery, DeliveryReader, DeliveryStatus } from "../jobs/delivery.ts";
import { type AttemptResult, attemptDelivery, MAX_ATTEMPTS, type NetworkPolicy } from "./attempt.ts";
import { ensureWebhook, newSecret, OLD_SECRET_MS, secretsAt } from "./enqueue-delivery.ts";
import { urlProblem } from "./url.ts";

export interface WebhookStoreOptions {
  readonly userKey: string;
  /** Epoch ms. */
  readonly now: () => number;
  readonly network: NetworkPolicy;
}

/** One user's webhook and its secret, for the operator's commands. No method takes a user. */
export interface WebhookStore {
  /** Null when the user has none. */
  url(): Promise<string | null>;
  /** Sends the ends of all the user's runs to this URL from now on. Rejects with INVALID_ARGUMENTS. */
  set(url: string): Promise<void>;
  /** Resolves to false when there was none. Pending deliveries to it fail. */
  remove(): Promise<boolean>;
  /** The secret that signs the user's messages; made when it is first read. */
  secret(): Promise<string>;
  /** Makes a new secret and resolves to it. The old one signs too for a day. */
  rotateSecret(): Promise<string>;
  /** Counts of the user's deliveries by status, with those to jobs' own webhooks. */
  counts(): Promise<Record<DeliveryStatus, number>>;
  /** Sends a test message once. Rejects with INVALID_ARGUMENTS when there is no webhook. */
  test(): Promise<Exclude<AttemptResult, { kind: "stopped" }>>;
}

export function openWebhookStore(db: Database, { userKey, now, network }: WebhookStoreOptions): WebhookStore {
  const find = () =>
    db.kysely.selectFrom("webhooks").selectAll().where("user_key", "=", userKey).executeTakeFirst();
  const transact = <T>(work: (trx: Transaction<Tables>) => Promise<T>) => db.transact(work, { of: userKey });
  const write = (change: (row: WebhookRow) => Partial<WebhookRow>) =>
    transact(async (trx) => {
      const row = await ensureWebhook(trx, userKey);
      const changed = change(row);
      await trx.updateTable("webhooks").set(changed).where("user_key", "=", userKey).execute();
      return { ...row, ...changed };
    });
  return {
    url: async () => (await find())?.url ?? null,
    async set(url) {
      const problem = urlProblem(url, network);
      if (problem) throw new NightshiftError("INVALID_ARGUMENTS", problem);
      await write(() => ({ url }));
    },
    async remove() {
      const { numUpdatedRows } = await transact((trx) =>
        trx
          .updateTable("webhooks")
          .set({ url: null })
          .where("user_key", "=", userKey)
          .where("url", "is not", null)
          .executeTakeFirst(),
      );
      return numUpdatedRows > 0n;
    },
    secret: async () => (await transact((trx) => ensureWebhook(trx, userKey))).secret,
    rotateSecret: async () =>
      (
        await write(({ secret }) => ({
          secret: newSecret(),
          old_secret: secret,
          old_until: now() + OLD_SECRET_MS,
        }))
      ).secret,
    counts: () => countDeliveries(db, userKey),
    async test() {
      const row = await find();
      if (!row?.url)
        throw new NightshiftError("INVALID_ARGUMENTS", "There is no webhook to test; set one first.");
      const at = now();
      const timestamp = new Date(at).toISOString();
      const sending = {
        deliveryId: newId("msg", at),
        attempt: MAX_ATTEMPTS,
        url: row.url,
        message: { type: "webhook.test" as const, timestamp, data: { text: "This is a test." } },
        secrets: secretsAt(row, at),
      };
      const result = await attemptDelivery(sending, network, {
        now,
        signal: new AbortController().signal,
      });
      if (result.kind === "stopped") throw new NightshiftError("CANCELLED", "The test was stopped.");
      return result;
    },
  };
}

async function countDeliveries(db: Database, userKey: string): Promise<Record<DeliveryStatus, number>> {
  const rows = await db.kysely
    .selectFrom("deliveries")
    .select((eb) => ["status", eb.fn.countAll().as("count")])
    .where("user_key", "=", userKey)
    .groupBy("status")
    .execute();
  const counted = Object.fromEntries(rows.map(({ status, count }) => [status, Number(count)]));
  return { pending: 0, delivered: 0, failed: 0, ...counted };
}

/** Reads one user's deliveries. No secret and no URL is in them. */
export const openDeliveries = ({ kysely }: Database, userKey: string): DeliveryReader => ({
  async ofRun(runId) {
    const rows = await kysely
      .selectFrom("deliveries")
      .selectAll()
      .where("run_id", "=", runId)
      .where("user_key", "=", userKey)
      .orderBy("delivery_id")
      .execute();
    return rows.map(readDelivery);
  },
});

const readDelivery = (row: DeliveryRow): Delivery => ({
  deliveryId: row.delivery_id,
  status: row.status,
  attempts: row.attempts,
  host: row.host,
  lastStatus: row.last_status,
  lastError: row.last_error,
  nextAttemptAt: row.next_attempt_at,
  createdAt: row.created_at,
  endedAt: row.ended_at,
});
