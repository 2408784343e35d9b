import { setTimeout as wait } from "node:timers/promises";
import { NightshiftError } from "../errors.ts";

/** The order in which the calls of this process's model are made, when there may be only so many a minute. */
export interface Pace {
  /**
   * Resolves when a call may be made; the calls are spread evenly. Rejects with MODEL_RATE_LIMITED where that would be
   * after `until`, in ms of `performance.now()`, and with an AbortError.
   */
  take(signal: AbortSignal, until: number): Promise<void>;
  /** Ms until a call that asked now could be made. */
  readonly waitMs: number;
  /** Ms between two calls. */
  readonly intervalMs: number;
}

/** `callsPerMinute`: 0 is no limit. */
export function createPace(callsPerMinute: number): Pace {
  const intervalMs = callsPerMinute === 0 ? 0 : 60_000 / callsPerMinute;
  let freeAt = 0;
  const waitMs = () => Math.max(0, freeAt - performance.now());
  return {
    async take(signal, until) {
      if (intervalMs === 0) return;
      const pauseMs = waitMs();
      if (performance.now() + pauseMs >= until)
        throw new NightshiftError(
          "MODEL_RATE_LIMITED",
          `This server asks its model ${callsPerMinute} times a minute at most (NIGHTSHIFT_MODEL_CALLS_PER_MINUTE), and this run's time ends before its turn.`,
          { retry_after_ms: Math.ceil(pauseMs) },
        );
      freeAt = performance.now() + pauseMs + intervalMs;
      if (pauseMs > 0) await wait(Math.ceil(pauseMs), undefined, { signal });
    },
    get waitMs() {
      return waitMs();
    },
    intervalMs,
  };
}
