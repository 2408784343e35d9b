import type { Log } from "../log.ts";
import { type AttemptResult, attemptDelivery, type NetworkPolicy } from "./attempt.ts";
import type { Attempt, DeliveryFilter, Outbox } from "./outbox.ts";

export interface DispatcherOptions {
  readonly outbox: Outbox;
  readonly filter?: DeliveryFilter;
  readonly network: NetworkPolicy;
  readonly log: Log;
  readonly now: () => number;
  /** Attempts at once; default 32. */
  readonly maxAtOnce?: number;
  /** Attempts at once for one user; default 2. */
  readonly maxEach?: number;
  /** How often to look for deliveries of other processes, in ms; default 5,000. */
  readonly lookMs?: number;
  /** Called after each attempt whose result was written. */
  readonly onAttempt?: (attempt: Attempt) => void;
}

/** Sends due deliveries to webhooks, and tries again those that failed. */
export interface Dispatcher {
  start(): void;
  /** Looks for due deliveries now: one may be due sooner than was known. */
  wake(): void;
  /** Claims due deliveries up to the limits and starts sending them. Resolves to how many were started. */
  tick(): Promise<number>;
  /** Sends until nothing is due. For callers that do not `start`. */
  drain(): Promise<void>;
  /** Claims nothing more, stops running attempts, and resolves when their results are written. */
  stop(): Promise<void>;
}

const DELIVERY_LOOK_MS = 5_000;
const MAX_AT_ONCE = 32;
const MAX_EACH = 2;

export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { outbox, filter = {}, log, now, maxAtOnce = MAX_AT_ONCE, maxEach = MAX_EACH } = options;
  const { lookMs = DELIVERY_LOOK_MS } = options;
  const inFlight = new Map<Attempt, Promise<void>>();
  const stopped = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let pass: Promise<void> | undefined;
  let isRequested = false;
  let isOpen = false;

  const send = async (attempt: Attempt): Promise<void> => {
    try {
      const result = await attemptDelivery(attempt, options.network, { now, signal: stopped.signal });
      if (!(await outbox.recordResult(attempt, result, now()))) return;
      if (result.kind === "failed") logFailure(attempt, result, log);
      options.onAttempt?.(attempt);
    } catch (error) {
      // The claim expires by itself; then the delivery is tried again.
      log.error(
        { err: error, delivery_id: attempt.deliveryId },
        "the result of a webhook delivery could not be written",
      );
    } finally {
      inFlight.delete(attempt);
    }
  };
  const countByUser = () => {
    const busy = new Map<string, number>();
    for (const { userKey } of inFlight.keys()) busy.set(userKey, (busy.get(userKey) ?? 0) + 1);
    return busy;
  };
  const tick = async (): Promise<number> => {
    const limit = maxAtOnce - inFlight.size;
    if (limit <= 0 || stopped.signal.aborted) return 0;
    const claimed = await outbox.claim({ now: now(), limit, each: maxEach, busy: countByUser(), filter });
    for (const attempt of claimed)
      inFlight.set(
        attempt,
        send(attempt).then(() => {
          if (isOpen) requestPass();
        }),
      );
    return claimed.length;
  };
  const runPass = async (): Promise<void> => {
    let sleepMs = lookMs;
    try {
      do {
        isRequested = false;
        while ((await tick()) > 0);
        // When all slots are taken, the end of an attempt requests the next pass.
        const full = [...countByUser()].filter(([, count]) => count >= maxEach).map(([userKey]) => userKey);
        const at = inFlight.size < maxAtOnce ? await outbox.nextAt(filter, full) : null;
        sleepMs = at === null ? lookMs : Math.min(Math.max(at - now(), 0), lookMs);
      } while (isRequested && isOpen);
    } catch (error) {
      log.error({ err: error }, "due webhook deliveries could not be read; trying again");
    }
    if (isOpen) timer = setTimeout(requestPass, sleepMs);
  };
  /** One pass at a time: claims, sends, and sets the timer for the next delivery. */
  function requestPass(): void {
    isRequested = true;
    if (!isOpen || pass) return;
    clearTimeout(timer);
    pass = runPass().finally(() => {
      pass = undefined;
      if (isRequested) requestPass();
    });
  }
  const allSent = async () => {
    while (inFlight.size > 0) await Promise.all(inFlight.values());
  };

  return {
    start() {
      isOpen = true;
      requestPass();
    },
    wake: requestPass,
    tick,
    async drain() {
      while ((await tick()) > 0) await allSent();
    },
    async stop() {
      isOpen = false;
      clearTimeout(timer);
      stopped.abort();
      await pass;
      clearTimeout(timer);
      await allSent();
    },
  };
}

/** Logs no URL: its path may be a secret. */
function logFailure(
  { deliveryId, runId, jobId, attempt }: Attempt,
  { host, status, error }: Extract<AttemptResult, { kind: "failed" }>,
  log: Log,
): void {
  const fields = { delivery_id: deliveryId, run_id: runId, job_id: jobId, host, attempts: attempt };
  log.warn(
    { ...fields, last_status: status, last_error: error },
    "a webhook message could not be delivered, and is not sent again",
  );
}
