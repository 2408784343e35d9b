import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { createActivity } from "./activity.ts";
import { type Config, variable } from "./config.ts";
import {
  type ConnectionDeps,
  localPrincipal,
  type OpenContext,
  openContext,
} from "./connection/connection.ts";
import { type UserContext, userKeyOf } from "./context/user-context.ts";
import type { Database } from "./database/open-sqlite.ts";
import { NightshiftError } from "./errors.ts";
import { createEvents, createStepFeed, type JoinableEvents } from "./events.ts";
import type { FactBackend, FactStore } from "./facts/store.ts";
import { describeGhosts } from "./ghost/capabilities.ts";
import type { JobStore, RunStore } from "./jobs/contracts.ts";
import type { DeliveryReader } from "./jobs/delivery.ts";
import type { Inbox } from "./jobs/inbox-item.ts";
import { type Cleanup, createCleanup, lazily, once } from "./lifecycle.ts";
import type { Log } from "./log.ts";
import { withInboxEvents, withJobEvents, withRunEvents } from "./open-stores.ts";
import { createRunStats, type RunStats } from "./scheduler/run-stats.ts";
import type { SchedulerDeps, SchedulerRuntime } from "./scheduler/start.ts";
import type { KeyRing } from "./store/api-keys.ts";
import type { Backlog } from "./store/fair-order.ts";
import { peopleTools } from "./tools/builtin.ts";
import { createCatalog } from "./tools/catalog.ts";
import { loadToolModules } from "./tools/modules.ts";
import { narrow, type SchedulerApi, type Services } from "./tools/services.ts";
import type { UpstreamConfig } from "./upstream/config.ts";
import { urlProblem } from "./webhooks/url.ts";
import type { WebhookStore } from "./webhooks/webhook-store.ts";

export interface AppOptions {
  readonly config: Config;
  readonly log: Log;
  /** `connection`: a stdio server, which runs jobs only while its client is there, and says so. */
  readonly lifetime?: "connection" | "service";
  readonly now?: () => number;
}

/** Everything that runs in this process, built in one place, closed in reverse order. */
export interface App {
  readonly config: Config;
  /** What connections are made from. */
  readonly connectionDeps: ConnectionDeps;
  /** The API keys of this installation: for the HTTP transport and the operator's command line. */
  readonly keys: KeyRing;
  /** The webhook of a user, with its secret: for the operator's command line alone. */
  openWebhooks(user: string): WebhookStore;
  /** A context of the user without a protocol around it: for host programs and the command line. */
  openContext(caller: { user: string; entityType?: "human" | "api" }): OpenContext;
  /**
   * Runs due jobs from now on, and keeps the jobs folder in step. `onlyUser`: that user's jobs alone. Rejects with
   * DATA_UNAVAILABLE; may be called again then.
   */
  startScheduler(options?: { onlyUser?: string }): Promise<void>;
  /** Runs one queued run in this process, and resolves when it has ended here or elsewhere. */
  runOne(userKey: string, runId: string): Promise<void>;
  /** Rejects while the jobs database cannot be reached. */
  checkReady(): Promise<void>;
  /** What became of the runs of this process. */
  readonly runStats: RunStats;
  /** What waits to be run, here or on another node. Rejects with DATA_UNAVAILABLE. */
  readBacklog(): Promise<Backlog>;
  /** Ends what runs, closes what is open. May be called twice. */
  close(): Promise<void>;
}

/** Builds the program. Opens nothing yet: stores, threads and the model's client come with their first use. */
export async function createApp(options: AppOptions): Promise<App> {
  const { config, log } = options;
  const hostNow = options.now ?? Date.now;
  let skewMs = 0;
  const now = () => hostNow() + skewMs;
  const onSkew = (aheadMs: number) => {
    skewMs += aheadMs;
    log.warn({ ahead_ms: aheadMs }, "Postgres has another time than this machine; it is used from here on");
  };
  const cleanup = createCleanup();
  const modules = await loadToolModules(config.tools);
  const upstreams = await readUpstreams(config);
  const events = createEvents();
  const steps = createStepFeed();
  const runStats = createRunStats();
  const activity = createActivity();
  const stores = openStores({ config, now, onSkew, events, cleanup });
  const ghosts = describeGhosts(config, modules, await nameUpstreams(upstreams, log, now));
  const schedulerDeps: SchedulerDeps = {
    config,
    log,
    now,
    events,
    steps,
    runStats,
    activity,
    upstreams,
    database: stores.database,
    openRuns: stores.runs,
  };
  let runtime: Promise<SchedulerRuntime> | undefined;
  const scheduler: SchedulerApi = {
    ...ghosts,
    follow: steps.follow,
    checkWebhook: (url) => {
      const problem = urlProblem(url, { allowPrivate: config.webhookAllowPrivate });
      if (problem) throw new NightshiftError("INVALID_ARGUMENTS", problem);
    },
    wake: () =>
      void runtime?.then(
        (opened) => opened.wake(),
        () => {},
      ),
    ...(options.lifetime === "connection" && { caveat: CONNECTION_CAVEAT }),
  };
  const servicesFor = (context: UserContext): Services => {
    if (context.entityType !== "human" && context.entityType !== "api") return { now };
    const { userKey, scopes } = context;
    // Made when a tool first asks: most requests ask for one of them or none.
    return {
      now,
      scheduler,
      get facts() {
        return narrow(stores.facts(userKey), scopes, "facts");
      },
      get jobs() {
        return narrow(stores.jobs(context), scopes, "jobs");
      },
      get runs() {
        return narrow(stores.runs(userKey), scopes, "jobs");
      },
      get inbox() {
        return narrow(stores.inbox(userKey), scopes, "jobs");
      },
      get runControl() {
        return narrow(stores.runs(userKey), scopes, "jobs");
      },
      get deliveries() {
        return narrow(stores.deliveries(userKey), scopes, "jobs");
      },
    };
  };
  const connectionDeps: ConnectionDeps = {
    catalog: createCatalog([...peopleTools, ...modules.tools]),
    registers: modules.registers,
    servicesFor,
    events,
    activity,
    log,
    open: new Set(),
  };
  const startRuntime = async (onlyUser: string | undefined) => {
    const { startScheduler } = await import("./scheduler/start.ts");
    const owner = localPrincipal(config.user);
    const opened = await startScheduler({
      ...schedulerDeps,
      folderStore: stores.jobs({ userId: config.user, userKey: userKeyOf(owner) }),
      ...(onlyUser !== undefined && { onlyUserKey: userKeyOf(localPrincipal(onlyUser)) }),
    });
    cleanup.add(opened.close);
    return opened;
  };
  const ended = new AbortController();
  return {
    config,
    connectionDeps,
    keys: stores.keys,
    openWebhooks: (user) => stores.webhooks(userKeyOf(localPrincipal(user))),
    openContext: ({ user, entityType = "human" }) =>
      openContext(connectionDeps, { principal: localPrincipal(user), entityType, signal: ended.signal }),
    startScheduler: async ({ onlyUser } = {}) => {
      runtime ??= startRuntime(onlyUser).catch((error: unknown) => {
        runtime = undefined;
        throw error;
      });
      await runtime;
    },
    runOne: async (userKey, runId) =>
      (await import("./scheduler/start.ts")).runOne(schedulerDeps, userKey, runId),
    checkReady: async () => (await stores.database()).ping(),
    runStats,
    readBacklog: async () =>
      (await import("./store/fair-order.ts")).readBacklog(await stores.database(), now()),
    close: once(async () => {
      ended.abort();
      await runtime?.catch(() => {});
      const contexts = [...connectionDeps.open].map((open) => open.dispose());
      cleanup.add(() => Promise.all(contexts));
      await cleanup.run();
    }),
  };
}

/** The other MCP servers, read and not connected: most processes have none, and load nothing for them. */
async function readUpstreams({ mcpConfig }: Config): Promise<UpstreamConfig> {
  return mcpConfig ? (await import("./upstream/config.ts")).readMcpConfig(mcpConfig, variable) : [];
}

async function nameUpstreams(upstreams: UpstreamConfig, log: Log, now: () => number) {
  if (upstreams.length === 0) return undefined;
  const { createUpstreamNames } = await import("./upstream/tool-names.ts");
  return createUpstreamNames(upstreams, { log, now });
}

const CONNECTION_CAVEAT =
  "This server lives as long as the client that started it: jobs run while it is connected, and what was missed is caught up when it is back. `nightshift serve` runs them without a client.";

/** Facts, and jobs with all that belongs to them: each opened when it is first needed and closed with the app. */
function openStores(parts: {
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
  const dataDir = resolve(config.dataDir);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const { openDatabase } = await import("./database/open-sqlite.ts");
  return openDatabase({ file: join(dataDir, "jobs.sqlite"), now });
}
