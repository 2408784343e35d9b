import { ProtocolError, ProtocolErrorCode, type ServerContext } from "@modelcontextprotocol/server";
import type { Activity } from "../activity.ts";
import { toPublicError } from "../errors.ts";
import type { Events } from "../events.ts";
import type { Log } from "../log.ts";
import type { Register } from "../tools/modules.ts";
import type { Services } from "../tools/services.ts";
import type { Toolkit } from "../tools/toolkit.ts";

/** What the MCP server of one connection is made from. */
export interface ServerParts {
  readonly toolkit: Toolkit;
  readonly services: Services;
  readonly registers: readonly Register[];
  readonly events: Events;
  readonly activity: Pick<Activity, "note">;
  readonly log: Log;
  /** `modern` (2026-07-28) filters change notifications itself; `legacy` (2025) leaves that to the server. */
  readonly era: "modern" | "legacy";
}

/** The ways in which a handler is set, narrowed to what is used here. */
export type Handler = (request: { params?: Record<string, unknown> }, context: ServerContext) => unknown;
export type SetHandler = (method: string, handler: Handler) => void;

/** What users' modules registered on this connection, by method. */
export type ModuleHandlers = ReadonlyMap<string, Handler>;

/** An error that says itself how it goes over the wire: the SDK's, also of a module's own copy of it. */
export const isWireError = (error: unknown): boolean =>
  typeof (error as { code?: unknown } | null)?.code === "number";

/**
 * Each request is noted: somebody is here. The SDK tells whatever is thrown: of ours it may tell our own sentences,
 * with an id to find the rest in the log.
 */
export function serving({ toolkit, activity, log }: ServerParts, handler: Handler): Handler {
  return async (request, context) => {
    activity.note();
    try {
      return await handler(request, context);
    } catch (error) {
      if (isWireError(error)) throw error;
      const { code, message } = toPublicError(error);
      const { correlationId: correlation_id } = toolkit.context;
      if (error !== toPublicError(error)) log.error({ err: error, correlation_id }, "a request failed");
      throw new ProtocolError(ProtocolErrorCode.InternalError, message, { code, correlation_id });
    }
  };
}
