/** `failed`: for good, after the last attempt or one that no other could mend. */
export type DeliveryStatus = "pending" | "delivered" | "failed";

/** The end of a run on its way to a webhook. Times are epoch ms. */
export interface Delivery {
  /** The `webhook-id` of every attempt. */
  readonly deliveryId: string;
  readonly status: DeliveryStatus;
  readonly attempts: number;
  /** Host and port that the last attempt was for; null before the first. */
  readonly host: string | null;
  /** What the last attempt was answered with. */
  readonly lastStatus: number | null;
  /** A sentence for people: what was wrong with the last attempt. */
  readonly lastError: string | null;
  readonly nextAttemptAt: number | null;
  readonly createdAt: number;
  readonly endedAt: number | null;
}

/** One user's deliveries. */
export interface DeliveryReader {
  /** Empty for a run that is not this user's, or that nobody is told of. */
  ofRun(runId: string): Promise<readonly Delivery[]>;
}
