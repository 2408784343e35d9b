import type { Response } from "express";

/** An HTTP refusal that an MCP client can read too. It says a code, a sentence and what to do, and nothing of us. */
export function refuse(
  res: Response,
  status: number,
  message: string,
  options: { code?: number; headers?: Record<string, string> } = {},
): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  // Named when it is sent: the id of the request is not known, or not to be trusted, before its body was read.
  const error = { code: options.code ?? -32_000, message };
  res
    .status(status)
    .set(options.headers ?? {})
    .json({ jsonrpc: "2.0", id: null, error });
}

/** The one answer for a session that is not there, has ended, or is somebody else's. */
export const noSuchSession = (res: Response): void =>
  refuse(res, 404, "Session not found; open a new one with initialize.", { code: -32_001 });
