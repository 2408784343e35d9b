import type { StartedThread } from "./worker.ts";

/** Lets a few threads load at once, and the others wait for their turn, in order. */
export interface ThreadLimiter {
  run(launch: () => Promise<StartedThread>): Promise<StartedThread>;
  /** Lets everyone through from here on. */
  lift(): void;
}

/** A thread that has not loaded by then does not keep the others waiting. */
const LOAD_TIMEOUT_MS = 5_000;

/**
 * Loading a thread is all processor. More of them at once than there are processors would not be ready sooner, but
 * would take the main thread's turns from live calls (measured: stalls of 200 ms instead of 20). `width` is asked
 * anew for each: how many may load at once.
 */
export function createThreadLimiter(width: () => number): ThreadLimiter {
  const waiting: (() => void)[] = [];
  let isOpen = false;
  let loading = 0;

  const startWaiting = () => {
    while (waiting.length > 0 && (isOpen || loading < width())) {
      loading++;
      waiting.shift()?.();
    }
  };
  const finishOne = () => {
    loading--;
    startWaiting();
  };
  return {
    async run(launch) {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        startWaiting();
      });
      const { promise: done, resolve } = Promise.withResolvers<void>();
      const timeout = setTimeout(resolve, LOAD_TIMEOUT_MS).unref();
      void done.then(finishOne);
      const end = () => {
        clearTimeout(timeout);
        resolve();
      };
      const thread = launch();
      thread.then(({ ready }) => ready).then(end, end);
      return thread;
    },
    lift() {
      isOpen = true;
      startWaiting();
    },
  };
}
