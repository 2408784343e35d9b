import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import type { Config } from "../../config.ts";

/** Something one principal has at once, counted. */
export type Counted = "calls" | "sessions" | "subscriptions";

export interface Limits {
  /** Seconds until the principal may make so many calls again (default one); undefined when it may now. */
  pace(userKey: string, calls?: number): Promise<number | undefined>;
  /** Takes some of what is counted (default one); returns what gives it back, or undefined when that is too many. */
  take(what: Counted, userKey: string, amount?: number): (() => void) | undefined;
  /** For metrics: how many there are of all principals. */
  total(what: Counted): number;
}

/** Per principal, so that one at its limits changes nothing for another. What nobody uses takes no memory. */
export function createLimits(
  config: Pick<Config, "callsPerSecond" | "maxCallsAtOnce" | "maxSessions" | "maxSubscriptions">,
): Limits {
  const limiter =
    config.callsPerSecond > 0
      ? new RateLimiterMemory({ points: config.callsPerSecond, duration: 1 })
      : undefined;
  const most: Record<Counted, number> = {
    calls: config.maxCallsAtOnce,
    sessions: config.maxSessions,
    subscriptions: config.maxSubscriptions,
  };
  const counts: Record<Counted, Map<string, number>> = {
    calls: new Map(),
    sessions: new Map(),
    subscriptions: new Map(),
  };
  const totals: Record<Counted, number> = { calls: 0, sessions: 0, subscriptions: 0 };
  return {
    async pace(userKey, calls = 1) {
      if (!limiter) return undefined;
      try {
        await limiter.consume(userKey, calls);
        return undefined;
      } catch (rejection) {
        if (!(rejection instanceof RateLimiterRes)) throw rejection;
        return Math.max(1, Math.ceil(rejection.msBeforeNext / 1000));
      }
    },
    take(what, userKey, amount = 1) {
      const own = counts[what];
      const count = own.get(userKey) ?? 0;
      if (count + amount > most[what]) return undefined;
      own.set(userKey, count + amount);
      totals[what] += amount;
      let isBack = false;
      return () => {
        if (isBack) return;
        isBack = true;
        totals[what] -= amount;
        const left = (own.get(userKey) ?? amount) - amount;
        if (left > 0) own.set(userKey, left);
        else own.delete(userKey);
      };
    },
    total: (what) => totals[what],
  };
}
