import { randomUUID } from "node:crypto";
import type { EventStore, JSONRPCMessage } from "@modelcontextprotocol/server";

const MOST_EVENTS = 500;
const MOST_BYTES = 1024 * 1024;

interface Kept {
  readonly id: string;
  readonly streamId: string;
  readonly message: JSONRPCMessage;
  readonly bytes: number;
}

/**
 * What one session's streams sent lately, for `Last-Event-ID`. It belongs to the session: an id of another one is not
 * found here. The oldest go first.
 */
export function createEventStore(): EventStore {
  const kept: Kept[] = [];
  let bytes = 0;
  return {
    async storeEvent(streamId, message) {
      const event = { id: randomUUID(), streamId, message, bytes: JSON.stringify(message).length };
      kept.push(event);
      bytes += event.bytes;
      while (kept.length > MOST_EVENTS || (bytes > MOST_BYTES && kept.length > 1))
        bytes -= kept.shift()?.bytes ?? 0;
      return event.id;
    },
    getStreamIdForEventId: async (eventId) => kept.find(({ id }) => id === eventId)?.streamId,
    async replayEventsAfter(lastEventId, { send }) {
      const at = kept.findIndex(({ id }) => id === lastEventId);
      const last = kept[at];
      if (!last) throw new Error("the events after this id are not kept any more");
      for (const { id, streamId, message } of kept.slice(at + 1))
        if (streamId === last.streamId) await send(id, message);
      return last.streamId;
    },
  };
}
