import { SSEServerTransport } from "@modelcontextprotocol/sdk/server/sse.js";
import { type ConnectionDeps, openConnection } from "../../connection/connection.ts";
import type { Exchange } from "./admit.ts";
import { noSuchSession, refuse, sessionElsewhere } from "./answers.ts";
import { type AtWork, trackCalls } from "./at-work.ts";
import type { Limits } from "./limits.ts";
import type { Proof } from "./proof.ts";
import { isSame, NODE_HEADER, nodeOf } from "./sessions.ts";

/**
 * The HTTP+SSE pair of the 2024-11-05 protocol: a stream to read from, and an address to post to, which names the node
 * that has the stream.
 */
export interface SsePair {
  stream(exchange: Exchange): Promise<void>;
  post(exchange: Exchange): Promise<void>;
  close(): Promise<void>;
}

export function createSsePair(connectionDeps: ConnectionDeps, limits: Limits, node: string): SsePair {
  const streams = new Map<string, { proof: Proof; transport: SSEServerTransport; atWork: AtWork }>();
  return {
    async stream({ proof, res }) {
      const giveBack = limits.take("sessions", proof.userKey);
      if (!giveBack)
        return refuse(res, 429, "You have too many open sessions; close one first.", {
          headers: { "Retry-After": "5" },
        });
      const ended = new AbortController();
      res.once("close", () => {
        giveBack();
        ended.abort();
      });
      res.setHeader(NODE_HEADER, node);
      const transport = new SSEServerTransport(`/messages?node=${node}`, res);
      const atWork = trackCalls(transport);
      streams.set(transport.sessionId, { proof, transport, atWork });
      const end = () => {
        atWork.end();
        streams.delete(transport.sessionId);
      };
      ended.signal.addEventListener("abort", end, { once: true });
      const { server } = await openConnection(connectionDeps, { ...proof, signal: ended.signal }, "legacy");
      // The v1 transport's types differ from v2's in what both leave optional; its calls are the same.
      await server.connect(transport as never);
    },
    async post(exchange) {
      const { proof, req, res, body } = exchange;
      const { searchParams: asked } = new URL(req.url ?? "", "http://localhost");
      const owner = nodeOf(`${asked.get("node") ?? node}.`);
      if (owner !== undefined && owner !== node) return sessionElsewhere(res, owner);
      const stream = streams.get(asked.get("sessionId") ?? "");
      if (!stream || !isSame(stream.proof, proof)) return noSuchSession(res);
      stream.atWork.hold(exchange);
      await stream.transport.handlePostMessage(req, res, body);
    },
    async close() {
      await Promise.all([...streams.values()].map(({ transport }) => transport.close()));
    },
  };
}
