import type { JoinableEvents, OwnerEvent } from "../events.ts";
import type { Database, NotifyChannel } from "./database.ts";

/** The clocks of nodes differ by less than this. An event that is told twice does no harm. */
const SKEW_MS = 60_000;
/** Events for one user and one kind. A client that missed more reads its lists anew. */
const MAX_CAUGHT_UP = 200;

/** Facts of one user. */
const MAX_FACTS_CAUGHT_UP = 1_000;

/** Exchanges events with the other processes that have the same database open. */
export function shareEvents(events: JoinableEvents, notifyChannel: NotifyChannel, db: Database): void {
  /** When the first gap began that is not caught up, in epoch ms. */
  let missedSince = Number.POSITIVE_INFINITY;
  const bridge = events.join((userKey, event) => notifyChannel.send(JSON.stringify([userKey, event])));
  notifyChannel.listen({
    onMessage(message) {
      const parsed = parseEvent(message);
      if (parsed) bridge.receive(...parsed);
    },
    onReconnect(since) {
      const from = Math.min(missedSince, since);
      missedSince = Number.POSITIVE_INFINITY;
      void catchUp(from);
    },
  });

  /** One user after the other, because calls need the connections of the pool too. */
  async function catchUp(from: number): Promise<void> {
    for (const userKey of bridge.owners()) {
      try {
        for (const event of await changedSince(db, userKey, from - SKEW_MS)) bridge.receive(userKey, event);
        // A fact that was forgotten or has expired leaves nothing by which it could be found: all that are watched are told.
        const facts = [...bridge.watched(userKey)].filter((uri) => uri.startsWith("fact://"));
        for (const uri of facts.slice(0, MAX_FACTS_CAUGHT_UP)) bridge.receive(userKey, { kind: "fact", uri });
      } catch {
        // Most often the connection is lost again: the next reconnect catches up on both gaps.
        missedSince = Math.min(missedSince, from);
      }
    }
  }
}

/** Any user of the database may send notifications, so a message may hold anything. */
function parseEvent(message: string): [userKey: string, event: OwnerEvent] | undefined {
  try {
    const [userKey, event] = JSON.parse(message) as [unknown, OwnerEvent | null];
    return typeof userKey === "string" && typeof event?.uri === "string" ? [userKey, event] : undefined;
  } catch {
    return undefined;
  }
}

/** Reads from the tables which jobs and runs were written to since then, and whether the inbox was. */
async function changedSince(db: Database, userKey: string, since: number): Promise<OwnerEvent[]> {
  const jobs = await db.kysely
    .selectFrom("jobs")
    .select("job_id")
    .where("user_key", "=", userKey)
    .where("updated_at", ">=", since)
    .orderBy("job_id", "desc")
    .limit(MAX_CAUGHT_UP)
    .execute();
  const runs = await db.kysely
    .selectFrom("runs")
    .select(["run_id", "job_id"])
    .where("user_key", "=", userKey)
    .where((eb) =>
      eb.or([eb("created_at", ">=", since), eb("finished_at", ">=", since), eb("finished_at", "is", null)]),
    )
    .orderBy("run_id", "desc")
    .limit(MAX_CAUGHT_UP)
    .execute();
  const inbox = await db.kysely
    .selectFrom("inbox")
    .select("item_id")
    .where("user_key", "=", userKey)
    .where((eb) => eb.or([eb("created_at", ">=", since), eb("read_at", ">=", since)]))
    .limit(1)
    .execute();
  const jobIds = new Set([...jobs, ...runs].map(({ job_id }) => job_id));
  return [
    ...[...jobIds].map((jobId) => ({ kind: "job", uri: `job://${jobId}` }) as const),
    ...runs.map(({ run_id }) => ({ kind: "run", uri: `run://${run_id}` }) as const),
    ...inbox.map(() => ({ kind: "inbox", uri: "inbox://" }) as const),
  ];
}
