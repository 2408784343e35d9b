import type { McpServer, ServerEvent, ServerEventBus, ServerNotifier } from "@modelcontextprotocol/server";
import { mayRead } from "../../connection/resources.ts";
import type { Scope } from "../../context/scopes.ts";
import type { Events } from "../../events.ts";

/** What changed for a principal, told to that principal's open streams and to nobody else's. */
export interface EventBuses {
  /** What one credential may hear, in the SDK's words: events of its principal, and what their own calls publish. */
  forCredential(userKey: string, scopes: readonly Scope[]): ServerEventBus;
}

type Listener = (event: ServerEvent) => void;

export function createEventBuses(events: Events): EventBuses {
  const listeners = new Map<string, Set<Listener>>();
  return {
    forCredential: (userKey, scopes) => ({
      publish: (event) => {
        for (const listener of listeners.get(userKey) ?? []) listener(event);
      },
      subscribe(listener) {
        const own = listeners.get(userKey) ?? new Set();
        listeners.set(userKey, own);
        own.add(listener);
        const end = events.subscribe(userKey, ({ uri }) => {
          if (mayRead(uri, scopes)) listener({ kind: "resource_updated", uri });
        });
        return () => {
          end();
          own.delete(listener);
          if (own.size === 0 && listeners.get(userKey) === own) listeners.delete(userKey);
        };
      },
    }),
  };
}

/**
 * Lets what a module's code says through its server reach the streams of the same principal: on the 2026 era the
 * server is gone with its one request, and had no stream.
 */
export function publishThrough(notify: ServerNotifier, server: McpServer): void {
  const { server: inner } = server;
  inner.sendToolListChanged = async () => notify.toolsChanged();
  inner.sendPromptListChanged = async () => notify.promptsChanged();
  inner.sendResourceListChanged = async () => notify.resourcesChanged();
  inner.sendResourceUpdated = async ({ uri }) => notify.resourceUpdated(uri);
}
