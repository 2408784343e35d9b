import type { Events } from "./events.ts";
import { INBOX_URI, type Inbox } from "./inbox/item.ts";
import type { JobBook } from "./jobs/store.ts";
import type { Run } from "./runs/run.ts";
import type { RunBook } from "./runs/store.ts";

/*
 * One user's stores, whose changes are told to that user's live connections. What ghosts do is told by the night.
 */

export function announceJobs(book: JobBook, userKey: string, events: Events): JobBook {
  const tell = (jobId: string) => events.publish(userKey, { kind: "job", uri: `job://${jobId}` });
  return {
    ...book,
    create: async (job) => {
      const created = await book.create(job);
      tell(created.jobId);
      return created;
    },
    update: async (jobId, change) => {
      const updated = await book.update(jobId, change);
      tell(jobId);
      return updated;
    },
  };
}

export function announceRuns(book: RunBook, userKey: string, events: Events): RunBook {
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
    ...book,
    enqueue: (jobId, options) => told(book.enqueue(jobId, options)),
    cancel: (runId) => told(book.cancel(runId)),
    backfill: async (jobId, span) => {
      const filled = await book.backfill(jobId, span);
      filled.runs.forEach(tell);
      return filled;
    },
  };
}

export function announceInbox(inbox: Inbox, userKey: string, events: Events): Inbox {
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
