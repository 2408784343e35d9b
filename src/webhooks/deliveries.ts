import type { Database } from "../database/open-sqlite.ts";
import type { DeliveryRow } from "../database/schema.ts";
import type { Delivery, DeliveryReader } from "./delivery.ts";

/** One user's deliveries, to be read: no secret and no URL is within reach. */
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
