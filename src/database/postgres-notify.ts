import { setTimeout as sleep } from "node:timers/promises";
import type { Client, ClientConfig } from "pg";
import type { NotifyChannel, NotifyListener } from "./database.ts";

export interface ListenOptions {
  /** The configuration of the connection. */
  readonly config: ClientConfig;
  readonly channels: readonly string[];
  readonly onMessage: (channel: string, payload: string) => void;
  /** Called when notifications can no longer arrive. */
  readonly onDisconnect: () => void;
  /** Called when they can again. */
  readonly onReconnect: () => void;
}

export interface ListenerConnection {
  /** Since when notifications cannot arrive, by `performance.now()`. Null while they can. */
  readonly disconnectedSince: number | null;
  close(): Promise<void>;
}

const FIRST_RECONNECT_MS = 50;
const LONGEST_RECONNECT_MS = 2_000;
/** A connection that a firewall has dropped looks open for ever; only a query shows that it is not. */
const PING_MS = 10_000;

/** Listens on a connection of its own and reconnects until it is closed. Rejects when the first connection fails. */
export async function openListener({
  config,
  channels,
  onMessage,
  onDisconnect,
  onReconnect,
}: ListenOptions): Promise<ListenerConnection> {
  const { Client } = (await import("pg")).default;
  let client: Client | undefined;
  let disconnectedSince: number | null = performance.now();
  let isClosed = false;
  let reconnectTimer: NodeJS.Timeout | undefined;

  const connect = async (): Promise<void> => {
    const opening = new Client(config);
    // A connection that breaks emits more than one event.
    let isOver = false;
    const onEnd = () => {
      if (isOver) return;
      isOver = true;
      opening.end().catch(() => {});
      if (client !== opening) return;
      client = undefined;
      disconnectedSince = performance.now();
      onDisconnect();
      reconnect(FIRST_RECONNECT_MS);
    };
    opening.on("error", onEnd);
    opening.on("end", onEnd);
    opening.on("notification", ({ channel, payload = "" }) => onMessage(channel, payload));
    try {
      await opening.connect();
      await opening.query(channels.map((channel) => `listen "${channel}"`).join("; "));
    } catch (error) {
      onEnd();
      throw error;
    }
    if (isOver || isClosed) return onEnd();
    client = opening;
    disconnectedSince = null;
  };
  const reconnect = (waitMs: number): void => {
    if (isClosed) return;
    reconnectTimer = setTimeout(() => {
      connect().then(onReconnect, () => reconnect(Math.min(waitMs * 2, LONGEST_RECONNECT_MS)));
    }, waitMs).unref();
  };
  const pingTimer = setInterval(() => {
    const pinged = client;
    pinged?.query("select 1").catch((error: unknown) => pinged.emit("error", error));
  }, PING_MS).unref();

  try {
    await connect();
  } catch (error) {
    clearInterval(pingTimer);
    throw error;
  }
  return {
    get disconnectedSince() {
      return disconnectedSince;
    },
    async close() {
      isClosed = true;
      clearTimeout(reconnectTimer);
      clearInterval(pingTimer);
      const last = client;
      client = undefined;
      await last?.end().catch(() => {});
    },
  };
}

const MAX_WAITING_MESSAGES = 10_000;
const MESSAGES_PER_STATEMENT = 100;
const RESEND_MS = 500;

/** The channel, and the events of the listener that feed it. */
export interface PostgresNotifyChannel extends NotifyChannel {
  onMessage(message: string): void;
  onReconnect(since: number): void;
  /** Waits for the batch that is being sent and drops the rest. */
  close(): Promise<void>;
}

/** Sends in batches what comes while it waits. `post` sends to every process, this one too, which ignores its own. */
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
      const batch = waiting.slice(0, MESSAGES_PER_STATEMENT);
      try {
        await post(batch);
        waiting.splice(0, batch.length);
      } catch {
        if (closing.signal.aborted) return;
        await sleep(RESEND_MS, undefined, { signal: closing.signal, ref: false }).catch(() => {});
        waiting.splice(0, waiting.length - MAX_WAITING_MESSAGES);
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
