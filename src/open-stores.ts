import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Config } from "./config.ts";
import type { UserContext } from "./context/user-context.ts";
import type { Database } from "./database/database.ts";
import type { Events, JoinableEvents } from "./events.ts";
import type { FactBackend, FactStore } from "./facts/store.ts";
import type { JobStore, RunStore } from "./jobs/contracts.ts";
import type { DeliveryReader } from "./jobs/delivery.ts";
import { INBOX_URI, type Inbox } from "./jobs/inbox-item.ts";
import type { Run } from "./jobs/run.ts";
import { type Cleanup, lazily, once } from "./lifecycle.ts";
import type { KeyRing } from "./store/api-keys.ts";
import type { WebhookStore } from "./webhooks/webhook-store.ts";

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

/** Facts, and jobs with all that belongs to them: each opened when it is first needed and closed with the app. */
export function openStores(parts: {
  config: Config;
  now: () => number;
  onSkew: (aheadMs: number) => void;
  events: JoinableEvents;
  cleanup: Cleanup;
}) {
  const { config, now, onSkew, events, cleanup } = parts;
  const dataDir = resolve(config.dataDir);
  const factBackend = once(async (): Promise<FactBackend> => {
    const { databaseUrl, databasePool: poolSize, databaseTimeoutMs: timeoutMs } = config;
    if (!databaseUrl) mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const { openKeyvFacts } = await import("./facts/keyv.ts");
    const limits = {
      maxFacts: config.maxFacts,
      maxBytes: config.maxFactsBytes,
      maxFactBytes: config.maxFactBytes,
    };
    const place = databaseUrl
      ? {
          databaseUrl,
          poolSize: Math.max(2, poolSize),
          statementTimeoutMs: timeoutMs,
          lockTimeoutMs: timeoutMs,
        }
      : { file: join(dataDir, "facts.sqlite") };
    const backend = openKeyvFacts({ ...place, limits, now: now });
    cleanup.add(() => backend.close());
    return backend;
  });
  const database = once(async () => {
    const opened = await openJobsDatabase(config, now, onSkew);
    cleanup.add(() => opened.close());
    if (opened.notifyChannel)
      (await import("./database/cluster-events.ts")).shareEvents(events, opened.notifyChannel, opened);
    return opened;
  });
  return {
    database,
    facts: (userKey: string): FactStore => lazily(async () => (await factBackend()).open(userKey)),
    jobs: ({ userKey, userId }: Pick<UserContext, "userKey" | "userId">): JobStore =>
      lazily(async () => {
        const { openJobStore } = await import("./store/job-store.ts");
        const store = openJobStore(await database(), {
          userKey,
          userId,
          now: now,
          maxJobs: config.maxJobs,
        });
        return withJobEvents(store, userKey, events);
      }),
    inbox: (userKey: string): Inbox =>
      lazily(async () => {
        const { openInbox } = await import("./inbox/inbox-store.ts");
        return withInboxEvents(openInbox(await database(), { userKey, now: now }), userKey, events);
      }),
    keys: lazily<KeyRing>(async () => {
      const { openKeyRing } = await import("./store/api-keys.ts");
      return openKeyRing(await database(), now);
    }),
    deliveries: (userKey: string): DeliveryReader =>
      lazily(async () => {
        const { openDeliveries } = await import("./webhooks/webhook-store.ts");
        return openDeliveries(await database(), userKey);
      }),
    webhooks: (userKey: string): WebhookStore =>
      lazily(async () => {
        const [{ openWebhookStore }, { createNetworkPolicy }] = await Promise.all([
          import("./webhooks/webhook-store.ts"),
          import("./webhooks/attempt.ts"),
        ]);
        return openWebhookStore(await database(), {
          userKey,
          now: now,
          network: createNetworkPolicy(config.webhookAllowPrivate),
        });
      }),
    runs: (userKey: string): RunStore =>
      lazily(async () => {
        const { openRunStore } = await import("./store/run-store.ts");
        const store = openRunStore(await database(), { userKey, now: now });
        return withRunEvents(store, userKey, events);
      }),
  };
}

async function openJobsDatabase(
  config: Config,
  now: () => number,
  onSkew: (aheadMs: number) => void,
): Promise<Database> {
  const { databaseUrl: url, databasePool: poolSize, databaseTimeoutMs: timeoutMs } = config;
  if (url) {
    const { openPostgres } = await import("./database/open-postgres.ts");
    return openPostgres({ url, now, poolSize, timeoutMs, onSkew });
  }
  const { openDatabase } = await import("./database/open-sqlite.ts");
  return openDatabase({ file: join(resolve(config.dataDir), "jobs.sqlite"), now });
}
