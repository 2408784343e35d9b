import type { NightshiftError } from "../errors.ts";
import type { Claimed } from "../store/run-queue.ts";

/** The ghosts at work here, at most `max` at once. */
export interface Slots {
  readonly free: number;
  /** Ids of the runs at work. */
  readonly running: readonly string[];
  /** Starts a claimed run; `onFree` is called when it has ended. */
  fill(claimed: Claimed): void;
  /** Tells a run to end, for `reason`; nothing when it is not at work here. */
  end(runId: string, reason: NightshiftError): void;
  /** Resolves when none is at work. */
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
    fill(claimed) {
      const { runId } = claimed.run;
      const stop = new AbortController();
      const done = options.run(claimed, stop.signal).finally(() => {
        inFlight.delete(runId);
        options.onFree();
      });
      inFlight.set(runId, { stop, done });
    },
    end(runId, reason) {
      inFlight.get(runId)?.stop.abort(reason);
    },
    async idle() {
      while (inFlight.size > 0) await Promise.allSettled([...inFlight.values()].map(({ done }) => done));
    },
  };
}
