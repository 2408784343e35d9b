import type { RunEnded, TranscriptStep } from "./jobs/run.ts";

/** Something of one user's that changed: ids only, never contents. */
export interface OwnerEvent {
  readonly kind: "job" | "run" | "inbox";
  readonly uri: string;
  /** Of the inbox: the run whose end came into it. */
  readonly ended?: Omit<RunEnded, "userKey">;
}

/** Carries events from where things happen to their owner's live connections, and to nobody else's. */
export interface Events {
  publish(userKey: string, event: OwnerEvent): void;
  /** Returns what ends the subscription. */
  subscribe(userKey: string, listener: (event: OwnerEvent) => void): () => void;
}

/** Where what is published here goes besides, and what comes in from there. */
export interface Bridge {
  /** Something that was published elsewhere. */
  receive(userKey: string, event: OwnerEvent): void;
  /** Those who have a listener here. */
  owners(): readonly string[];
}

export interface JoinableEvents extends Events {
  /** From here on `tell` is told of what is published here. Once. */
  join(tell: (userKey: string, event: OwnerEvent) => void): Bridge;
}

export function createEvents(): JoinableEvents {
  const listeners = new Map<string, Set<(event: OwnerEvent) => void>>();
  let tellOthers: ((userKey: string, event: OwnerEvent) => void) | undefined;
  const receive: Bridge["receive"] = (userKey, event) => {
    for (const listener of listeners.get(userKey) ?? []) listener(event);
  };
  return {
    publish(userKey, event) {
      receive(userKey, event);
      tellOthers?.(userKey, event);
    },
    join(tell) {
      tellOthers = tell;
      return { receive, owners: () => [...listeners.keys()] };
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

/** Carries the steps of runs in this process to whoever follows one. Who may follow a run is the follower's to check. */
export interface StepFeed {
  publish(runId: string, step: TranscriptStep): void;
  /** Returns what ends it. */
  follow(runId: string, listener: (step: TranscriptStep) => void): () => void;
}

export function createStepFeed(): StepFeed {
  const listeners = new Map<string, Set<(step: TranscriptStep) => void>>();
  return {
    publish(runId, step) {
      for (const listener of listeners.get(runId) ?? []) listener(step);
    },
    follow(runId, listener) {
      const own = listeners.get(runId) ?? new Set();
      listeners.set(runId, own);
      own.add(listener);
      return () => {
        own.delete(listener);
        if (own.size === 0 && listeners.get(runId) === own) listeners.delete(runId);
      };
    },
  };
}
