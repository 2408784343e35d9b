import { join, resolve } from "node:path";
import type { Config } from "./config.ts";
import type { Scope } from "./context/scopes.ts";
import type { UserContext } from "./context/user-context.ts";
import { makeDataFolder } from "./database/data-folder.ts";
import type { Database } from "./database/database.ts";
import { createFairQueue, type FairQueue } from "./database/fair-queue.ts";
import { MIGRATION_WAITS } from "./database/migration-lock.ts";
import { NightshiftError } from "./errors.ts";
import type { Events, JoinableEvents } from "./events.ts";
import type { FactBackend, FactStore, Saved } from "./facts/store.ts";
import type { Backfill, JobStore, RunStore, UserSettings } from "./jobs/contracts.ts";
import type { DeliveryReader } from "./jobs/delivery.ts";
import { INBOX_URI, type Inbox } from "./jobs/inbox-item.ts";
import type { Job } from "./jobs/job.ts";
import type { Run } from "./jobs/run.ts";
import { type Cleanup, once } from "./lifecycle.ts";
import type { Log } from "./log.ts";
import type { KeyRing } from "./store/api-keys.ts";
import type { WebhookStore } from "./webhooks/webhook-store.ts";

type AsyncMethods<Store> = { readonly [Method in keyof Store]: (...args: never[]) => Promise<unknown> };

/** The methods of a store that each scope allows. */
type Grants<Store> = { readonly [Permission in Scope]?: readonly (keyof Store)[] };

/** The scopes of a credential; "all" for the program itself. */
type Access = readonly Scope[] | "all";

interface StoreOptions<Store extends AsyncMethods<Store>> {
  readonly access: Access;
  readonly grants: Grants<Store>;
  /** Called with what a method has resolved to, and with its arguments. */
  readonly listeners?: {
    readonly [Method in keyof Store]?: (
      result: Awaited<ReturnType<Store[Method]>>,
      ...args: Parameters<Store[Method]>
    ) => void;
  };
  /** Waits until the store's user is next, and then calls the method. Default: calls it at once. */
  readonly inQueue?: <T>(work: () => Promise<T>, method: keyof Store) => Promise<T>;
}

/**
 * A store that is opened when one of its methods is first called; opening is tried again after a failure, for a store
 * that could not be reached a minute ago may be back. A method that no scope grants rejects with TOOL_DENIED.
 */
function scoped<Store extends AsyncMethods<Store>>(
  open: () => Promise<Store>,
  { access, grants, listeners, inQueue = (work) => work() }: StoreOptions<Store> = {
    access: "all",
    grants: {},
  },
): Store {
  const openOnce = once(open);
  const allowed = access === "all" ? undefined : new Set(access.flatMap((scope) => grants[scope] ?? []));
  const call = async (method: keyof Store, args: never[]) => {
    if (allowed && !allowed.has(method))
      throw new NightshiftError(
        "TOOL_DENIED",
        `The credential of this connection has no scope for ${String(method)}.`,
      );
    const store = await openOnce();
    const result = await inQueue(() => store[method](...args), method);
    listeners?.[method]?.(result as never, ...(args as never));
    return result;
  };
  return new Proxy({} as Store, {
    get(_target, method) {
      // Not thenable: awaiting the store itself must not open it.
      if (method === "then") return undefined;
      return (...args: never[]) => call(method as keyof Store, args);
    },
  });
}

const FACT_READS: readonly (keyof FactStore)[] = ["recall", "list", "get"];
const FACT_GRANTS: Grants<FactStore> = {
  "facts:read": FACT_READS,
  "facts:write": ["save", "forget"],
};
const JOB_GRANTS: Grants<JobStore> = {
  "jobs:read": ["list", "get", "counts", "counters", "tokensSpent"],
  "jobs:write": ["create", "createOnce", "update", "get", "counters"],
};
const RUN_GRANTS: Grants<RunStore> = {
  "jobs:read": ["list", "get", "summary"],
  "jobs:write": ["get", "summary", "enqueue", "backfill", "cancel", "answer"],
};
const INBOX_GRANTS: Grants<Inbox> = {
  "jobs:read": ["list", "unread"],
  "jobs:write": ["markRead", "markRunRead"],
};
const SETTINGS_GRANTS: Grants<UserSettings> = {
  "jobs:read": ["timezone"],
  "jobs:write": ["timezone", "setTimezone"],
};
const DELIVERY_GRANTS: Grants<DeliveryReader> = { "jobs:read": ["ofRun"] };

/** Tell a user's live connections what the user has changed. The scheduler tells them what ghosts do. */
function listenersFor(userKey: string, events: Events) {
  const tell = (kind: "job" | "run" | "fact", id: string) =>
    events.publish(userKey, { kind, uri: `${kind}://${id}` });
  const tellRun = ({ runId, jobId }: Run) => {
    tell("run", runId);
    tell("job", jobId);
  };
  const tellJob = ({ jobId }: Job) => tell("job", jobId);
  const tellInbox = (marked: number) => {
    if (marked > 0) events.publish(userKey, { kind: "inbox", uri: INBOX_URI });
  };
  return {
    facts: {
      save: ({ kind, factId }: Saved) => {
        if (kind === "saved") tell("fact", factId);
      },
      forget: (_forgotten: unknown, factId: string) => tell("fact", factId),
    },
    jobs: {
      create: tellJob,
      createOnce: ({ job, isNew }: { job: Job; isNew: boolean }) => {
        if (isNew) tellJob(job);
      },
      update: tellJob,
    },
    runs: {
      enqueue: tellRun,
      cancel: tellRun,
      answer: tellRun,
      backfill: ({ runs }: Backfill) => runs.forEach(tellRun),
    },
    inbox: { markRead: tellInbox, markRunRead: tellInbox },
  };
}

interface StoreParts {
  readonly config: Config;
  readonly now: () => number;
  readonly onSkew: (aheadMs: number) => void;
  readonly log: Pick<Log, "warn">;
  readonly events: JoinableEvents;
  readonly cleanup: Cleanup;
  /** The name that no other node on the same Postgres may have. Undefined for a process that is no node. */
  readonly node: string | undefined;
  /** The kinds of jobs that this process tells the others it runs. */
  readonly serves: readonly string[] | undefined;
}

/** Every store of the program: each is opened when it is first needed and closed with the app. */
export function openStores(parts: StoreParts) {
  const { config, now, events, cleanup } = parts;
  const factBackend = once(async () => {
    // What changes a fact is told to other processes, by way of the jobs database.
    if (config.databaseUrl) await database();
    const opened = await openFactBackend(config, parts);
    cleanup.add(() => opened.close());
    return opened;
  });
  const database = once(async () => {
    const opened = await openJobsDatabase(config, parts);
    cleanup.add(() => opened.close());
    if (opened.notifyChannel)
      (await import("./database/cluster-events.ts")).shareEvents(events, opened.notifyChannel, opened);
    return opened;
  });
  const fairQueue = (poolSize: number): FairQueue | undefined =>
    config.databaseUrl ? createFairQueue({ poolSize, timeoutMs: config.databaseTimeoutMs }) : undefined;
  // The memory has a pool of its own to read by, half as large.
  const [jobQueue, factQueue] = [
    fairQueue(config.databasePool),
    fairQueue(Math.floor(config.databasePool / 2)),
  ];
  const queueOf = (userKey: string) =>
    jobQueue && { inQueue: <T>(work: () => Promise<T>) => jobQueue.run(userKey, work) };
  return {
    database,
    /** True while the database is so busy that further calls of this user are better refused at once. */
    isBusy: (userKey: string) => [jobQueue, factQueue].some((of) => of?.isSlow(userKey)),
    facts: (userKey: string, access: Access): FactStore =>
      scoped(async () => (await factBackend()).open(userKey), {
        access,
        grants: FACT_GRANTS,
        listeners: listenersFor(userKey, events).facts,
        // Saves do not queue: those that wait share one transaction.
        inQueue: (work, method) =>
          factQueue && FACT_READS.includes(method) ? factQueue.run(userKey, work) : work(),
      }),
    jobs: ({ userKey, userId }: Pick<UserContext, "userKey" | "userId">, access: Access): JobStore =>
      scoped(
        async () => {
          const { openJobStore } = await import("./store/job-store.ts");
          return openJobStore(await database(), { userKey, userId, now, maxJobs: config.maxJobs });
        },
        { access, grants: JOB_GRANTS, listeners: listenersFor(userKey, events).jobs, ...queueOf(userKey) },
      ),
    runs: (userKey: string, access: Access): RunStore =>
      scoped(
        async () => {
          const { openRunStore } = await import("./store/run-store.ts");
          return openRunStore(await database(), { userKey, now });
        },
        { access, grants: RUN_GRANTS, listeners: listenersFor(userKey, events).runs, ...queueOf(userKey) },
      ),
    inbox: (userKey: string, access: Access): Inbox =>
      scoped(
        async () => {
          const { openInbox } = await import("./inbox/inbox-store.ts");
          return openInbox(await database(), { userKey, now });
        },
        {
          access,
          grants: INBOX_GRANTS,
          listeners: listenersFor(userKey, events).inbox,
          ...queueOf(userKey),
        },
      ),
    deliveries: (userKey: string, access: Access): DeliveryReader =>
      scoped(
        async () => {
          const { openDeliveries } = await import("./webhooks/webhook-store.ts");
          return openDeliveries(await database(), userKey);
        },
        { access, grants: DELIVERY_GRANTS, ...queueOf(userKey) },
      ),
    settings: (userKey: string, access: Access): UserSettings =>
      scoped(
        async () => {
          const { openUserSettings } = await import("./store/user-settings.ts");
          return openUserSettings(await database(), { userKey, now });
        },
        { access, grants: SETTINGS_GRANTS, ...queueOf(userKey) },
      ),
    keys: scoped<KeyRing>(async () => {
      const { openKeyRing } = await import("./store/api-keys.ts");
      return openKeyRing(await database(), now);
    }),
    webhooks: (userKey: string): WebhookStore =>
      scoped(async () => {
        const [{ openWebhookStore }, { createNetworkPolicy }] = await Promise.all([
          import("./webhooks/webhook-store.ts"),
          import("./webhooks/attempt.ts"),
        ]);
        const network = createNetworkPolicy(config.webhookAllowPrivate);
        return openWebhookStore(await database(), { userKey, now, network });
      }),
  };
}

const warnOfWait = (log: Pick<Log, "warn">) => () => log.warn(MIGRATION_WAITS);

async function openFactBackend(
  config: Config,
  { now, log }: Pick<StoreParts, "now" | "log">,
): Promise<FactBackend> {
  const { databaseUrl, databasePool, databaseTimeoutMs: timeoutMs } = config;
  const dataDir = resolve(config.dataDir);
  if (!databaseUrl) makeDataFolder(dataDir);
  const { openKeyvFacts } = await import("./facts/keyv.ts");
  const embedder = config.embeddings && (await import("./model/embeddings.ts")).openEmbedder(config);
  const onEmbedderFailure = (failure: object) =>
    log.warn(failure, "The embedding model failed: facts are recalled by words alone until it is back.");
  const limits = {
    maxFacts: config.maxFacts,
    maxBytes: config.maxFactsBytes,
    maxFactBytes: config.maxFactBytes,
  };
  const poolSize = Math.max(2, databasePool);
  const place = databaseUrl
    ? {
        databaseUrl,
        poolSize,
        statementTimeoutMs: timeoutMs,
        lockTimeoutMs: timeoutMs,
        onMigrationWait: warnOfWait(log),
      }
    : { file: join(dataDir, "facts.sqlite") };
  return openKeyvFacts({ ...place, limits, now, ...(embedder && { embedder, onEmbedderFailure }) });
}

async function openJobsDatabase(config: Config, parts: StoreParts): Promise<Database> {
  const { databaseUrl: url, databasePool: poolSize, databaseTimeoutMs: timeoutMs } = config;
  const { now } = parts;
  if (url) {
    const { openPostgres } = await import("./database/open-postgres.ts");
    const { onSkew, node, serves, log } = parts;
    const onMigrationWait = warnOfWait(log);
    return openPostgres({ url, now, poolSize, timeoutMs, onSkew, node, serves, onMigrationWait });
  }
  const { openDatabase } = await import("./database/open-sqlite.ts");
  return openDatabase({ file: join(resolve(config.dataDir), "jobs.sqlite"), now });
}
