import { ProtocolError, ProtocolErrorCode, type ServerContext } from "@modelcontextprotocol/server";
import type { Activity } from "../activity.ts";
import { toPublicError } from "../errors.ts";
import type { Events } from "../events.ts";
import type { Log } from "../log.ts";
import type { Register } from "../tools/modules.ts";
import type { Services } from "../tools/services.ts";
import type { Toolkit } from "../tools/toolkit.ts";

/** The parts of one connection's MCP server. */
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

/** The SDK's request handlers and the function that sets them, with the types that are used here. */
export type Handler = (request: { params?: Record<string, unknown> }, context: ServerContext) => unknown;
export type SetHandler = (method: string, handler: Handler) => void;

/** Handlers of what users' modules registered on this connection, by method. */
export type ModuleHandlers = ReadonlyMap<string, Handler>;

/** True for errors that have a JSON-RPC code: the SDK's, also from a module's own copy of the SDK. */
export const isWireError = (error: unknown): boolean =>
  typeof (error as { code?: unknown } | null)?.code === "number";

/**
 * Wraps a handler: notes that the process is in use, and replaces errors that it did not mean for the caller. The SDK
 * would send any error's message; ours sends only sentences of our own, with an id by which the log has the rest.
 */
export function withPublicErrors({ toolkit, activity, log }: ServerParts, handler: Handler): Handler {
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
