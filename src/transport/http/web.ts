import type { IncomingMessage, ServerResponse } from "node:http";
import type { McpServer } from "@modelcontextprotocol/server";

// Why not the SDK's adapters for Node: they write a parsed body out again to build a Request, make two header lists for
// each call, and read an answer of one piece as a stream. Together that was a third of what a call costs.

const JSON_HEADERS = { "content-type": "application/json" };

/**
 * The request for the SDK's transports, without its body, which was read already. `whole`: for modules, whose handlers
 * may ask for any of it, and where there was no JSON, which the SDK looks for itself; else it reads the method and
 * single headers.
 */
export function toWebRequest(req: IncomingMessage, signal: AbortSignal, whole: boolean): Request {
  const { method = "", headers } = req;
  if (whole)
    return new Request("http://localhost/mcp", {
      method,
      headers: headers as Record<string, string>,
      signal,
    });
  const get = (name: string) => headers[name.toLowerCase()] ?? null;
  return { method, signal, headers: { get } } as unknown as Request;
}

/** Sends one answer in one piece, a stream as it comes. Ends the stream when the client goes away. */
export async function sendResponse(response: Response, res: ServerResponse): Promise<void> {
  const headers = Object.fromEntries(response.headers);
  if (response.body && headers["content-type"]?.startsWith("text/event-stream"))
    return sendStream(response.status, headers, response.body, res);
  sendWhole(response.status, headers, await response.text(), res);
}

/**
 * Lets the one result of a request go out as it is, where nothing was said before it: the SDK would make a Response of
 * it, which is encoded, copied and decoded again. Errors, whose status is the SDK's to choose, and streams are left to it.
 */
export function answerDirectly({ server }: McpServer, res: ServerResponse): void {
  const connect = server.connect.bind(server);
  server.connect = (transport) => {
    const send = transport.send.bind(transport);
    let isTheirs = false;
    transport.send = async (message, options) => {
      isTheirs ||= !("result" in message);
      if (isTheirs) return send(message, options);
      sendWhole(200, JSON_HEADERS, JSON.stringify(message), res);
      queueMicrotask(() => void transport.close());
    };
    return connect(transport);
  };
}

/** With its length and in one string, head and body leave in one write. */
function sendWhole(status: number, headers: Record<string, string>, text: string, res: ServerResponse): void {
  const length = Buffer.byteLength(text);
  res.writeHead(status, length > 0 ? { ...headers, "content-length": length } : headers).end(text);
}

/**
 * What comes before the event loop turns leaves together; a stream that is over by then, as most answers of the 2025 era
 * are, leaves whole.
 */
async function sendStream(
  status: number,
  headers: Record<string, string>,
  body: ReadableStream<Uint8Array>,
  res: ServerResponse,
): Promise<void> {
  const reader = body.getReader();
  const drop = () => void reader.cancel().catch(() => {});
  res.once("close", drop);
  let waiting: Uint8Array[] = [];
  let isOver = false;
  let isDue = true;
  const flush = () => {
    isDue = false;
    const piece = Buffer.concat(waiting);
    waiting = [];
    if (isOver && !res.headersSent) return sendWhole(status, headers, piece.toString(), res);
    // A stream may have nothing to say for a long time: its head goes ahead.
    if (!res.headersSent) res.writeHead(status, headers).flushHeaders();
    if (piece.length > 0) res.write(piece);
    if (isOver) res.end();
  };
  process.nextTick(flush);
  while (!isOver) {
    const { done, value } = await reader.read();
    isOver = done;
    if (value) waiting.push(value);
    if (!isDue) process.nextTick(flush);
    isDue = true;
    if (res.writableNeedDrain) await drained(res);
  }
  res.off("close", drop);
}

/** Resolves when there is room for more, or nobody to send it to. Leaves no listener behind, however often it waits. */
async function drained(res: ServerResponse): Promise<void> {
  if (res.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  res.once("drain", resolve).once("close", resolve);
  await promise;
  res.off("drain", resolve).off("close", resolve);
}
