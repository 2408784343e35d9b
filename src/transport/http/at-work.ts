import type { AuthorizedRequest } from "./authorize.ts";

type RequestId = string | number;

/** The calls of one session that are at work, whether or not anybody still listens for their answers. */
export interface InFlightCalls {
  /**
   * Keeps what this request took of its principal's calls until each of its messages is answered or cancelled, or the
   * session ends: on the 2025 era a call outlives the response that it came with.
   */
  retain(authorized: AuthorizedRequest): void;
  readonly size: number;
  end(): void;
}

interface Transport {
  send(message: object, ...options: never[]): Promise<void>;
}

interface Message {
  readonly id?: RequestId;
  readonly method?: string;
  readonly params?: { readonly requestId?: RequestId };
}

const messagesIn = (body: unknown): Message[] =>
  (Array.isArray(body) ? body : [body]).filter((message) => typeof message === "object" && message !== null);

/** The ids of the calls in a body: what is not a notification or an answer. */
export const callsIn = (body: unknown): RequestId[] =>
  messagesIn(body).flatMap(({ id, method }) => (id !== undefined && method !== undefined ? [id] : []));

/** Sees every answer that goes out through `transport`. */
export function trackCalls(transport: Transport): InFlightCalls {
  // More than one where a careless client uses an id again.
  const held = new Map<RequestId, (() => void)[]>();
  const releaseCall = (id: RequestId) => {
    const waiting = held.get(id);
    waiting?.shift()?.();
    if (waiting?.length === 0) held.delete(id);
  };
  const send = transport.send.bind(transport);
  transport.send = (message: Message, ...options) => {
    if (message.id !== undefined && message.method === undefined) releaseCall(message.id);
    return send(message, ...options);
  };
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
