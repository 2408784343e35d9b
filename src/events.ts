/** Something of one user's that changed: ids only, never contents. */
export interface OwnerEvent {
  readonly kind: "job" | "run";
  readonly uri: string;
}

/** Carries events from where things happen to their owner's live connections, and to nobody else's. */
export interface Events {
  publish(userKey: string, event: OwnerEvent): void;
  /** Returns what ends the subscription. */
  subscribe(userKey: string, listener: (event: OwnerEvent) => void): () => void;
}

export function createEvents(): Events {
  const listeners = new Map<string, Set<(event: OwnerEvent) => void>>();
  return {
    publish(userKey, event) {
      for (const listener of listeners.get(userKey) ?? []) listener(event);
    },
    subscribe(userKey, listener) {
      const own = listeners.get(userKey) ?? new Set();
      listeners.set(userKey, own);
      own.add(listener);
      return () => {
        own.delete(listener);
        if (own.size === 0 && listeners.get(userKey) === own) listeners.delete(userKey);
      };
    },
  };
}
