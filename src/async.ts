import { setTimeout as wait } from "node:timers/promises";

export interface RetryOptions {
  /**
   * Ms to wait after this many failed tries, of which `error` is the last; undefined gives up. Default: 200 ms, 1 s and
   * 5 s, then no more.
   */
  readonly delayMs?: (tries: number, error: unknown) => number | undefined;
  /** No further try later than this after the first one, in ms. Default: no limit. */
  readonly timeoutMs?: number;
  /** False for a failure that another try would only repeat. Default: each is worth another try. */
  readonly isWorthIt?: (error: unknown) => boolean;
  /** Called with each failure that is followed by another try. */
  readonly onFailure?: (error: unknown) => void;
  /** Ends the wait between two tries. */
  readonly signal?: AbortSignal | undefined;
}

/** For records of work that may have cost money: a busy file or a full disk often recovers within seconds. */
const DEFAULT_DELAYS_MS = [200, 1_000, 5_000];

/**
 * Calls `work` until it succeeds. Rejects with its last failure, or with an AbortError when `signal` aborts between
 * two tries. Only for work that leaves nothing behind when it fails, or that may be done twice.
 */
export async function retry<T>(
  work: () => T | Promise<T>,
  {
    delayMs = (tries) => DEFAULT_DELAYS_MS[tries - 1],
    timeoutMs = Number.POSITIVE_INFINITY,
    isWorthIt = () => true,
    onFailure,
    signal,
  }: RetryOptions,
): Promise<T> {
  const startedAt = performance.now();
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      const isInTime = performance.now() - startedAt < timeoutMs;
      const pauseMs = isInTime && isWorthIt(error) ? delayMs(tries, error) : undefined;
      if (pauseMs === undefined) throw error;
      onFailure?.(error);
      await wait(pauseMs, undefined, signal && { signal });
    }
  }
}

/**
 * Delays that double from `firstMs` up to `longestMs`. Each is cut by up to half at random: two processes that were
 * refused at the same moment must not come back at the same moment for ever.
 */
export const backoff =
  (firstMs: number, longestMs: number) =>
  (tries: number): number =>
    Math.min(firstMs * 2 ** (tries - 1), longestMs) * (0.5 + Math.random() / 2);

/** Locks by key. Each has one holder at a time, in the order in which they asked. */
export interface KeyedLocks {
  /** Resolves to the function that gives the lock back. Call that exactly once. */
  lock(key: string): Promise<() => void>;
  /** Runs `work` while it holds the lock of `key`. */
  run<T>(key: string, work: () => Promise<T>): Promise<T>;
}

export function createKeyedLocks(): KeyedLocks {
  /** The last one who asked for each key, by the promise that it has given the lock back. */
  const tails = new Map<string, Promise<void>>();
  const lock = async (key: string): Promise<() => void> => {
    const before = tails.get(key);
    const { promise: released, resolve } = Promise.withResolvers<void>();
    tails.set(key, released);
    await before;
    return () => {
      if (tails.get(key) === released) tails.delete(key);
      resolve();
    };
  };
  return {
    lock,
    async run(key, work) {
      const release = await lock(key);
      try {
        return await work();
      } finally {
        release();
      }
    },
  };
}
