import { setImmediate } from "node:timers/promises";
import {
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type ServerContext,
} from "@modelcontextprotocol/server";
import type { Log } from "../log.ts";
import type { ModuleHandlers, ServerParts, SetHandler } from "./handlers.ts";

export function setToolHandlers(
  set: SetHandler,
  server: McpServer,
  { toolkit, log }: ServerParts,
  moduleHandlers: ModuleHandlers,
): void {
  set("tools/list", async (request, context) => {
    const more = (await moduleHandlers.get("tools/list")?.(request, context)) as
      | { tools: { name: string }[] }
      | undefined;
    // A module's tool with the name of one of ours is neither listed nor called.
    const others = (more?.tools ?? []).filter(({ name }) => {
      const isTaken = toolkit.has(name);
      if (isTaken) warnOnce(log, name);
      return !isTaken;
    });
    return { tools: others.length > 0 ? [...toolkit.list(), ...others] : toolkit.list() };
  });
  set("tools/call", async (request, context) => {
    const { name, arguments: args } = request.params as { name: string; arguments?: unknown };
    if (!toolkit.has(name)) {
      const delegate = moduleHandlers.get("tools/call");
      if (delegate) return delegate(request, context);
      const names = toolkit.list().map((tool) => tool.name);
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        `Tool ${String(name).slice(0, 100)} not found. Tools: ${names.join(", ")}`,
      );
    }
    const progress = progressSender(context);
    const result = await toolkit.call(name, args, { signal: context.mcpReq.signal, progress: progress.tell });
    await progress.sent();
    return server.server.projectCallToolResult(result as never, toolkit.outputSchema(name));
  });
}

/** By log, so that a second program in this process warns too. The names are those of built-in tools, so they are few. */
const warned = new WeakMap<Log, Set<string>>();

function warnOnce(log: Log, tool: string): void {
  const names = warned.get(log) ?? new Set();
  if (names.has(tool)) return;
  warned.set(log, names.add(tool));
  log.warn({ tool }, "a module registers a tool with the name of a built-in one: it is left out");
}

/** Sends progress to the client under the token of its call; does nothing for a call without one. */
function progressSender(context: ServerContext) {
  const progressToken = context.mcpReq._meta?.progressToken;
  let last: Promise<unknown> | undefined;
  return {
    tell(progress: number, total?: number, message?: string) {
      if (progressToken === undefined) return;
      const params = { progressToken, progress, ...(total && { total }), ...(message && { message }) };
      last = context.mcpReq.notify({ method: "notifications/progress", params }).catch(() => {});
    },
    /**
     * Resolves when all progress was sent, one event loop turn before the result: clients drop progress that they read
     * after the result, which happens when both arrive in one piece.
     */
    async sent() {
      if (!last) return;
      await last;
      await setImmediate();
    },
  };
}
