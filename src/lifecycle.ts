type CleanupTask = () => Promise<unknown>;

/** Closes what was opened, in reverse order. */
export interface Cleanup {
  /** Adds a task. One that is added after `run` has ended is run at once, so that nothing stays open. */
  add(task: CleanupTask): void;
  /** Runs all tasks, the last added first. Goes on past a failure and rejects with the first one. */
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

/** Runs `work` at the first call and gives its result to every call. A failure is not remembered. */
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
