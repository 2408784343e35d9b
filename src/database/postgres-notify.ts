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
  /** Held as long as this connection is open. Default: none. */
  readonly name?: HeldName | undefined;
}

/** A name that only one process may have at a time. */
export interface HeldName {
  /** The name of the advisory lock. */
  readonly lock: string;
  /** What the first connection is rejected with while another process has the name. */
  readonly takenError: () => Error;
}

export interface ListenerConnection {
  /** Since when notifications cannot arrive, by `performance.now()`. Null while they can. */
  readonly disconnectedSince: number | null;
  /** Asks the server for an answer. Rejects while there is no connection. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

const FIRST_RECONNECT_MS = 50;
const LONGEST_RECONNECT_MS = 2_000;
/** A connection that a firewall has dropped looks open for ever; only a query shows that it is not. */
const PING_MS = 10_000;
/** So Postgres soon sees that a machine has failed, and gives its name free. It takes half a minute. */
const KEEP_ALIVE_SQL =
  "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 4";
/** A process that was killed a moment ago may still count as connected. */
const NAME_TRIES = 10;
const NAME_RETRY_MS = 200;
const TRY_NAME_SQL = "select pg_try_advisory_lock(hashtextextended($1, 0)) as taken";

/** Listens on a connection of its own and reconnects until it is closed. Rejects when the first connection fails. */
export async function openListener({
  config,
  channels,
  onMessage,
  onDisconnect,
  onReconnect,
  name,
}: ListenOptions): Promise<ListenerConnection> {
  const { Client } = (await import("pg")).default;
  let client: Client | undefined;
  let disconnectedSince: number | null = performance.now();
  let isClosed = false;
  let reconnectTimer: NodeJS.Timeout | undefined;
  let isFirst = true;
  let hasName = false;
  let answer: Promise<void> | undefined;

  const takeName = async (on: Client): Promise<void> => {
    if (!name) return;
    for (let tries = 1; ; tries++) {
      const { rows } = await on.query(TRY_NAME_SQL, [name.lock]);
      hasName = rows[0]?.taken === true;
      // Later, the server may think for a while that our own last connection is open: the next ping tries again.
      if (hasName || !isFirst) return;
      if (tries === NAME_TRIES) throw name.takenError();
      await sleep(NAME_RETRY_MS);
    }
  };
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
      await opening.query(KEEP_ALIVE_SQL);
      await takeName(opening);
      await opening.query(channels.map((channel) => `listen "${channel}"`).join("; "));
      isFirst = false;
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
    if (!pinged) return;
    const ping = name && !hasName ? takeName(pinged) : pinged.query("select 1");
    ping.catch((error: unknown) => pinged.emit("error", error));
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
    ping() {
      // One at a time: those who ask while the server is silent wait for the same answer.
      answer ??= (client?.query("select 1") ?? Promise.reject(new Error("Connection terminated")))
        .then(() => {})
        .finally(() => {
          answer = undefined;
        });
      return answer;
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
    listen: (listener) => void listeners.add(listener),
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
