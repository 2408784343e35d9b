import type { RequestId } from "@modelcontextprotocol/server";
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import type { Config } from "../../config.ts";
import { watchResponses } from "../../connection/sdk-patches.ts";
import type { AuthorizedRequest } from "./auth.ts";

/** Things of which one principal may have only so many at once. */
type Counted = "bodies" | "calls" | "sessions" | "subscriptions";

export interface CallerLimits {
  /** Seconds until the principal may make so many calls again (default one); undefined when it may now. */
  pace(userKey: string, calls?: number): Promise<number | undefined>;
  /** Takes `amount` (default 1) of a limit. Returns a function that gives it back; undefined if that is too many. */
  take(what: Counted, userKey: string, amount?: number): (() => void) | undefined;
  /** The number of all principals together, for metrics. */
  total(what: Counted): number;
}

/**
 * Limits per principal, so that one at its limits does not slow down another. Idle principals take no memory. Calls
 * that are over count until their work has ended (`unfinished`): else one principal could start any number, by leaving.
 */
export function createLimits(
  config: Pick<Config, "callsPerSecond" | "maxCallsAtOnce" | "maxSessions" | "maxSubscriptions">,
  unfinished: (userKey: string) => number,
): CallerLimits {
  const limiter =
    config.callsPerSecond > 0
      ? new RateLimiterMemory({ points: config.callsPerSecond, duration: 1 })
      : undefined;
  const most: Record<Counted, number> = {
    bodies: config.maxCallsAtOnce,
    calls: config.maxCallsAtOnce,
    sessions: config.maxSessions,
    subscriptions: config.maxSubscriptions,
  };
  const counts: Record<Counted, Map<string, number>> = {
    bodies: new Map(),
    calls: new Map(),
    sessions: new Map(),
    subscriptions: new Map(),
  };
  const totals: Record<Counted, number> = { bodies: 0, calls: 0, sessions: 0, subscriptions: 0 };
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
      const left = what === "calls" ? unfinished(userKey) : 0;
      if (count + left + amount > most[what]) return undefined;
      own.set(userKey, count + amount);
      totals[what] += amount;
      let isBack = false;
      return () => {
        if (isBack) return;
        isBack = true;
        totals[what] -= amount;
        const rest = (own.get(userKey) ?? amount) - amount;
        if (rest > 0) own.set(userKey, rest);
        else own.delete(userKey);
      };
    },
    total: (what) => totals[what],
  };
}

/** The calls of one session that are running, whether or not a client still waits for their responses. */
export interface InFlightCalls {
  /**
   * Keeps the calls that this request took of its principal's limit until each of its messages is answered or
   * cancelled, or the session ends: in the 2025 era a call may outlive the HTTP response of its request.
   */
  retain(authorized: AuthorizedRequest): void;
  readonly size: number;
  end(): void;
}

interface JsonRpcMessage {
  readonly id?: RequestId;
  readonly method?: string;
  readonly params?: { readonly requestId?: RequestId };
}

const messagesIn = (body: unknown): JsonRpcMessage[] =>
  (Array.isArray(body) ? body : [body]).filter((message) => typeof message === "object" && message !== null);

/** The ids of the calls in a body: what is not a notification or an answer. */
export const callsIn = (body: unknown): RequestId[] =>
  messagesIn(body).flatMap(({ id, method }) => (id !== undefined && method !== undefined ? [id] : []));

/** Tracks the calls that are answered through `transport`. */
export function trackCalls(transport: Parameters<typeof watchResponses>[0]): InFlightCalls {
  // An array, because a careless client may use an id twice.
  const held = new Map<RequestId, (() => void)[]>();
  const releaseCall = (id: RequestId) => {
    const waiting = held.get(id);
    waiting?.shift()?.();
    if (waiting?.length === 0) held.delete(id);
  };
  watchResponses(transport, releaseCall);
  return {
    retain({ body, res, retain }) {
      const ids = callsIn(body);
      for (const { method, params } of messagesIn(body))
        if (method === "notifications/cancelled" && params?.requestId !== undefined)
          releaseCall(params.requestId);
      if (ids.length === 0 || !retain) return;
      const release = retain();
      let left = ids.length;
      const releaseOne = () => {
        left -= 1;
        if (left === 0) release();
      };
      for (const id of ids) held.set(id, [...(held.get(id) ?? []), releaseOne]);
      res.once("close", () => {
        // A refused request never became a call, so no response will release it.
        if (res.statusCode >= 400) ids.forEach(releaseCall);
      });
    },
    get size() {
      return held.size;
    },
    end() {
      for (const waiting of held.values()) for (const releaseOne of waiting) releaseOne();
      held.clear();
    },
  };
}
