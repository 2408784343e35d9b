import type { Readable, Writable } from "node:stream";
import {
  isJSONRPCNotification,
  isJSONRPCRequest,
  type JSONRPCMessage,
  type JSONRPCRequest,
  PROTOCOL_VERSION_META_KEY,
  type RequestId,
  STDIO_DEFAULT_MAX_BUFFER_SIZE,
  type Transport,
  UnsupportedProtocolVersionError,
} from "@modelcontextprotocol/server";
import { collectBytes } from "./bytes.ts";
import { BYTE_ORDER_MARK, idIn, isMessage, MODERN, NOT_JSON_RPC } from "./frames.ts";

const NEWLINE = 0x0a;

/**
 * JSON-RPC messages as lines of `stdin` and `stdout`. Unlike the SDK's transport it answers a line that is JSON and no
 * message, refuses a request of an unknown revision at any time, and lets the requests that came before the end of
 * `stdin` finish, for at most `finishMs`.
 */
export function openLines(stdin: Readable, stdout: Writable, finishMs: number): Transport {
  const line = collectBytes(STDIO_DEFAULT_MAX_BUFFER_SIZE);
  const unanswered = new Set<RequestId>();
  let deadline: NodeJS.Timeout | undefined;
  let hasEnded = false;
  let isClosed = false;

  const transport: Transport = {
    async start() {
      stdin.on("data", read).once("end", finish).once("close", finish).on("error", fail);
      stdout.on("error", fail);
      if (stdin.readableEnded || stdin.destroyed) setImmediate(finish);
    },
    async send(message) {
      if (isClosed) throw new Error("stdout is closed");
      await write(message);
      if ("id" in message && !("method" in message)) answered(message.id);
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      clearTimeout(deadline);
      stdin.off("data", read).off("end", finish).off("close", finish).pause();
      transport.onclose?.();
    },
  };
  const close = () => void transport.close();
  const fail = (error: Error) => {
    if (isClosed) return;
    transport.onerror?.(error);
    close();
  };
  let waiting = "";
  let written: Promise<void> | undefined;
  /** Messages of the same turn leave together. */
  const write = (message: object): Promise<void> => {
    waiting += `${JSON.stringify(message)}\n`;
    written ??= new Promise<void>((resolve, reject) => {
      process.nextTick(() => {
        const text = waiting;
        waiting = "";
        written = undefined;
        stdout.write(text, (error) => (error ? reject(error) : resolve()));
      });
    });
    return written;
  };
  const answered = (id: RequestId | undefined) => {
    if (id !== undefined) unanswered.delete(id);
    if (hasEnded && unanswered.size === 0) close();
  };
  const finish = () => {
    if (hasEnded) return;
    hasEnded = true;
    readLine();
    deadline = setTimeout(close, finishMs);
    answered(undefined);
  };
  const refuse = (id: RequestId | null, error: { code: number; message: string; data?: unknown }) => {
    const { code, message, data } = error;
    write({ jsonrpc: "2.0", id, error: { code, message, ...(data !== undefined && { data }) } }).catch(
      () => {},
    );
  };

  const receive = (value: unknown) => {
    if (!isMessage(value)) return refuse(idIn(value), { code: -32_600, message: NOT_JSON_RPC });
    if (isJSONRPCRequest(value)) {
      const unsupported = revisionProblem(value);
      if (unsupported) return refuse(value.id, unsupported);
      // The answer of this one is the end of the stream.
      if (value.method !== "subscriptions/listen") unanswered.add(value.id);
    }
    if (isJSONRPCNotification(value) && value.method === "notifications/cancelled")
      answered(value.params?.requestId as RequestId | undefined);
    transport.onmessage?.(value as JSONRPCMessage);
  };
  const readLine = () => {
    const value = parse(line.take().toString());
    if (value !== undefined) receive(value);
  };
  const read = (chunk: Buffer) => {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      if (!add(chunk.subarray(start, end))) return;
      start = end + 1;
      readLine();
    }
    add(chunk.subarray(start));
  };
  const add = (piece: Buffer): boolean => {
    const isAdded = line.add(piece) === "added";
    if (!isAdded) fail(new Error(`a line has more than ${STDIO_DEFAULT_MAX_BUFFER_SIZE} bytes`));
    return isAdded;
  };
  return transport;
}

/** Undefined for a line that is no JSON: something else was written to this pipe. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text);
  } catch {
    return undefined;
  }
}

/** The error for a request that names a revision which this server does not have. The SDK looks at the first one alone. */
function revisionProblem({ params }: JSONRPCRequest): UnsupportedProtocolVersionError | undefined {
  const requested = params?._meta?.[PROTOCOL_VERSION_META_KEY];
  return typeof requested === "string" && requested !== MODERN
    ? new UnsupportedProtocolVersionError({ supported: [MODERN], requested })
    : undefined;
}
