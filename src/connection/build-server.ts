import {
  McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { withContext } from "../context/scope.ts";
import type { Events } from "../events.ts";
import type { Log } from "../log.ts";
import { publicFace } from "../tools/define.ts";
import type { Register } from "../tools/modules.ts";
import type { Services } from "../tools/services.ts";
import type { Toolkit } from "../tools/toolkit.ts";
import { version } from "../version.ts";
import { isOurs, listResources, RESOURCE_TEMPLATES, readResource } from "./resources.ts";

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
    { capabilities: { tools: {}, resources: { subscribe: true } }, instructions: INSTRUCTIONS },
  );
  const theirs = await letModulesRegister(server, parts);
  const set = server.server.setRequestHandler.bind(server.server) as unknown as SetHandler;
  setToolHandlers(set, server, parts, theirs);
  setResourceHandlers(set, parts, theirs);
  const subscribed = setSubscriptionHandlers(set, parts.era);
  const release = parts.events.subscribe(parts.toolkit.context.userKey, ({ uri }) => {
    if (parts.era === "modern" || subscribed.has(uri))
      void server.server.sendResourceUpdated({ uri }).catch(() => {});
  });
  return { server, release };
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
    const asThisContext: Handler = (request, context) =>
      withContext(parts.toolkit.context, () => handler(request, context));
    theirs.set(method, asThisContext);
    original(method, asThisContext);
  }) as unknown as typeof inner.setRequestHandler;
  const { context } = parts.toolkit;
  await withContext(context, async () => {
    for (const register of parts.registers) await register(server, publicFace(context));
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
    return { tools: [...toolkit.list(), ...others] };
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
    const result = await toolkit.call(name, args, {
      signal: context.mcpReq.signal,
      progress: progressOf(context),
    });
    return server.server.projectCallToolResult(result as never, toolkit.outputSchema(name));
  });
}

/** Progress goes to the caller that asked for it, under its own token, and to nobody else. */
function progressOf(context: ServerContext) {
  const progressToken = context.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return () => {};
  return (progress: number, total?: number, message?: string) => {
    const params = { progressToken, progress, ...(total && { total }), ...(message && { message }) };
    void context.mcpReq.notify({ method: "notifications/progress", params }).catch(() => {});
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
    return handOn && !isOurs(uri) ? handOn(request, context) : readResource(uri, services);
  });
}

/** 2025-era subscriptions: a list of this connection's own, so that only what it asked for is told to it. */
function setSubscriptionHandlers(set: SetHandler, era: ServerParts["era"]): ReadonlySet<string> {
  const subscribed = new Set<string>();
  if (era === "modern") return subscribed;
  const MOST = 1_000;
  set("resources/subscribe", (request) => {
    if (subscribed.size >= MOST)
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, `At most ${MOST} subscriptions`);
    subscribed.add(String(request.params?.uri));
    return {};
  });
  set("resources/unsubscribe", (request) => {
    subscribed.delete(String(request.params?.uri));
    return {};
  });
  return subscribed;
}
