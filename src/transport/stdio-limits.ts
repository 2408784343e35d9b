import {
  isJSONRPCRequest,
  type JSONRPCMessage,
  type RequestId,
  type Transport,
} from "@modelcontextprotocol/server";
import type { Config } from "../config.ts";
import { lengthProblem } from "../connection/lengths.ts";

export interface StdioLimits extends Pick<Config, "maxCallsAtOnce" | "maxSubscriptions" | "maxJsonDepth"> {
  /** Calls that are over and whose work goes on. */
  readonly unfinished: () => number;
}

const INVALID_REQUEST = -32_600;
const TOO_MANY = -32_000;
/** Values in one message, as in the body of an HTTP request. */
const MAX_VALUES = 100_000;

/**
 * The same transport with the limits that a request over HTTP has: lengths of what is kept, the depth of its JSON, and
 * the number of open calls and streams. What is over is answered with an error and reaches no server.
 */
export function limitMessages(inner: Transport, limits: StdioLimits): Transport {
  const calls = new Set<RequestId>();
  const streams = new Set<RequestId>();
  const close = (id: unknown) => {
    calls.delete(id as RequestId);
    streams.delete(id as RequestId);
  };
  const problemOf = (message: JSONRPCMessage): { code: number; message: string } | undefined => {
    if (!isWithin(message, limits.maxJsonDepth))
      return {
        code: INVALID_REQUEST,
        message: "The JSON of this message is too deep or has too many values.",
      };
    const tooLong = lengthProblem(message);
    if (tooLong) return { code: INVALID_REQUEST, message: tooLong };
    if (!isJSONRPCRequest(message)) return undefined;
    if (message.method === "subscriptions/listen") {
      if (streams.size >= limits.maxSubscriptions)
        return { code: TOO_MANY, message: "You have too many open streams; close one first." };
      streams.add(message.id);
      return undefined;
    }
    if (calls.size + limits.unfinished() >= limits.maxCallsAtOnce)
      return { code: TOO_MANY, message: "You have too many calls at work; wait for one to end." };
    calls.add(message.id);
    return undefined;
  };

  const limited: Transport = {
    start: () => inner.start(),
    close: () => inner.close(),
    send(message, options) {
      if ("id" in message && !("method" in message)) close(message.id);
      return inner.send(message, options);
    },
  };
  inner.onmessage = (message, extra) => {
    const error = problemOf(message);
    if (!error) {
      // A request that was cancelled gets no answer.
      if ("method" in message && message.method === "notifications/cancelled")
        close(message.params?.requestId);
      limited.onmessage?.(message, extra);
      return;
    }
    limited.onerror?.(new Error(error.message));
    if (isJSONRPCRequest(message)) inner.send({ jsonrpc: "2.0", id: message.id, error }).catch(() => {});
  };
  inner.onerror = (error) => limited.onerror?.(error);
  inner.onclose = () => limited.onclose?.();
  return limited;
}

/** False for a value that is nested too deep or has too many values in it. */
function isWithin(value: unknown, maxDepth: number): boolean {
  let values = 0;
  let level = [value];
  for (let depth = 0; level.length > 0; depth++) {
    const next = level.flatMap((one) => (typeof one === "object" && one !== null ? Object.values(one) : []));
    values += next.length;
    if (values > MAX_VALUES || (depth >= maxDepth && next.length > 0)) return false;
    level = next;
  }
  return true;
}
