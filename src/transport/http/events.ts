import { randomBytes } from "node:crypto";
import type { EventStore } from "@modelcontextprotocol/server";

const MOST_EVENTS = 500;
const MOST_BYTES = 1024 * 1024;

interface Kept {
  readonly id: string;
  readonly streamId: string;
  /** JSON: one string costs the garbage collector less than the objects it was made of. */
  readonly message: string;
}

/**
 * What one session's streams sent lately, for `Last-Event-ID`. It belongs to the session: an id of another one is not
 * found here. The oldest go first.
 */
export function createEventStore(): EventStore {
  // Of this session alone: a client that comes back with an id of an earlier one must not be taken for up to date.
  const name = randomBytes(9).toString("base64url");
  const kept: Kept[] = [];
  let count = 0;
  let bytes = 0;
  return {
    async storeEvent(streamId, message) {
      const event = { id: `${name}-${count++}`, streamId, message: JSON.stringify(message) };
      kept.push(event);
      bytes += event.message.length;
      while (kept.length > MOST_EVENTS || (bytes > MOST_BYTES && kept.length > 1))
        bytes -= kept.shift()?.message.length ?? 0;
      return event.id;
    },
    getStreamIdForEventId: async (eventId) => kept.find(({ id }) => id === eventId)?.streamId,
    async replayEventsAfter(lastEventId, { send }) {
      const at = kept.findIndex(({ id }) => id === lastEventId);
      const last = kept[at];
      if (!last) throw new Error("the events after this id are not kept any more");
      for (const { id, streamId, message } of kept.slice(at + 1))
        if (streamId === last.streamId) await send(id, JSON.parse(message));
      return last.streamId;
    },
  };
}
