import { setTimeout as sleep } from "node:timers/promises";
import type { Client, ClientConfig } from "pg";
import type { NotifyChannel, NotifyListener } from "./database.ts";

export interface ListenOptions {
  /** What the connection is opened with. */
  readonly config: ClientConfig;
  readonly channels: readonly string[];
  readonly onMessage: (channel: string, payload: string) => void;
  /** Called when nothing can be heard any more. */
  readonly onDisconnect: () => void;
  /** Called when it can again. */
  readonly onReconnect: () => void;
}

export interface Listening {
  /** Epoch-free ms (`performance.now`) since when nothing can be heard; null while it can. */
  readonly disconnectedSince: number | null;
  close(): Promise<void>;
}

const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 2_000;
/** A connection that a firewall has dropped looks open for ever; a question tells. */
const ASK_MS = 10_000;

/** Listens on a connection of its own, and connects again until it is closed. Rejects when it can't at first. */
export async function listen({
  config,
  channels,
  onMessage,
  onDisconnect,
  onReconnect,
}: ListenOptions): Promise<Listening> {
  const { Client } = (await import("pg")).default;
  let client: Client | undefined;
  let disconnectedSince: number | null = performance.now();
  let isClosed = false;
  let retry: NodeJS.Timeout | undefined;

  const connect = async (): Promise<void> => {
    const opening = new Client(config);
    // Once: a connection that breaks says so more than once.
    let isOver = false;
    const over = () => {
      if (isOver) return;
      isOver = true;
      opening.end().catch(() => {});
      if (client !== opening) return;
      client = undefined;
      disconnectedSince = performance.now();
      onDisconnect();
      reconnect(FIRST_WAIT_MS);
    };
    opening.on("error", over);
    opening.on("end", over);
    opening.on("notification", ({ channel, payload = "" }) => onMessage(channel, payload));
    try {
      await opening.connect();
      await opening.query(channels.map((channel) => `listen "${channel}"`).join("; "));
    } catch (error) {
      over();
      throw error;
    }
    if (isOver || isClosed) return over();
    client = opening;
    disconnectedSince = null;
  };
  const reconnect = (waitMs: number): void => {
    if (isClosed) return;
    retry = setTimeout(() => {
      connect().then(onReconnect, () => reconnect(Math.min(waitMs * 2, LONGEST_WAIT_MS)));
    }, waitMs).unref();
  };
  const ask = setInterval(() => {
    const asked = client;
    asked?.query("select 1").catch((error: unknown) => asked.emit("error", error));
  }, ASK_MS).unref();

  try {
    await connect();
  } catch (error) {
    clearInterval(ask);
    throw error;
  }
  return {
    get disconnectedSince() {
      return disconnectedSince;
    },
    async close() {
      isClosed = true;
      clearTimeout(retry);
      clearInterval(ask);
      const last = client;
      client = undefined;
      await last?.end().catch(() => {});
    },
  };
}

const MAX_WAITING = 10_000;
/** Sent in one statement. */
const BATCH = 100;
const RETRY_MS = 500;

/** The sending side batches what comes while it waits; `post` sends to everybody, us too. */
export interface PostgresNotifyChannel extends NotifyChannel {
  onMessage(message: string): void;
  onReconnect(since: number): void;
  /** Waits for what is being sent, and gives up what could not be. */
  close(): Promise<void>;
}

export function createNotifyChannel(
  self: string,
  post: (messages: readonly string[]) => Promise<void>,
): PostgresNotifyChannel {
  const listeners = new Set<NotifyListener>();
  const waiting: string[] = [];
  const closing = new AbortController();
  let sending: Promise<void> | undefined;

  const sendAll = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, BATCH);
      try {
        await post(batch);
        waiting.splice(0, batch.length);
      } catch {
        if (closing.signal.aborted) return;
        await sleep(RETRY_MS, undefined, { signal: closing.signal, ref: false }).catch(() => {});
        waiting.splice(0, waiting.length - MAX_WAITING);
      }
    }
  };
  return {
    send(message) {
      if (closing.signal.aborted) return;
      waiting.push(`${self} ${message}`);
      sending ??= sendAll().finally(() => {
        sending = undefined;
      });
    },
    listen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    onMessage(message) {
      const end = message.indexOf(" ");
      if (message.slice(0, end) === self) return;
      for (const { onMessage } of listeners) onMessage(message.slice(end + 1));
    },
    onReconnect(since) {
      for (const { onReconnect } of listeners) onReconnect(since);
    },
    async close() {
      closing.abort();
      await sending;
    },
  };
}
