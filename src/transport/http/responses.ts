import type { ServerResponse } from "node:http";

export interface RefuseOptions {
  /** JSON-RPC's; default -32000. */
  readonly code?: number;
  readonly headers?: Record<string, string>;
}

const correlationIds = new WeakMap<ServerResponse, string>();

/** The id that a refused caller was told, for the log; undefined for whoever was not refused. */
export const correlationIdOf = (res: ServerResponse): string | undefined => correlationIds.get(res);

/**
 * An HTTP refusal that an MCP client can read too. It says a code, a sentence and what to do, and nothing of
 * us; a header has the id by which the log knows it.
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
  // No id is echoed: it is not known, or not to be trusted, before the body was read.
  const correlationId = crypto.randomUUID();
  correlationIds.set(res, correlationId);
  const error = { code: options.code ?? -32_000, message };
  const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: null, error }));
  res.writeHead(status, {
    ...options.headers,
    "content-type": "application/json; charset=utf-8",
    "content-length": body.length,
    "x-correlation-id": correlationId,
  });
  res.end(body);
}

/** The one answer for a session that is not there, has ended, or is somebody else's. */
export const noSuchSession = (res: ServerResponse): void =>
  refuse(res, 404, "Session not found; open a new one with initialize.", { code: -32_001 });

/** The node is the one that the caller's own id names: this says nothing about the session, nor whether there is one. */
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
