import type { Database } from "../database/database.ts";
import type { DeliveryRow } from "../database/schema.ts";
import { markUserDue } from "./enqueue-delivery.ts";

/** No retry waits as long: a delivery that is due later was stored while the clock was ahead. */
const LATEST_RETRY_MS = 2 * 86_400_000;

export type DeliveryAhead = Pick<DeliveryRow, "delivery_id" | "user_key" | "next_attempt_at">;

/** The deliveries that were stored while the clock was ahead. */
export const findDeliveriesAhead = (db: Database, now: number): Promise<DeliveryAhead[]> =>
  db.kysely
    .selectFrom("deliveries")
    .select(["delivery_id", "user_key", "next_attempt_at"])
    .where("next_attempt_at", ">", now + LATEST_RETRY_MS)
    .execute();

/** Makes the delivery due now, unless it is by now due in time. */
export const mendDelivery = (
  db: Database,
  { delivery_id, user_key }: DeliveryAhead,
  now: number,
): Promise<void> =>
  db.transact(
    async (trx) => {
      await trx
        .updateTable("deliveries")
        .set({ next_attempt_at: now })
        .where("delivery_id", "=", delivery_id)
        .where("user_key", "=", user_key)
        .where("next_attempt_at", ">", now + LATEST_RETRY_MS)
        .execute();
      await markUserDue(trx, user_key, now);
    },
    { of: user_key },
  );
