import { ProtocolError, ProtocolErrorCode, type ServerContext } from "@modelcontextprotocol/server";
import type { Activity } from "../activity.ts";
import { toPublicError } from "../errors.ts";
import type { Events } from "../events.ts";
import type { Log } from "../log.ts";
import type { Register } from "../tools/modules.ts";
import type { Services } from "../tools/services.ts";
import type { Toolkit } from "../tools/toolkit.ts";
import type { ByteAccount } from "./held-bytes.ts";
import type { WorkInProgress } from "./work.ts";

/**
 * `modern` (2026-07-28) filters change notifications itself; `legacy` (2025) leaves that to the server. `request` is one
 * HTTP request of the 2026 protocol, which hears of no changes: the streams of its principal do.
 */
export type Era = "modern" | "legacy" | "request";

/** The parts of one connection's MCP server. */
export interface ServerParts {
  readonly toolkit: Toolkit;
  readonly services: Services;
  readonly registers: readonly Register[];
  readonly events: Events;
  readonly activity: Pick<Activity, "note">;
  readonly log: Log;
  readonly work: WorkInProgress;
  /** What this connection holds of its principal's bytes. It ends with the context. */
  readonly held: ByteAccount;
  readonly era: Era;
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
 * Wraps a handler: notes that the process is in use and until when this handler is at work, and replaces errors that it
 * did not mean for the caller. The SDK would send any error's message; ours sends only sentences of our own, with an id
 * by which the log has the rest.
 */
export function withPublicErrors(parts: ServerParts, method: string, handler: Handler): Handler {
  const { toolkit, activity, log, work } = parts;
  return async (request, context) => {
    activity.note();
    const { answered, ended } = work.begin(toolkit.context.userKey, method);
    const { signal } = context.mcpReq;
    signal.addEventListener("abort", answered, { once: true });
    try {
      return await handler(request, context);
    } catch (error) {
      if (isWireError(error)) throw error;
      const shown = toPublicError(error);
      const { code, message } = shown;
      const { correlationId: correlation_id } = toolkit.context;
      if (error !== shown) log.error({ err: error, correlation_id }, "a request failed");
      throw new ProtocolError(ProtocolErrorCode.InternalError, message, { code, correlation_id });
    } finally {
      ended();
      signal.removeEventListener("abort", answered);
    }
  };
}
