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

/** The thread's end of the port, which is the only way out of a ghost. */
export interface BrokerClient {
  /** Resolves with the start message, of which there is one. */
  readonly started: Promise<Start>;
  /** Aborts when the main side ends the run, with its reason. */
  readonly signal: AbortSignal;
  send(message: ToMain): void;
  /** Rejects with the main side's error, or with the reason of `signal`. */
  request<Kind extends keyof GhostResponses>(
    request: GhostRequest & { kind: Kind },
    signal: AbortSignal,
  ): Promise<GhostResponses[Kind]>;
  close(): void;
}

interface OpenRequest {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export function openBrokerClient(port: MessagePort): BrokerClient {
  const started = Promise.withResolvers<Start>();
  const ended = new AbortController();
  const open = new Map<number, OpenRequest>();
  let lastId = 0;

  const take = (id: number) => {
    const found = open.get(id);
    open.delete(id);
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
      const cancel = () => {
        if (!open.delete(id)) return;
        send({ type: "cancel", id });
        reject(signal.reason);
      };
      open.set(id, { resolve, reject });
      signal.addEventListener("abort", cancel, { once: true });
      try {
        send({ type: "request", id, request });
        return parseResponse(request.kind, await promise);
      } finally {
        signal.removeEventListener("abort", cancel);
      }
    },
    close: () => port.close(),
  };
}

const fromWire = (error: { code: NightshiftError["code"]; message: string }) =>
  new NightshiftError(error.code, error.message);
