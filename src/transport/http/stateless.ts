import type { ServerResponse } from "node:http";
import { createMcpHandler, type ServerEvent, type ServerEventBus } from "@modelcontextprotocol/server";
import {
  type Caller,
  type ConnectionDeps,
  openConnection,
  type openContext,
} from "../../connection/connection.ts";
import { mayRead } from "../../connection/resources.ts";
import { redirectChanges, takeResult } from "../../connection/sdk-patches.ts";
import { NightshiftError } from "../../errors.ts";
import { createTopics, type Events, type Topics } from "../../events.ts";
import type { AuthInfo, AuthorizedRequest } from "./auth.ts";
import { refuseInvalid } from "./responses.ts";
import { sendResponse, sendResult, toWebRequest } from "./web.ts";

/** Made once, so that the end of a request does not take the time of a stack trace. */
const CALLER_GONE = new NightshiftError("CANCELLED", "The caller has gone.");

/** Serves the 2026-07-28 protocol: each request is a connection of its own, which ends with its response. */
export interface StatelessHandler {
  /** With `opened`, its tools serve the request; default a context of the request's own. */
  serve(authorized: AuthorizedRequest, opened?: ReturnType<typeof openContext>): Promise<void>;
}

/** The signal of a request: it aborts when the caller goes away before its response is written. */
export function abortWhenGone(res: ServerResponse): AbortSignal {
  const gone = new AbortController();
  res.once("close", () => {
    if (!res.writableFinished) gone.abort(CALLER_GONE);
  });
  return gone.signal;
}

/**
 * Makes the SDK's handler for each request too, with a bus that carries only the events of the request's principal:
 * the SDK's own bus knows no principals and would tell everybody of everything.
 */
export function createStateless(connectionDeps: ConnectionDeps): StatelessHandler {
  const published = createTopics<string, ServerEvent>();
  const hasModules = connectionDeps.registers.length > 0;
  return {
    async serve({ auth, req, res, body }, given) {
      if (refuseInvalid({ res, body })) return;
      const signal = abortWhenGone(res);
      const caller: Caller = { ...auth, signal };
      let dispose = async () => {};
      const open = async () => {
        const opened = await openConnection(connectionDeps, caller, "request", given);
        dispose = opened.dispose;
        takeResult(opened.server, (result) => sendResult(result, res));
        // This server ends with its request and has no stream; the principal's other streams are told of changes.
        if (hasModules) redirectChanges(opened.server, handler.notify);
        return opened.server;
      };
      const handler = createMcpHandler(open, {
        legacy: "reject",
        bus: busFor(auth, connectionDeps.events, published, watchedBy(body)),
        onerror: (error) =>
          connectionDeps.log.debug({ reason: error.message }, "a request was answered with an error"),
      });
      try {
        const request = toWebRequest(req, signal, hasModules || body === undefined);
        const response = await handler.fetch(request, { parsedBody: body });
        // A stream of change events lasts, and needs no tools.
        if ((body as { method?: unknown } | undefined)?.method === "subscriptions/listen") await dispose();
        if (!res.headersSent) await sendResponse(response, res);
      } finally {
        // A server that was never connected (a listen stream's, a refused call's) sends no close event.
        await dispose();
      }
    },
  };
}

/** The URIs of a `subscriptions/listen`. */
function watchedBy(body: unknown): readonly string[] {
  const { params } = (body ?? {}) as { params?: { notifications?: { resourceSubscriptions?: unknown } } };
  const uris = params?.notifications?.resourceSubscriptions;
  return Array.isArray(uris) ? uris.filter((uri) => typeof uri === "string") : [];
}

/**
 * Change events for the streams of one credential: those of its principal that its scopes may read, and those that
 * users' modules publish in the principal's own calls (`published`).
 */
function busFor(
  { userKey, scopes }: AuthInfo,
  events: Events,
  published: Topics<string, ServerEvent>,
  watched: readonly string[],
): ServerEventBus {
  return {
    publish: (event) => published.publish(userKey, event),
    subscribe(listener) {
      const unsubscribe = [
        published.subscribe(userKey, listener),
        events.subscribe(
          userKey,
          ({ uri }) => {
            if (mayRead(uri, scopes)) listener({ kind: "resource_updated", uri });
          },
          () => watched,
        ),
      ];
      return () => {
        for (const end of unsubscribe) end();
      };
    },
  };
}
