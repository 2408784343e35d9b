import { setTimeout as sleep } from "node:timers/promises";
import type { NotifyChannel, NotifyListener } from "./open-sqlite.ts";

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
