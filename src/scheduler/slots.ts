import type { NightshiftError } from "../errors.ts";
import type { Claimed } from "../store/run-queue.ts";

/** The runs that this process runs now, at most `max` at once. */
export interface Slots {
  readonly free: number;
  /** Ids of the running runs. */
  readonly running: readonly string[];
  /** Starts a claimed run; `onFree` is called when it has ended. */
  start(claimed: Claimed): void;
  /** Tells a run to stop, for `reason`. Does nothing when it is not running here. */
  stop(runId: string, reason: NightshiftError): void;
  /** Resolves when nothing is running. */
  idle(): Promise<void>;
}

export function openSlots(options: {
  readonly max: number;
  readonly run: (claimed: Claimed, signal: AbortSignal) => Promise<unknown>;
  readonly onFree: () => void;
}): Slots {
  const inFlight = new Map<string, { stop: AbortController; done: Promise<unknown> }>();
  return {
    get free() {
      return options.max - inFlight.size;
    },
    get running() {
      return [...inFlight.keys()];
    },
    start(claimed) {
      const { runId } = claimed.run;
      const stop = new AbortController();
      const done = options.run(claimed, stop.signal).finally(() => {
        inFlight.delete(runId);
        options.onFree();
      });
      inFlight.set(runId, { stop, done });
    },
    stop(runId, reason) {
      inFlight.get(runId)?.stop.abort(reason);
    },
    async idle() {
      while (inFlight.size > 0) await Promise.allSettled([...inFlight.values()].map(({ done }) => done));
    },
  };
}
