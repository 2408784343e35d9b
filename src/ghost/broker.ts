import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { NightshiftError } from "../errors.ts";
import type { RunError, WaitingFor } from "../jobs/run.ts";
import {
  encode,
  type Start,
  type ThreadOutcome,
  type ToMain,
  type ToThread,
  toWire,
} from "./protocol/messages.ts";
import { parseToMain } from "./protocol/parse-main.ts";
import { openRequestHandler, type RequestHandlerOptions } from "./requests.ts";

/** Fixed when the port is opened: no message of the thread can name another job or user. */
export interface BrokerOptions extends Omit<RequestHandlerOptions, "reply" | "onWait"> {
  readonly port: MessagePort;
}

/** The main side of one ghost: it serves the thread's requests, records its steps, and validates each message. */
export interface Broker {
  start(message: Start): void;
  /** Tells the thread to stop, and cancels its open requests. */
  cancel(reason: RunError): void;
  /** Resolves with the outcome that the thread reported, or with a failure when the thread broke the rules of the port. */
  readonly outcome: Promise<ThreadOutcome>;
  /** Resolves when the run begins to wait for its owner or for a time. */
  readonly waiting: Promise<WaitingFor>;
  /** Handles the messages that a thread that has ended left in the port. Returns the outcome if it was reported. */
  drain(): ThreadOutcome | undefined;
  /** Serves and records nothing from here on. */
  close(): void;
}

export function openBroker({ port, ...options }: BrokerOptions): Broker {
  const { promise: outcome, resolve } = Promise.withResolvers<ThreadOutcome>();
  const { promise: waiting, resolve: onWait } = Promise.withResolvers<WaitingFor>();
  const rateLimit = createRateLimit();
  let reported: ThreadOutcome | undefined;
  let isOpen = true;

  const send = (message: ToThread) => {
    if (isOpen) port.postMessage(encode(message));
  };
  const requests = openRequestHandler({ ...options, reply: send, onWait });
  const close = () => {
    isOpen = false;
    requests.cancelAll(new NightshiftError("CANCELLED", "The run has ended."));
    port.off("message", receive);
    port.close();
  };
  const finish = (end: ThreadOutcome) => {
    reported ??= end;
    resolve(reported);
  };
  /** The rule of the port that the message breaks; undefined when it was served. */
  const handle = (message: ToMain): string | undefined => {
    if (message.type === "step") return requests.record(message);
    if (message.type === "outcome") finish(message);
    else if (message.type === "cancel") requests.cancel(message.id, cancelledByGhost());
    else if (message.type === "failure")
      options.log.error({ tool: message.tool, error: message.error }, "a ghost's tool failed");
    else if (message.type === "request" && !requests.handle(message.id, message.request))
      return "it asked too many things at once";
    return undefined;
  };
  const receive = (data: unknown) => {
    if (!isOpen) return;
    const message = checkMessage(data, rateLimit);
    const broken = typeof message === "string" ? message : handle(message);
    if (broken === undefined) return;
    close();
    finish(crashed(`The ghost was ended: ${broken}.`));
  };
  port.on("message", receive);

  return {
    start: send,
    cancel(reason) {
      requests.cancelAll(new NightshiftError(reason.code, reason.message));
      send({ type: "cancel", error: toWire(reason) });
    },
    outcome,
    waiting,
    drain() {
      let left = receiveMessageOnPort(port);
      for (; left && isOpen; left = receiveMessageOnPort(port)) receive(left.message);
      return reported;
    },
    close,
  };
}

/** One message of the thread, or the rule of the port that it breaks. */
function checkMessage(data: unknown, rateLimit: RateLimit): ToMain | string {
  const chars = typeof data === "string" ? data.length : 0;
  if (!rateLimit.allow(chars)) return "it sent more messages than a ghost may";
  return parseToMain(data) ?? "it sent something that is not one of a ghost's messages";
}

const crashed = (message: string): ThreadOutcome => ({
  type: "outcome",
  status: "failed",
  output: null,
  error: { code: "GHOST_CRASHED", message },
});

const cancelledByGhost = () => new NightshiftError("CANCELLED", "The ghost cancelled its request.");

/** Messages that a thread may send in one burst, messages that it may send each second on top, and characters in all. */
const BURST = 3_000;
const PER_SECOND = 300;
const MAX_CHARS_IN_ALL = 64_000_000;

interface RateLimit {
  /** False when this message is one too many. */
  allow(messageChars: number): boolean;
}

/** A token bucket. An honest ghost stays far below it; a flood is stopped at its beginning. */
function createRateLimit(): RateLimit {
  let tokens = BURST;
  let last = performance.now();
  let chars = 0;
  return {
    allow(messageChars) {
      const at = performance.now();
      tokens = Math.min(BURST, tokens + ((at - last) / 1_000) * PER_SECOND) - 1;
      last = at;
      chars += messageChars;
      return tokens >= 0 && chars <= MAX_CHARS_IN_ALL;
    },
  };
}
