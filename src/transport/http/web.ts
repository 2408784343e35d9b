import type { IncomingMessage, ServerResponse } from "node:http";
import { headersOnlyRequest } from "../../connection/sdk-patches.ts";
import { sendWhole } from "./responses.ts";

// The SDK's adapters for Node serialize a parsed body again to build a Request, make two header lists for each call,
// and read a response of one piece as a stream. Together that was a third of what a call costs, so this is our own.

export const JSON_HEADERS = { "content-type": "application/json" };

/**
 * The request for the SDK's transports, without its body, which was read already. It is a real Request (`whole`) for
 * users' modules, whose handlers may read any part of it, and where there was no JSON, which the SDK looks for itself.
 */
export function toWebRequest(req: IncomingMessage, signal: AbortSignal, whole: boolean): Request {
  const { method = "", headers } = req;
  // The SDK looks for media types in lower case alone.
  headers.accept &&= headers.accept.toLowerCase();
  if (whole)
    return new Request("http://localhost/mcp", {
      method,
      headers: headers as Record<string, string>,
      signal,
    });
  return headersOnlyRequest(method, (name) => headers[name.toLowerCase()]?.toString() ?? null, signal);
}

/**
 * A client that has not read within this time what waits for it counts as gone. Until then whatever else is sent to it
 * waits in memory.
 */
const UNREAD_MS = 60_000;

/**
 * Sends a whole body in one write, and a stream as it comes. Cancels the stream when the client goes away, or does not
 * read for `unreadMs` (default 60 s).
 */
export async function sendResponse(
  response: Response,
  res: ServerResponse,
  unreadMs = UNREAD_MS,
): Promise<void> {
  const headers = Object.fromEntries(response.headers);
  if (response.body && headers["content-type"]?.startsWith("text/event-stream"))
    return sendStream(response.status, headers, response.body, res, unreadMs);
  sendWhole(res, response.status, headers, await response.text());
}

/** Sends a JSON-RPC result, which is always 200. */
export const sendResult = (result: object, res: ServerResponse): void =>
  sendWhole(res, 200, JSON_HEADERS, JSON.stringify(result));

/**
 * Pieces that come in the same tick leave together. A stream that is over within it, as most responses of the 2025 era
 * are, leaves as one body.
 */
async function sendStream(
  status: number,
  headers: Record<string, string>,
  body: ReadableStream<Uint8Array>,
  res: ServerResponse,
  unreadMs: number,
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
    if (isOver && !res.headersSent) return sendWhole(res, status, headers, piece.toString());
    // A stream may stay silent for a long time, so its head goes ahead.
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
    if (res.writableNeedDrain) await drained(res, unreadMs);
  }
  res.off("close", drop);
}

/**
 * Resolves when the socket takes more, or is closed, which it is after `unreadMs`. Leaves no listener behind, however
 * often it waits.
 */
export async function drained(res: ServerResponse, unreadMs = UNREAD_MS): Promise<void> {
  if (res.destroyed) return;
  const timer = setTimeout(() => res.destroy(), unreadMs);
  const { promise, resolve } = Promise.withResolvers<void>();
  res.once("drain", resolve).once("close", resolve);
  await promise;
  clearTimeout(timer);
  res.off("drain", resolve).off("close", resolve);
}
