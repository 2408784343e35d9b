import type { Events } from "./events.ts";
import type { JobStore, RunStore } from "./jobs/contracts.ts";
import { INBOX_URI, type Inbox } from "./jobs/inbox-item.ts";
import type { Run } from "./jobs/run.ts";

/*
 * One user's stores, whose changes are told to that user's live connections. What ghosts do is told by the night.
 */

export function withJobEvents(store: JobStore, userKey: string, events: Events): JobStore {
  const tell = (jobId: string) => events.publish(userKey, { kind: "job", uri: `job://${jobId}` });
  return {
    ...store,
    create: async (job) => {
      const created = await store.create(job);
      tell(created.jobId);
      return created;
    },
    update: async (jobId, change) => {
      const updated = await store.update(jobId, change);
      tell(jobId);
      return updated;
    },
  };
}

export function withRunEvents(store: RunStore, userKey: string, events: Events): RunStore {
  const tell = ({ runId, jobId }: Run) => {
    events.publish(userKey, { kind: "run", uri: `run://${runId}` });
    events.publish(userKey, { kind: "job", uri: `job://${jobId}` });
  };
  const told = async (work: Promise<Run>): Promise<Run> => {
    const run = await work;
    tell(run);
    return run;
  };
  return {
    ...store,
    enqueue: (jobId, options) => told(store.enqueue(jobId, options)),
    cancel: (runId) => told(store.cancel(runId)),
    backfill: async (jobId, span) => {
      const filled = await store.backfill(jobId, span);
      filled.runs.forEach(tell);
      return filled;
    },
  };
}

export function withInboxEvents(inbox: Inbox, userKey: string, events: Events): Inbox {
  const told = async (work: Promise<number>): Promise<number> => {
    const marked = await work;
    if (marked > 0) events.publish(userKey, { kind: "inbox", uri: INBOX_URI });
    return marked;
  };
  return {
    ...inbox,
    markRead: (itemIds) => told(inbox.markRead(itemIds)),
    markRunRead: (runId) => told(inbox.markRunRead(runId)),
  };
}
