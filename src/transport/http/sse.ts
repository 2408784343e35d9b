import type { ServerResponse } from "node:http";
import { SSEServerTransport } from "@modelcontextprotocol/sdk/server/sse.js";
import { type ConnectionDeps, openConnection } from "../../connection/connection.ts";
import type { AuthInfo, AuthorizedRequest } from "./auth.ts";
import { type CallerLimits, type InFlightCalls, trackCalls } from "./limits.ts";
import { noSuchSession, refuse, refuseInvalid, sessionElsewhere } from "./responses.ts";
import { isSameCaller, NODE_HEADER, nodeOf } from "./sessions.ts";
import { drained } from "./web.ts";

/**
 * The HTTP+SSE transport of the 2024-11-05 protocol: a stream to read from, and an address to post to. The address
 * names the node that has the stream.
 */
export interface SsePair {
  stream(authorized: AuthorizedRequest): Promise<void>;
  post(authorized: AuthorizedRequest): Promise<void>;
  close(): Promise<void>;
}

/** As often as the SDK's other streams: proxies end a silent one. */
const KEEP_ALIVE_MS = 15_000;

export function createSsePair(
  connectionDeps: ConnectionDeps,
  limits: CallerLimits,
  { node, isCluster }: { node: string; isCluster: boolean },
): SsePair {
  const streams = new Map<
    string,
    { auth: AuthInfo; transport: SSEServerTransport; inFlight: InFlightCalls }
  >();
  return {
    async stream({ auth, res }) {
      const release = limits.take("sessions", auth.userKey);
      if (!release)
        return refuse(res, 429, "You have too many open sessions; close one first.", {
          headers: { "Retry-After": "5" },
        });
      const ended = new AbortController();
      const keepAlive = setInterval(() => {
        if (res.headersSent && !res.writableNeedDrain) res.write(": keepalive\n\n");
      }, KEEP_ALIVE_MS);
      res.once("close", () => {
        clearInterval(keepAlive);
        release();
        ended.abort();
      });
      res.setHeader(NODE_HEADER, node);
      res.setHeader("X-Accel-Buffering", "no");
      const transport = new SSEServerTransport(`/messages?node=${node}`, res);
      endUnread(transport, res);
      const inFlight = trackCalls(transport);
      streams.set(transport.sessionId, { auth, transport, inFlight });
      const end = () => {
        inFlight.end();
        streams.delete(transport.sessionId);
      };
      ended.signal.addEventListener("abort", end, { once: true });
      const { server } = await openConnection(connectionDeps, { ...auth, signal: ended.signal }, "legacy");
      if (ended.signal.aborted) return;
      // The old SDK's transport has the methods of the new one's, and types that differ in what is optional.
      await server.connect(transport as never);
    },
    async post(authorized) {
      if (refuseInvalid(authorized)) return;
      const { auth, req, res, body } = authorized;
      const { searchParams } = new URL(req.url ?? "", "http://localhost");
      const owner = isCluster ? nodeOf(`${searchParams.get("node") ?? node}.`) : undefined;
      if (owner !== undefined && owner !== node) return sessionElsewhere(res, owner);
      const stream = streams.get(searchParams.get("sessionId") ?? "");
      if (!stream || !isSameCaller(stream.auth, auth)) return noSuchSession(res);
      stream.inFlight.retain(authorized);
      await stream.transport.handlePostMessage(req, res, body);
    },
    async close() {
      await Promise.all([...streams.values()].map(({ transport }) => transport.close()));
    },
  };
}

/** Ends a stream whose client does not read: this transport writes without waiting. */
function endUnread(transport: SSEServerTransport, res: ServerResponse): void {
  const send = transport.send.bind(transport);
  let isWaiting = false;
  transport.send = async (message) => {
    await send(message);
    if (isWaiting || !res.writableNeedDrain) return;
    isWaiting = true;
    void drained(res).then(() => {
      isWaiting = false;
    });
  };
}
