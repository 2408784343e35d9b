import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { NightshiftError } from "../errors.ts";
import type { RunError, TranscriptStep, Usage } from "../jobs/run.ts";
import {
  encode,
  type Start,
  type Step,
  type ThreadOutcome,
  type ToMain,
  type ToThread,
  toWire,
} from "./protocol/messages.ts";
import { parseToMain } from "./protocol/parse-main.ts";
import { openRequestHandler, type RequestHandlerOptions } from "./requests.ts";

/** What one port is good for. The port says whose ghost it is; no message names one. */
export interface BrokerOptions extends Omit<RequestHandlerOptions, "reply"> {
  readonly port: MessagePort;
  readonly onStep: (step: TranscriptStep) => void;
}

/** The main side of one ghost: serves it, records it, and takes nothing it says on trust. */
export interface Broker {
  start(message: Start): void;
  /** Tells the ghost to stop, and stops what is being done for it. */
  cancel(reason: RunError): void;
  /** Resolves with the thread's own outcome, or with why it must be ended: it broke the rules of the port. */
  readonly outcome: Promise<ThreadOutcome>;
  /** Takes what is still in the port, the last words of a thread that is gone; the outcome if it is there. */
  drain(): ThreadOutcome | undefined;
  readonly transcript: readonly TranscriptStep[];
  readonly usage: Usage;
  /** Nothing is served or recorded from here on. */
  close(): void;
}

export function openBroker({ port, onStep, ...options }: BrokerOptions): Broker {
  const transcript: TranscriptStep[] = [];
  const { promise: outcome, resolve } = Promise.withResolvers<ThreadOutcome>();
  const rateLimit = createRateLimit();
  let reported: ThreadOutcome | undefined;
  let isOpen = true;

  const send = (message: ToThread) => {
    if (isOpen) port.postMessage(encode(message));
  };
  const requests = openRequestHandler({ ...options, reply: send });
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
  const terminate = (what: string) => {
    close();
    finish(crashed(`The ghost was ended: ${what}.`));
  };
  const record = (step: Step) => {
    const numbered = { step: transcript.length + 1, ...step };
    transcript.push(numbered);
    onStep(numbered);
  };
  const handle = (message: ToMain) => {
    if (message.type === "step") record(message.step);
    else if (message.type === "outcome") finish(message);
    else if (message.type === "cancel") requests.cancel(message.id, cancelledByGhost());
    else if (message.type === "failure")
      options.log.error({ tool: message.tool, error: message.error }, "a ghost's tool failed");
    else if (message.type === "request" && !requests.handle(message.id, message.request))
      terminate("it asked too many things at once");
  };
  const receive = (data: unknown) => {
    if (!isOpen) return;
    const chars = typeof data === "string" ? data.length : 0;
    if (!rateLimit.allow(chars)) return terminate("it sent more messages than a ghost may");
    const message = parseToMain(data);
    if (message) handle(message);
    else terminate("it sent something that is not one of a ghost's messages");
  };
  port.on("message", receive);

  return {
    start: send,
    cancel(reason) {
      requests.cancelAll(new NightshiftError(reason.code, reason.message));
      send({ type: "cancel", error: toWire(reason) });
    },
    outcome,
    drain() {
      let left = receiveMessageOnPort(port);
      for (; left && isOpen; left = receiveMessageOnPort(port)) receive(left.message);
      return reported;
    },
    transcript,
    get usage() {
      return requests.usage;
    },
    close,
  };
}

const crashed = (message: string): ThreadOutcome => ({
  type: "outcome",
  status: "failed",
  output: null,
  error: { code: "GHOST_CRASHED", message },
});

const cancelledByGhost = () => new NightshiftError("CANCELLED", "The ghost withdrew its question.");

/** What a thread may send in one burst, what it may send each second on top, and how long its record may get. */
const BURST = 3_000;
const PER_SECOND = 300;
const MAX_CHARS_IN_ALL = 64_000_000;

/** Counts what a thread sends: an honest ghost stays far below, a flood is stopped at its beginning. */
export function createRateLimit(now: () => number = () => performance.now()) {
  let selection = BURST;
  let last = now();
  let chars = 0;
  return {
    /** False when this message is one too many. */
    allow(messageChars: number): boolean {
      const at = now();
      selection = Math.min(BURST, selection + ((at - last) / 1_000) * PER_SECOND) - 1;
      last = at;
      chars += messageChars;
      return selection >= 0 && chars <= MAX_CHARS_IN_ALL;
    },
  };
}
