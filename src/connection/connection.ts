import type { McpServer } from "@modelcontextprotocol/server";
import type { Activity } from "../activity.ts";
import { setEntityType } from "../context/current-context.ts";
import type { EntityType } from "../context/entity.ts";
import type { Scope } from "../context/scopes.ts";
import {
  createUserContext,
  type KnownUser,
  type Principal,
  type UserContext,
} from "../context/user-context.ts";
import { NightshiftError } from "../errors.ts";
import type { Events } from "../events.ts";
import { once } from "../lifecycle.ts";
import type { Log } from "../log.ts";
import type { Catalog } from "../tools/catalog.ts";
import type { Register } from "../tools/modules.ts";
import type { Services } from "../tools/services.ts";
import { buildToolkit, type FailureLog, type Toolkit } from "../tools/toolkit.ts";
import type { Era } from "./handlers.ts";
import type { HeldBytes } from "./held-bytes.ts";
import type { WorkInProgress } from "./work.ts";

/** Shared by all connections: the catalog, events, and a function that opens one user's services. Holds no user. */
export interface ConnectionDeps {
  readonly catalog: Catalog<Services>;
  readonly registers: readonly Register[];
  readonly servicesFor: (context: UserContext) => Services;
  readonly events: Events;
  readonly activity: Pick<Activity, "note">;
  readonly log: Log;
  readonly work: WorkInProgress;
  readonly held: HeldBytes;
  /** Open connections and embedded contexts. Tests assert that none is left. */
  readonly open: Set<OpenContext>;
}

export interface OpenContext {
  readonly context: UserContext;
  readonly toolkit: Toolkit;
  /** Aborts the context's calls and disposes its tools. May be called twice. */
  dispose(): Promise<void>;
}

/** Made once, so that the end of a request does not take the time of a stack trace. */
const CONNECTION_ENDED = new NightshiftError("CONTEXT_CLOSED", "This connection has ended.");

/**
 * Opens a context with its tools, without a protocol. Connections and host programs start from it. It is disposed when
 * the caller's signal aborts, at the latest.
 */
export function openContext(
  connectionDeps: ConnectionDeps,
  caller: Caller,
): OpenContext & { services: Services } {
  const ended = new AbortController();
  const context = setEntityType(caller.entityType, () =>
    createUserContext({ ...caller, signal: ended.signal }),
  );
  const services = connectionDeps.servicesFor(context);
  const { catalog, log, work } = connectionDeps;
  const toolkit = buildToolkit(catalog, context, services, logOf(log, context), (tool) =>
    work.begin(context.userKey, tool),
  );
  const dispose = once(async () => {
    caller.signal.removeEventListener("abort", end);
    ended.abort(CONNECTION_ENDED);
    await toolkit.dispose();
    connectionDeps.open.delete(opened);
  });
  const end = () => void dispose();
  const opened = { context, toolkit, services, dispose };
  connectionDeps.open.add(opened);
  if (caller.signal.aborted) end();
  else caller.signal.addEventListener("abort", end, { once: true });
  return opened;
}

/** Loads the SDK's server with the first connection: most commands need none. */
const loadServerBuilder = once(() => import("./mcp-server.ts"));

/** Opens a connection: a context with its tools, or the one that is `opened` already, and an MCP server for it alone. */
export async function openConnection(
  connectionDeps: ConnectionDeps,
  caller: Caller,
  era: Era,
  opened: OpenContext & { services: Services } = openContext(connectionDeps, caller),
): Promise<OpenContext & { server: McpServer }> {
  try {
    const { buildServer } = await loadServerBuilder();
    const parts = { toolkit: opened.toolkit, services: opened.services, registers: connectionDeps.registers };
    const { events, activity, log, work } = connectionDeps;
    const held = connectionDeps.held.open(opened.context.userKey);
    const { server, release } = await buildServer({ ...parts, events, activity, log, work, held, era });
    const end = () => {
      release();
      held.close();
    };
    opened.context.signal.addEventListener("abort", end, { once: true });
    if (opened.context.signal.aborted) end();
    const { onclose } = server.server;
    server.server.onclose = () => {
      onclose?.();
      void opened.dispose();
    };
    return { ...opened, server };
  } catch (error) {
    await opened.dispose();
    throw error;
  }
}

/** A log whose lines carry the context's ids. None carries arguments or results. */
function logOf(log: Log, context: UserContext): FailureLog {
  return {
    error(fields, message) {
      const { entityType, sessionId, runId, correlationId } = context;
      const ids = {
        entity_type: entityType,
        session_id: sessionId,
        run_id: runId,
        correlation_id: correlationId,
      };
      log.error({ ...ids, ...fields }, message);
    },
  };
}

/** The issuer of names that the operator gives: `--user`, API keys, the jobs folder, a host program. */
const LOCAL_ISSUER = "local";

export const localPrincipal = (user: string): Principal => ({ issuer: LOCAL_ISSUER, subject: user });

/** The caller of a connection, as the transport has verified it. Nothing in it is the caller's own claim. */
export interface Caller {
  readonly principal: Principal | KnownUser;
  /** Set by the transport: `human` for stdio and OAuth tokens, `api` for API keys. */
  readonly entityType: Exclude<EntityType, "scheduler" | "unknown">;
  readonly signal: AbortSignal;
  readonly sessionId?: string;
  /** The scopes of the credential; default all. */
  readonly scopes?: readonly Scope[];
}
