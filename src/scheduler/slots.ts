import type { NightshiftError } from "../errors.ts";
import type { Claimed } from "../store/run-queue.ts";

/** The runs that this process runs now, at most `max` at once. */
export interface Slots {
  readonly free: number;
  /** Ids of the running runs. */
  readonly running: readonly string[];
  /** The number of running runs of each user who has any. */
  readonly byUser: ReadonlyMap<string, number>;
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
  const inFlight = new Map<string, { userKey: string; stop: AbortController; done: Promise<unknown> }>();
  return {
    get free() {
      return options.max - inFlight.size;
    },
    get running() {
      return [...inFlight.keys()];
    },
    get byUser() {
      const held = new Map<string, number>();
      for (const { userKey } of inFlight.values()) held.set(userKey, (held.get(userKey) ?? 0) + 1);
      return held;
    },
    start(claimed) {
      const { runId, userKey } = claimed.run;
      const stop = new AbortController();
      const done = options.run(claimed, stop.signal).finally(() => {
        inFlight.delete(runId);
        options.onFree();
      });
      inFlight.set(runId, { userKey, stop, done });
    },
    stop(runId, reason) {
      inFlight.get(runId)?.stop.abort(reason);
    },
    async idle() {
      while (inFlight.size > 0) await Promise.allSettled([...inFlight.values()].map(({ done }) => done));
    },
  };
}
