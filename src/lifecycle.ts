export type CleanupTask = () => Promise<unknown>;

/** What was opened, to be closed in reverse order. */
export interface Cleanup {
  /** What is opened after the end is closed at once: nothing that was late is left behind. */
  add(task: CleanupTask): void;
  /** Goes on past a failure and rejects with the first one. */
  run(): Promise<void>;
}

export function createCleanup(): Cleanup {
  const pending: CleanupTask[] = [];
  let isOver = false;
  return {
    add(task) {
      if (isOver) void task().catch(() => {});
      else pending.push(task);
    },
    async run() {
      const failures: unknown[] = [];
      for (let task = pending.pop(); task; task = pending.pop())
        await task().catch((error: unknown) => failures.push(error));
      isOver = true;
      if (failures.length > 0) throw failures[0];
    },
  };
}

/** The result of the first call, for every call; a call that failed is not remembered. */
export function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= work().catch((error: unknown) => {
      result = undefined;
      throw error;
    });
    return result;
  };
}
