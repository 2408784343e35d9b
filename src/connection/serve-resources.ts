import { ProtocolError, ProtocolErrorCode, type ServerContext } from "@modelcontextprotocol/server";
import type { Handler, ModuleHandlers, ServerParts, SetHandler } from "./handlers.ts";
import { isOurs, listResources, RESOURCE_TEMPLATES, readResource } from "./resources.ts";

export function setResourceHandlers(
  set: SetHandler,
  { services, toolkit }: ServerParts,
  moduleHandlers: ModuleHandlers,
): void {
  set("resources/list", async (request, context) => {
    const more = (await moduleHandlers.get("resources/list")?.(request, context)) as
      | { resources: { uri: string }[] }
      | undefined;
    const others = (more?.resources ?? []).filter(({ uri }) => !isOurs(uri));
    return { resources: [...(await listResources(services, toolkit.context.scopes)), ...others] };
  });
  set("resources/templates/list", async (request, context) => {
    const more = (await moduleHandlers.get("resources/templates/list")?.(request, context)) as
      | { resourceTemplates: unknown[] }
      | undefined;
    return { resourceTemplates: [...RESOURCE_TEMPLATES, ...(more?.resourceTemplates ?? [])] };
  });
  set("resources/read", (request, context) => {
    const uri = String(request.params?.uri);
    const delegate = moduleHandlers.get("resources/read");
    return delegate && !isOurs(uri)
      ? delegate(request, context)
      : readResource(uri, services, toolkit.context.scopes);
  });
}

/** 2025-era subscriptions: a list of this connection's own, so that only what it asked for is told to it. */
export function setSubscriptionHandlers(
  set: SetHandler,
  era: ServerParts["era"],
  moduleHandlers: ModuleHandlers,
): ReadonlySet<string> {
  const subscribed = new Set<string>();
  if (era === "modern") return subscribed;
  const MOST = 1_000;
  const delegate = (method: string, request: Parameters<Handler>[0], context: ServerContext) =>
    isOurs(String(request.params?.uri)) ? {} : (moduleHandlers.get(method)?.(request, context) ?? {});
  set("resources/subscribe", (request, context) => {
    if (subscribed.size >= MOST)
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, `At most ${MOST} subscriptions`);
    subscribed.add(String(request.params?.uri));
    return delegate("resources/subscribe", request, context);
  });
  set("resources/unsubscribe", (request, context) => {
    subscribed.delete(String(request.params?.uri));
    return delegate("resources/unsubscribe", request, context);
  });
  return subscribed;
}
