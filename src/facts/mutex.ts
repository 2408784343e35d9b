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
