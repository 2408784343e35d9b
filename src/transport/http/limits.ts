import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import type { Config } from "../../config.ts";

/** Something one principal has at once, counted. */
export type Counted = "calls" | "sessions" | "subscriptions";

export interface Limits {
  /** Seconds until the principal may call again; undefined when it may now. */
  pace(userKey: string): Promise<number | undefined>;
  /** Takes one of what is counted; returns what gives it back, or undefined when the principal has its most. */
  take(what: Counted, userKey: string): (() => void) | undefined;
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
    async pace(userKey) {
      if (!limiter) return undefined;
      try {
        await limiter.consume(userKey);
        return undefined;
      } catch (refusal) {
        if (!(refusal instanceof RateLimiterRes)) throw refusal;
        return Math.max(1, Math.ceil(refusal.msBeforeNext / 1000));
      }
    },
    take(what, userKey) {
      const own = counts[what];
      const count = own.get(userKey) ?? 0;
      if (count >= most[what]) return undefined;
      own.set(userKey, count + 1);
      totals[what] += 1;
      let isBack = false;
      return () => {
        if (isBack) return;
        isBack = true;
        totals[what] -= 1;
        const left = (own.get(userKey) ?? 1) - 1;
        if (left > 0) own.set(userKey, left);
        else own.delete(userKey);
      };
    },
    total: (what) => totals[what],
  };
}
