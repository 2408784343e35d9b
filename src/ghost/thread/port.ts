import type { MessagePort } from "node:worker_threads";
import { NightshiftError } from "../../errors.ts";
import {
  encode,
  type GhostRequest,
  type GhostResponses,
  type Start,
  type ToMain,
} from "../protocol/messages.ts";
import { parseResponse, parseToThread } from "../protocol/parse-thread.ts";

/** The thread's end of the port: the only way out of a ghost. */
export interface BrokerClient {
  /** Resolves with the one start message. */
  readonly started: Promise<Start>;
  /** Aborts when the main side ends the run; the reason says why. */
  readonly signal: AbortSignal;
  send(message: ToMain): void;
  /** Rejects with what the main side refused with, or the reason of `signal`. */
  request<Kind extends keyof GhostResponses>(
    request: GhostRequest & { kind: Kind },
    signal: AbortSignal,
  ): Promise<GhostResponses[Kind]>;
  close(): void;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export function openBrokerClient(port: MessagePort): BrokerClient {
  const started = Promise.withResolvers<Start>();
  const ended = new AbortController();
  const waiting = new Map<number, Waiting>();
  let lastId = 0;

  const take = (id: number) => {
    const found = waiting.get(id);
    waiting.delete(id);
    return found;
  };
  port.on("message", (data: unknown) => {
    const message = parseToThread(data);
    if (message.type === "start") started.resolve(message);
    else if (message.type === "response") take(message.id)?.resolve(message.value);
    else if (message.type === "error") take(message.id)?.reject(fromWire(message.error));
    else ended.abort(fromWire(message.error));
  });
  const send = (message: ToMain) => port.postMessage(encode(message));

  return {
    started: started.promise,
    signal: ended.signal,
    send,
    async request(request, signal) {
      signal.throwIfAborted();
      const id = ++lastId;
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      const give = () => {
        if (!waiting.delete(id)) return;
        send({ type: "cancel", id });
        reject(signal.reason);
      };
      waiting.set(id, { resolve, reject });
      signal.addEventListener("abort", give, { once: true });
      try {
        send({ type: "request", id, request });
        return parseResponse(request.kind, await promise);
      } finally {
        signal.removeEventListener("abort", give);
      }
    },
    close: () => port.close(),
  };
}

const fromWire = (error: { code: NightshiftError["code"]; message: string }) =>
  new NightshiftError(error.code, error.message);
