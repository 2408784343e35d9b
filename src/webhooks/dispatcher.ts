import type { Log } from "../log.ts";
import { type AttemptResult, attemptDelivery, type NetworkPolicy } from "./attempt.ts";
import type { Attempt, DeliveryFilter, Outbox } from "./outbox.ts";

export interface DispatcherOptions {
  readonly outbox: Outbox;
  readonly filter?: DeliveryFilter;
  readonly network: NetworkPolicy;
  readonly log: Log;
  readonly now: () => number;
  /** Attempts at work at once; default 32. */
  readonly maxAtOnce?: number;
  /** Of these, for one user; default 2. */
  readonly maxEach?: number;
  /** How often to look whether another process has ended a run, in ms; default 5,000. */
  readonly lookMs?: number;
  /** Told of each attempt whose outcome is written. */
  readonly onAttempt?: (attempt: Attempt) => void;
}

/** Sends what is due to webhooks, and again what did not arrive. */
export interface Dispatcher {
  start(): void;
  /** Says that something may be due sooner than was known. */
  wake(): void;
  /** Claims what is due, as far as there are places, and begins to send it. Resolves to how many were begun. */
  tick(): Promise<number>;
  /** Sends what is due until nothing is: without `start`. */
  drain(): Promise<void>;
  /** Claims nothing more, gives up what is being sent, and resolves when that is written. */
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
      // The claim ends by itself, and it is tried again.
      log.error(
        { err: error, delivery_id: attempt.deliveryId },
        "what came of a webhook could not be written",
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
        // With no free place the end of an attempt is what is waited for.
        const full = [...countByUser()].filter(([, count]) => count >= maxEach).map(([userKey]) => userKey);
        const at = inFlight.size < maxAtOnce ? await outbox.nextAt(filter, full) : null;
        sleepMs = at === null ? lookMs : Math.min(Math.max(at - now(), 0), lookMs);
      } while (isRequested && isOpen);
    } catch (error) {
      log.error({ err: error }, "due webhooks could not be read; trying again");
    }
    if (isOpen) timer = setTimeout(requestPass, sleepMs);
  };
  /** One turn at a time: claim, send, and set the timer for what is next. */
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

/** Without the URL: its path may be a secret. */
function logFailure(
  { deliveryId, runId, jobId, attempt }: Attempt,
  { host, status, error }: Extract<AttemptResult, { kind: "failed" }>,
  log: Log,
): void {
  const fields = { delivery_id: deliveryId, run_id: runId, job_id: jobId, host, attempts: attempt };
  log.warn({ ...fields, last_status: status, last_error: error }, "a webhook was not told, and will not be");
}
