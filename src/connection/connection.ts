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

/** What every connection is made from: the catalog and the way to one owner's services. No user is in it. */
export interface ConnectionDeps {
  readonly catalog: Catalog<Services>;
  readonly registers: readonly Register[];
  readonly servicesFor: (context: UserContext) => Services;
  readonly events: Events;
  readonly activity: Pick<Activity, "note">;
  readonly log: Log;
  /** Connections and embedded contexts that are open; a test asserts that it goes back to none. */
  readonly open: Set<OpenContext>;
}

export interface OpenContext {
  readonly context: UserContext;
  readonly toolkit: Toolkit;
  /** Ends it: aborts its calls, disposes its tools. May be called twice. */
  dispose(): Promise<void>;
}

/** Made once: a request's end should not cost a stack trace. */
const CONNECTION_ENDED = new NightshiftError("CONTEXT_CLOSED", "This connection has ended.");

/** A context with its tools and no protocol around it: what a host program and every connection starts from. */
export function openContext(
  connectionDeps: ConnectionDeps,
  caller: Caller,
): OpenContext & { services: Services } {
  const ended = new AbortController();
  const end = () => ended.abort(CONNECTION_ENDED);
  if (caller.signal.aborted) end();
  else caller.signal.addEventListener("abort", end, { once: true });
  const context = identify({ ...caller, signal: ended.signal });
  const services = connectionDeps.servicesFor(context);
  const toolkit = buildToolkit(connectionDeps.catalog, context, services, logOf(connectionDeps.log, context));
  const opened = {
    context,
    toolkit,
    services,
    dispose: once(async () => {
      caller.signal.removeEventListener("abort", end);
      end();
      await toolkit.dispose();
      connectionDeps.open.delete(opened);
    }),
  };
  connectionDeps.open.add(opened);
  return opened;
}

/** The SDK's server, loaded with the first connection: the command line needs none. */
const loadServerBuilder = once(() => import("./mcp-server.ts"));

/** A connection: a context, its tools, and an MCP server that speaks for it and for nobody else. */
export async function openConnection(
  connectionDeps: ConnectionDeps,
  caller: Caller,
  era: "modern" | "legacy",
): Promise<OpenContext & { server: McpServer }> {
  const { buildServer } = await loadServerBuilder();
  const opened = openContext(connectionDeps, caller);
  try {
    const parts = { toolkit: opened.toolkit, services: opened.services, registers: connectionDeps.registers };
    const { events, activity, log } = connectionDeps;
    const { server, release } = await buildServer({ ...parts, events, activity, log, era });
    opened.context.signal.addEventListener("abort", release, { once: true });
    if (opened.context.signal.aborted) release();
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

/** Every line of a context's log carries its ids; none carries what was said in it. */
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

/** The operator of this installation vouches for the names it gives: `--user`, API keys, the jobs folder, a host program. */
export const LOCAL_ISSUER = "local";

export const localPrincipal = (user: string): Principal => ({ issuer: LOCAL_ISSUER, subject: user });

/** How a call reached us, as the transport that took it in says. Nothing in it was said by the caller. */
export interface Caller {
  readonly principal: Principal | KnownUser;
  /** What this way of arriving makes of a caller: a desktop client's pipe is a human's, an API key's holder is `api`. */
  readonly entityType: Exclude<EntityType, "scheduler" | "unknown">;
  readonly signal: AbortSignal;
  readonly sessionId?: string;
  /** What the credential may be used for; default all. */
  readonly scopes?: readonly Scope[];
}

/** The context of whoever arrived: fresh ids, frozen, with the entity type of the way it came. */
export function identify(caller: Caller): UserContext {
  return setEntityType(caller.entityType, () => createUserContext(caller));
}
