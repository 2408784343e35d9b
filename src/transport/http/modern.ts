import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createMcpHandler } from "@modelcontextprotocol/server";
import { type House, openConnection } from "../../connection/connection.ts";
import type { Arrival } from "../../connection/identity.ts";
import { NightshiftError } from "../../errors.ts";
import type { Exchange } from "./admit.ts";
import { createChanges, publishThrough } from "./changes.ts";

/** Made once: a request's end should not cost a stack trace. */
const GONE = new NightshiftError("CANCELLED", "The caller has gone.");

/** The 2026-07-28 protocol: each request is a connection of its own, gone with the answer. */
export interface Modern {
  serve(exchange: Exchange): Promise<void>;
}

/**
 * The SDK's handler is made for each request too, with a bus that carries its principal's events and no others: there
 * is nothing to share, so there is nothing to filter.
 */
export function createModern(house: House): Modern {
  const changes = createChanges(house.events);
  const hasModules = house.registers.length > 0;
  return {
    async serve({ proof, req, res, body }) {
      const gone = new AbortController();
      res.once("close", () => {
        if (!res.writableFinished) gone.abort(GONE);
      });
      const { signal } = gone;
      const arrival: Arrival = { ...proof, signal };
      let dispose = async () => {};
      const open = async () => {
        const opened = await openConnection(house, arrival, "modern");
        dispose = opened.dispose;
        if (hasModules) publishThrough(handler.notify, opened.server);
        return opened.server;
      };
      const handler = createMcpHandler(open, {
        legacy: "reject",
        bus: changes.busOf(proof.userKey, proof.scopes),
        onerror: (error) =>
          house.log.debug({ reason: error.message }, "a request was answered with an error"),
      });
      try {
        const request = hasModules ? toWebRequest(req, signal) : glimpse(req, signal);
        const response = await handler.fetch(request, { parsedBody: body });
        // A stream of changes lives on without tools.
        if ((body as { method?: unknown } | undefined)?.method === "subscriptions/listen") await dispose();
        await sendResponse(response, res, signal);
      } finally {
        // A server that was never connected (a listen stream's, a refused call's) does not say that it is closed.
        await dispose();
      }
    },
  };
}

// Why not the SDK's toNodeHandler: it writes the parsed body out again to build a Request, and reads the answer as a
// stream of chunks. Together that was a quarter of what a call costs.

/** The request without its body, which was read and parsed already. */
function toWebRequest(req: IncomingMessage, signal: AbortSignal): Request {
  const headers = req.headers as Record<string, string>;
  return new Request("http://localhost/mcp", { method: req.method ?? "", headers, signal });
}

/** As much of a Request as the SDK itself reads. Only a module's handlers could ask for more. */
function glimpse({ method, headers }: IncomingMessage, signal: AbortSignal): Request {
  const get = (name: string) => headers[name.toLowerCase()] ?? null;
  return { method, signal, headers: { get } } as unknown as Request;
}

/** One answer in one piece, a stream as it comes. */
async function sendResponse(response: Response, res: ServerResponse, gone: AbortSignal): Promise<void> {
  const headers = Object.fromEntries(response.headers);
  if (!headers["content-type"]?.startsWith("text/event-stream")) {
    const text = await response.text();
    // With its length and in one string, head and body leave in one write.
    res.writeHead(response.status, { ...headers, "content-length": Buffer.byteLength(text) }).end(text);
    return;
  }
  res.writeHead(response.status, headers);
  res.flushHeaders();
  try {
    for await (const chunk of response.body ?? []) {
      if (!res.write(chunk)) await once(res, "drain", { signal: gone });
    }
    res.end();
  } catch (error) {
    // The client went away in mid-stream, or its credential did.
    if (!gone.aborted) throw error;
  }
}
