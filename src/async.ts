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
