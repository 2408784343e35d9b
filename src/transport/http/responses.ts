import type { ServerResponse } from "node:http";
import type { RequestId } from "@modelcontextprotocol/server";
import { idIn, isMessage, NOT_JSON_RPC } from "../frames.ts";

export interface RefuseOptions {
  /** JSON-RPC's; default -32000. */
  readonly code?: number;
  readonly headers?: Record<string, string>;
  /** The id of the JSON-RPC message that is refused; default null, for before the body was read it is not known. */
  readonly id?: RequestId | null;
}

const correlationIds = new WeakMap<ServerResponse, string>();

/** The id that a refused caller was told, for the log; undefined where nobody was refused. */
export const correlationIdOf = (res: ServerResponse): string | undefined => correlationIds.get(res);

/** Sends a whole body. With a length and the body as one string, head and body leave in one write. */
export function sendWhole(
  res: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  text: string,
): void {
  const length = Buffer.byteLength(text);
  res.writeHead(status, length > 0 ? { ...headers, "content-length": length } : headers).end(text);
}

const JSON_TYPE = "application/json; charset=utf-8";

export const sendJson = (
  res: ServerResponse,
  status: number,
  value: object,
  headers: Readonly<Record<string, string>> = {},
): void => sendWhole(res, status, { ...headers, "content-type": JSON_TYPE }, JSON.stringify(value));

/**
 * Refuses a request over HTTP, in a form that an MCP client can read too: a code, and a sentence that says what to do
 * and nothing about this server's inside. A header has the id under which the log knows the error.
 */
export function refuse(
  res: ServerResponse,
  status: number,
  message: string,
  options: RefuseOptions = {},
): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const correlationId = crypto.randomUUID();
  correlationIds.set(res, correlationId);
  const error = { code: options.code ?? -32_000, message };
  const headers = { ...options.headers, "x-correlation-id": correlationId };
  sendJson(res, status, { jsonrpc: "2.0", id: options.id ?? null, error }, headers);
}

/** Refuses a body that has anything else than JSON-RPC messages. True when it did. */
export function refuseInvalid({ res, body }: { res: ServerResponse; body: unknown }): boolean {
  const messages = Array.isArray(body) && body.length > 0 ? body : [body];
  const at = body === undefined ? -1 : messages.findIndex((message) => !isMessage(message));
  if (at < 0) return false;
  refuse(res, 400, NOT_JSON_RPC, { code: -32_600, id: idIn(messages[at]) });
  return true;
}

/** The one response for a session that does not exist, has ended, or is somebody else's. */
export const noSuchSession = (res: ServerResponse): void =>
  refuse(res, 404, "Session not found; open a new one with initialize.", { code: -32_001 });

/** Names only the node that is in the caller's own session id, so it does not tell whether there is such a session. */
export const sessionElsewhere = (res: ServerResponse, node: string): void =>
  refuse(
    res,
    404,
    `This session's id is of node ${node}, and this is another node. Route requests by the node that their session names, or open a new session with initialize.`,
    { code: -32_001 },
  );

export function askToWait(res: ServerResponse, seconds: number): void {
  refuse(res, 429, `Too many calls; try again in ${seconds} s.`, {
    headers: { "Retry-After": String(seconds) },
  });
}
