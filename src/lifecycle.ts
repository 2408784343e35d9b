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

type AsyncMethods<T> = { readonly [K in keyof T]: (...args: never[]) => Promise<unknown> };

/**
 * An object whose methods are all asynchronous, opened when the first of them is called. Opening is tried again
 * after a failure: a store that could not be reached a minute ago may be back.
 */
export function lazily<T extends AsyncMethods<T>>(open: () => Promise<T>): T {
  const getTarget = once(open);
  return new Proxy({} as T, {
    get: (_none, method) => {
      // Not thenable: awaiting the object itself must not open it.
      if (method === "then") return undefined;
      return async (...args: never[]) => {
        const target = await getTarget();
        return target[method as keyof T](...args);
      };
    },
  });
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
