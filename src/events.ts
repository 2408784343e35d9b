import type { RunEnded, TranscriptStep } from "./jobs/run.ts";

/** Messages by topic, within this process. */
export interface Topics<Key, Message> {
  publish(key: Key, message: Message): void;
  /** Returns a function that ends the subscription. */
  subscribe(key: Key, listener: (message: Message) => void): () => void;
  /** The topics that have a listener. */
  keys(): readonly Key[];
}

export function createTopics<Key, Message>(): Topics<Key, Message> {
  const listeners = new Map<Key, Set<(message: Message) => void>>();
  return {
    publish(key, message) {
      for (const listener of listeners.get(key) ?? []) listener(message);
    },
    subscribe(key, listener) {
      const own = listeners.get(key) ?? new Set();
      listeners.set(key, own);
      own.add(listener);
      return () => {
        own.delete(listener);
        if (own.size === 0 && listeners.get(key) === own) listeners.delete(key);
      };
    },
    keys: () => [...listeners.keys()],
  };
}

/** A change of something that one user owns: ids only, never contents. */
export interface OwnerEvent {
  readonly kind: "job" | "run" | "inbox" | "fact";
  readonly uri: string;
  /** For the inbox: the run whose end was added to it. */
  readonly ended?: Omit<RunEnded, "userKey">;
}

/** Carries events to the connections of the user whom they are about, by `userKey`, and to nobody else's. */
export interface Events extends Pick<Topics<string, OwnerEvent>, "publish"> {
  /** `watched`: the URIs of which the listener's client wants to know now. Default none. Returns what ends it. */
  subscribe(
    userKey: string,
    listener: (event: OwnerEvent) => void,
    watched?: () => Iterable<string>,
  ): () => void;
}

/** Connects the events of this process with those of other processes. */
interface Bridge {
  /** Delivers an event that was published elsewhere. */
  receive(userKey: string, event: OwnerEvent): void;
  /** Users with a listener in this process. */
  owners(): readonly string[];
  /** The URIs that the user's listeners in this process watch. */
  watched(userKey: string): ReadonlySet<string>;
}

export interface JoinableEvents extends Events {
  /** From now on calls `tell` with each event that is published here. May be called once. */
  join(tell: Events["publish"]): Bridge;
}

export function createEvents(): JoinableEvents {
  const topics = createTopics<string, OwnerEvent>();
  const watchers = new Map<() => void, { userKey: string; uris: () => Iterable<string> }>();
  let tellOthers: Events["publish"] | undefined;
  return {
    subscribe(userKey, listener, uris) {
      const unsubscribe = topics.subscribe(userKey, listener);
      const end = () => {
        watchers.delete(end);
        unsubscribe();
      };
      if (uris) watchers.set(end, { userKey, uris });
      return end;
    },
    publish(userKey, event) {
      topics.publish(userKey, event);
      tellOthers?.(userKey, event);
    },
    join(tell) {
      tellOthers = tell;
      const watched = (userKey: string) => {
        const own = [...watchers.values()].filter((watcher) => watcher.userKey === userKey);
        return new Set(own.flatMap(({ uris }) => [...uris()]));
      };
      return { receive: topics.publish, owners: topics.keys, watched };
    },
  };
}

/** The steps of runs in this process, by run id. Whoever subscribes checks first that the run is the caller's. */
export type StepFeed = Topics<string, TranscriptStep>;
