import { setTimeout as sleep } from "node:timers/promises";
import { isLocked, toDataError } from "./db-errors.ts";

const FIRST_WAIT_MS = 2;
const LONGEST_WAIT_MS = 20;

export interface RetryOptions {
  /** How long to go on trying, in ms. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Does `work` again while the database is locked, waiting between tries without holding up the event loop.
 * Only for work that leaves nothing behind when it is refused. Rejects with DATA_UNAVAILABLE once out of patience.
 */
export async function whileLocked<T>(work: () => T, { timeoutMs, signal }: RetryOptions): Promise<T> {
  let waitedMs = 0;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      return work();
    } catch (error) {
      if (!isLocked(error) || waitedMs >= timeoutMs) throw toDataError(error);
    }
    // Random, so that two processes that were refused together don't come back together for ever.
    const thisWaitMs = Math.ceil(waitMs * (0.5 + Math.random() / 2));
    await sleep(thisWaitMs, undefined, { signal });
    waitedMs += thisWaitMs;
  }
}
