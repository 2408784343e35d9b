import type { ServerResponse } from "node:http";
import type { RequestId } from "@modelcontextprotocol/server";
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import type { Config } from "../../config.ts";
import { watchResponses } from "../../connection/sdk-patches.ts";

/** Something one principal has at once, counted. */
export type Counted = "calls" | "sessions" | "subscriptions";

export interface CallerLimits {
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
): CallerLimits {
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

/** The parts of an authorized request that say what it has taken of its principal's calls. */
export interface RetainableRequest {
  /** Parsed; undefined where there was no JSON. */
  readonly body: unknown;
  readonly res: ServerResponse;
  /**
   * Takes over what this request has taken of its principal's limits; otherwise it is released when the response ends.
   * Undefined when nothing was taken.
   */
  readonly retain: (() => () => void) | undefined;
}

/** The calls of one session that are at work, whether or not anybody still listens for their answers. */
export interface InFlightCalls {
  /**
   * Keeps what this request took of its principal's calls until each of its messages is answered or cancelled, or the
   * session ends: on the 2025 era a call outlives the response that it came with.
   */
  retain(authorized: RetainableRequest): void;
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
  // More than one where a careless client uses an id again.
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
        // Refused before it came to a call: nobody will answer it.
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
