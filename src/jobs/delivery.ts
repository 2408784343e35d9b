/** `failed`: given up, after the last attempt or one that no retry could repair. */
export type DeliveryStatus = "pending" | "delivered" | "failed";

/** One report of a run's end to a webhook. Times are epoch ms. */
export interface Delivery {
  /** The `webhook-id` header of every attempt. */
  readonly deliveryId: string;
  readonly status: DeliveryStatus;
  readonly attempts: number;
  /** Host and port of the last attempt; null before the first. */
  readonly host: string | null;
  /** The HTTP status that answered the last attempt. */
  readonly lastStatus: number | null;
  /** A sentence for people: why the last attempt failed. */
  readonly lastError: string | null;
  readonly nextAttemptAt: number | null;
  readonly createdAt: number;
  readonly endedAt: number | null;
}

/** One user's deliveries. */
export interface DeliveryReader {
  /** Empty for a run that is not this user's, or that has no webhook. */
  ofRun(runId: string): Promise<readonly Delivery[]>;
}
