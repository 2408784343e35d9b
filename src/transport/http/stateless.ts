import { createMcpHandler } from "@modelcontextprotocol/server";
import { type ConnectionDeps, openConnection } from "../../connection/connection.ts";
import type { Caller } from "../../connection/identity.ts";
import { NightshiftError } from "../../errors.ts";
import type { AuthorizedRequest } from "./authorize.ts";
import { createEventBuses, publishThrough } from "./changes.ts";
import { answerDirectly, sendResponse, toWebRequest } from "./web.ts";

/** Made once: a request's end should not cost a stack trace. */
const GONE = new NightshiftError("CANCELLED", "The caller has gone.");

/** The 2026-07-28 protocol: each request is a connection of its own, gone with the answer. */
export interface StatelessHandler {
  serve(authorized: AuthorizedRequest): Promise<void>;
}

/**
 * The SDK's handler is made for each request too, with a bus that carries its principal's events and no others: there
 * is nothing to share, so there is nothing to filter.
 */
export function createStateless(connectionDeps: ConnectionDeps): StatelessHandler {
  const changes = createEventBuses(connectionDeps.events);
  const hasModules = connectionDeps.registers.length > 0;
  return {
    async serve({ auth, req, res, body }) {
      const gone = new AbortController();
      res.once("close", () => {
        if (!res.writableFinished) gone.abort(GONE);
      });
      const { signal } = gone;
      const caller: Caller = { ...auth, signal };
      let dispose = async () => {};
      const open = async () => {
        const opened = await openConnection(connectionDeps, caller, "modern");
        dispose = opened.dispose;
        answerDirectly(opened.server, res);
        if (hasModules) publishThrough(handler.notify, opened.server);
        return opened.server;
      };
      const handler = createMcpHandler(open, {
        legacy: "reject",
        bus: changes.forCredential(auth.userKey, auth.scopes),
        onerror: (error) =>
          connectionDeps.log.debug({ reason: error.message }, "a request was answered with an error"),
      });
      try {
        const request = toWebRequest(req, signal, hasModules || body === undefined);
        const response = await handler.fetch(request, { parsedBody: body });
        // A stream of changes lives on without tools.
        if ((body as { method?: unknown } | undefined)?.method === "subscriptions/listen") await dispose();
        if (!res.headersSent) await sendResponse(response, res);
      } finally {
        // A server that was never connected (a listen stream's, a refused call's) does not say that it is closed.
        await dispose();
      }
    },
  };
}
