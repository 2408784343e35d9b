import { randomBytes } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import {
  createRequestStateCodec,
  McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type RequestStateCodec,
  type ServerContext,
  type ServerOptions,
} from "@modelcontextprotocol/server";
import { getContext, withContext } from "../context/scope.ts";
import type { UserContext } from "../context/user-context.ts";
import { toPublicError } from "../errors.ts";
import type { Events } from "../events.ts";
import type { Log } from "../log.ts";
import { publicFace } from "../tools/define.ts";
import type { ConnectionContext, Register } from "../tools/modules.ts";
import type { Services } from "../tools/services.ts";
import type { Toolkit } from "../tools/toolkit.ts";
import { version } from "../version.ts";
import { isOurs, listResources, mayRead, RESOURCE_TEMPLATES, readResource } from "./resources.ts";

const INSTRUCTIONS =
  "Nightshift remembers facts for this user (save_fact, recall_facts) and has prompts worked on at a later time by ghosts (schedule_task). A ghost is an automated session with tools of its own; it can neither read nor write this user's memory, so put what it needs to know into its prompt.";

/** The ways in which a handler is set, narrowed to what is used here. */
type Handler = (request: { params?: Record<string, unknown> }, context: ServerContext) => unknown;
type SetHandler = (method: string, handler: Handler) => void;

export interface ServerParts {
  readonly toolkit: Toolkit;
  readonly services: Services;
  readonly registers: readonly Register[];
  readonly events: Events;
  readonly log: Log;
  /** `modern` (2026-07-28) filters change notifications itself; `legacy` (2025) leaves that to the server. */
  readonly era: "modern" | "legacy";
}

/**
 * The MCP server of one connection. Users' modules register first, each on this fresh server; ours then answer
 * for what is ours and hand on the rest: where both have a tool of one name, or one of our URIs, ours wins. Rejects
 * with TOOL_MODULE_INVALID when a module's `register` fails. Returns the server and what releases it.
 */
export async function buildServer(parts: ServerParts): Promise<{ server: McpServer; release: () => void }> {
  const server = new McpServer(
    { name: "nightshift", title: "Nightshift", version },
    { instructions: INSTRUCTIONS, ...(parts.registers.length > 0 && forModules(parts.toolkit.context)) },
  );
  const theirs = await letModulesRegister(server, parts);
  // Not at construction: the SDK would then set its own handlers for them, before any of ours could listen.
  server.server.registerCapabilities({ tools: {}, resources: { subscribe: true } });
  const original = server.server.setRequestHandler.bind(server.server) as unknown as SetHandler;
  const set: SetHandler = (method, handler) => original(method, saying(parts, handler));
  setToolHandlers(set, server, parts, theirs);
  setResourceHandlers(set, parts, theirs);
  const subscribed = setSubscriptionHandlers(set, parts.era, theirs);
  const tell = server.server.sendResourceUpdated.bind(server.server);
  const { userKey, scopes } = parts.toolkit.context;
  const release = parts.events.subscribe(userKey, ({ uri }) => {
    if ((parts.era === "modern" || subscribed.has(uri)) && mayRead(uri, scopes))
      void tell({ uri }).catch(() => {});
  });
  return { server, release };
}

/** An error that says itself how it goes over the wire: the SDK's, also of a module's own copy of it. */
const isWireError = (error: unknown): boolean =>
  typeof (error as { code?: unknown } | null)?.code === "number";

/** The SDK tells whatever is thrown: of ours it may tell our own sentences, with an id to find the rest in the log. */
function saying({ toolkit, log }: ServerParts, handler: Handler): Handler {
  return async (request, context) => {
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

let stateCodec: RequestStateCodec | undefined;

/** One key for the process: on the 2026 era each round of a flow is a connection of its own. */
function sealedState(): RequestStateCodec {
  stateCodec ??= createRequestStateCodec({ key: randomBytes(32), bind: () => getContext()?.userKey ?? "" });
  return stateCodec;
}

/** What our own tools need nothing of: log messages to the client, and state that it carries for a handler. */
function forModules(context: UserContext): ServerOptions {
  return {
    capabilities: { logging: {} },
    requestState: {
      verify: (state, call) => withContext(context, () => sealedState().verify(state, call)),
    },
  };
}

/** Runs the modules' `register` and remembers the handlers that the SDK set for what they registered. */
async function letModulesRegister(
  server: McpServer,
  parts: ServerParts,
): Promise<ReadonlyMap<string, Handler>> {
  const theirs = new Map<string, Handler>();
  if (parts.registers.length === 0) return theirs;
  const inner = server.server;
  const original = inner.setRequestHandler.bind(inner) as unknown as SetHandler;
  inner.setRequestHandler = ((method: string, handler: Handler) => {
    const asThisContext: Handler = async (request, context) => {
      try {
        return await withContext(parts.toolkit.context, () => handler(request, context));
      } catch (error) {
        // What a module says of its failure is for its caller, as it is for a tool's.
        if (isWireError(error)) throw error;
        const said = error instanceof Error ? error.message : String(error);
        throw new ProtocolError(ProtocolErrorCode.InternalError, said);
      }
    };
    theirs.set(method, asThisContext);
    original(method, asThisContext);
  }) as unknown as typeof inner.setRequestHandler;
  const { context } = parts.toolkit;
  const mintState = (payload: unknown) =>
    withContext(context, () => sealedState().mint(payload, {} as ServerContext));
  const face: ConnectionContext = Object.freeze({ ...publicFace(context), mintState });
  await withContext(context, async () => {
    for (const register of parts.registers) await register(server, face);
  });
  inner.setRequestHandler = original as unknown as typeof inner.setRequestHandler;
  return theirs;
}

type Theirs = ReadonlyMap<string, Handler>;

function setToolHandlers(
  set: SetHandler,
  server: McpServer,
  { toolkit, log }: ServerParts,
  theirs: Theirs,
): void {
  const told = new Set<string>();
  set("tools/list", async (request, context) => {
    const more = (await theirs.get("tools/list")?.(request, context)) as
      | { tools: { name: string }[] }
      | undefined;
    // Ours win: a module's tool with the name of one of ours is neither shown nor called.
    const others = (more?.tools ?? []).filter(({ name }) => {
      const isTaken = toolkit.has(name);
      if (isTaken && !told.has(name))
        log.warn({ tool: name }, "a module registers a tool with the name of a built-in one: it is left out");
      told.add(name);
      return !isTaken;
    });
    return { tools: others.length > 0 ? [...toolkit.list(), ...others] : toolkit.list() };
  });
  set("tools/call", async (request, context) => {
    const { name, arguments: args } = request.params as { name: string; arguments?: unknown };
    if (!toolkit.has(name)) {
      const handOn = theirs.get("tools/call");
      if (handOn) return handOn(request, context);
      const names = toolkit.list().map((tool) => tool.name);
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        `Tool ${String(name).slice(0, 100)} not found. Tools: ${names.join(", ")}`,
      );
    }
    const progress = progressOf(context);
    const result = await toolkit.call(name, args, { signal: context.mcpReq.signal, progress: progress.tell });
    await progress.sent();
    return server.server.projectCallToolResult(result as never, toolkit.outputSchema(name));
  });
}

/** Progress goes to the caller that asked for it, under its own token, and to nobody else. */
function progressOf(context: ServerContext) {
  const progressToken = context.mcpReq._meta?.progressToken;
  let last: Promise<unknown> | undefined;
  return {
    tell(progress: number, total?: number, message?: string) {
      if (progressToken === undefined) return;
      const params = { progressToken, progress, ...(total && { total }), ...(message && { message }) };
      last = context.mcpReq.notify({ method: "notifications/progress", params }).catch(() => {});
    },
    /**
     * Resolves when all of it is on its way, a turn ahead of the result: clients stop listening with the result, and
     * hear it first when both arrive in one piece.
     */
    async sent() {
      if (!last) return;
      await last;
      await setImmediate();
    },
  };
}

function setResourceHandlers(set: SetHandler, { services, toolkit }: ServerParts, theirs: Theirs): void {
  set("resources/list", async (request, context) => {
    const more = (await theirs.get("resources/list")?.(request, context)) as
      | { resources: { uri: string }[] }
      | undefined;
    const others = (more?.resources ?? []).filter(({ uri }) => !isOurs(uri));
    return { resources: [...(await listResources(services, toolkit.context.scopes)), ...others] };
  });
  set("resources/templates/list", async (request, context) => {
    const more = (await theirs.get("resources/templates/list")?.(request, context)) as
      | { resourceTemplates: unknown[] }
      | undefined;
    return { resourceTemplates: [...RESOURCE_TEMPLATES, ...(more?.resourceTemplates ?? [])] };
  });
  set("resources/read", (request, context) => {
    const uri = String(request.params?.uri);
    const handOn = theirs.get("resources/read");
    return handOn && !isOurs(uri)
      ? handOn(request, context)
      : readResource(uri, services, toolkit.context.scopes);
  });
}

/** 2025-era subscriptions: a list of this connection's own, so that only what it asked for is told to it. */
function setSubscriptionHandlers(
  set: SetHandler,
  era: ServerParts["era"],
  theirs: Theirs,
): ReadonlySet<string> {
  const subscribed = new Set<string>();
  if (era === "modern") return subscribed;
  const MOST = 1_000;
  const handOn = (method: string, request: Parameters<Handler>[0], context: ServerContext) =>
    isOurs(String(request.params?.uri)) ? {} : (theirs.get(method)?.(request, context) ?? {});
  set("resources/subscribe", (request, context) => {
    if (subscribed.size >= MOST)
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, `At most ${MOST} subscriptions`);
    subscribed.add(String(request.params?.uri));
    return handOn("resources/subscribe", request, context);
  });
  set("resources/unsubscribe", (request, context) => {
    subscribed.delete(String(request.params?.uri));
    return handOn("resources/unsubscribe", request, context);
  });
  return subscribed;
}
