import { setTimeout as wait } from "node:timers/promises";

const PAUSES_MS = [200, 1_000, 5_000];

/**
 * Writes down what is done and may have cost money: a file that is busy or a disk that is full for a moment must not
 * lose it. `onFailure` is told of each try that failed. Rejects as the last one did, or when `signal` aborts between two.
 */
export async function retry<T>(
  write: () => Promise<T>,
  { onFailure, signal }: { onFailure: (error: unknown) => void; signal?: AbortSignal },
): Promise<T> {
  for (const pauseMs of PAUSES_MS) {
    try {
      return await write();
    } catch (error) {
      onFailure(error);
      await wait(pauseMs, undefined, signal && { signal });
    }
  }
  return write();
}

/** Lets through one piece of work of each key at a time, in the order it came. */
export type Queues = <T>(key: string, work: () => Promise<T>) => Promise<T>;

export function createQueues(): Queues {
  const tails = new Map<string, Promise<unknown>>();
  return (key, work) => {
    const before = tails.get(key) ?? Promise.resolve();
    const done = before.then(work);
    const tail = done
      .catch(() => {})
      .then(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
    tails.set(key, tail);
    return done;
  };
}

/** Hands out one lock at a time, in the order it was asked for. */
export interface Mutex {
  /** Resolves to the function that gives the lock back; call it exactly once. */
  lock(): Promise<() => void>;
}

export function createMutex(): Mutex {
  let tail: Promise<void> = Promise.resolve();
  return {
    lock() {
      const { promise: released, resolve: release } = Promise.withResolvers<void>();
      const granted = tail.then(() => release);
      tail = released;
      return granted;
    },
  };
}
