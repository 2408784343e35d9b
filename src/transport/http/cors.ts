import type { IncomingMessage, ServerResponse } from "node:http";

/** Any header may be sent: `*` stands for all but Authorization. */
const SENT = "Authorization, *";
const SHOWN = "Mcp-Session-Id, Nightshift-Node, WWW-Authenticate, X-Correlation-Id, Retry-After";
/** The longest time that browsers keep what a preflight was answered with. */
const KEPT_SECONDS = "7200";

/**
 * Lets pages of the request's origin, which was checked, read the response. True when the request asked only that, and
 * is answered. No cookie is read here, so credentials of that kind are not allowed.
 */
export function shareWithOrigin({ method, headers }: IncomingMessage, res: ServerResponse): boolean {
  if (headers.origin === undefined) return false;
  res.setHeader("Access-Control-Allow-Origin", headers.origin);
  res.setHeader("Vary", "Origin");
  if (method !== "OPTIONS" || headers["access-control-request-method"] === undefined) {
    res.setHeader("Access-Control-Expose-Headers", SHOWN);
    return false;
  }
  res.writeHead(204, {
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Allow-Headers": SENT,
    "Access-Control-Max-Age": KEPT_SECONDS,
  });
  res.end();
  return true;
}
