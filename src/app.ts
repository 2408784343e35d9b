import { createActivity } from "./activity.ts";
import { type Config, GIVEN_TZ, variable } from "./config.ts";
import {
  type ConnectionDeps,
  localPrincipal,
  type OpenContext,
  openContext,
} from "./connection/connection.ts";
import { createHeldBytes } from "./connection/held-bytes.ts";
import { createWorkInProgress } from "./connection/work.ts";
import { type Principal, type UserContext, userKeyOf } from "./context/user-context.ts";
import { NightshiftError } from "./errors.ts";
import { createEvents, createTopics, type StepFeed } from "./events.ts";
import { describeGhosts } from "./ghost/capabilities.ts";
import type { RunStore } from "./jobs/contracts.ts";
import { createCleanup, once } from "./lifecycle.ts";
import type { Log } from "./log.ts";
import { openStores } from "./open-stores.ts";
import { createRunStats, type RunStats } from "./scheduler/run-stats.ts";
import { announceServing, isServed, runnableKinds } from "./scheduler/serving.ts";
import type { SchedulerDeps, SchedulerRuntime } from "./scheduler/start.ts";
import type { KeyRing } from "./store/api-keys.ts";
import type { Backlog } from "./store/fair-order.ts";
import { toolsIn } from "./tools/builtin.ts";
import { createCatalog } from "./tools/catalog.ts";
import { loadToolModules } from "./tools/modules.ts";
import type { SchedulerApi, Services } from "./tools/services.ts";
import type { UpstreamConfig } from "./upstream/config.ts";
import { defaultZone, userZone } from "./user-zone.ts";
import { urlProblem } from "./webhooks/url.ts";
import type { WebhookStore } from "./webhooks/webhook-store.ts";

export interface AppOptions {
  readonly config: Config;
  readonly log: Log;
  /**
   * `connection`: a stdio server, which runs jobs only while its client is connected, and says so in schedule_task unless
   * a `service` runs them too.
   */
  readonly lifetime?: "connection" | "service";
  readonly now?: () => number;
}

/** The whole program in this process. Its parts are closed in reverse order. */
export interface App {
  readonly config: Config;
  /** Epoch ms by the database's clock, as far as it is known. */
  readonly now: () => number;
  /** The parts that all connections share. */
  readonly connectionDeps: ConnectionDeps;
  /** The API keys of this installation, for the HTTP transport and the operator's commands. */
  readonly keys: KeyRing;
  /** A user's webhook with its secret, for the operator's commands alone. */
  openWebhooks(user: string): WebhookStore;
  /** Opens a context of the user without a protocol, for host programs and the command line. */
  openContext(caller: { user: string; entityType?: "human" | "api" }): OpenContext;
  /**
   * Runs due jobs from now on, and watches the jobs folder. `onlyUser`: runs that user's jobs alone. Rejects with
   * DATA_UNAVAILABLE, and may be called again then.
   */
  startScheduler(options?: { onlyUser?: string }): Promise<void>;
  /** Runs one queued run in this process. Resolves when it has ended, here or in another process. */
  runOne(userKey: string, runId: string): Promise<void>;
  /** Rejects while the jobs database cannot be reached. */
  checkReady(): Promise<void>;
  /** True while the database is so busy that further calls of this user are better refused at once. */
  isBusy(userKey: string): boolean;
  /** Counts of the runs that ended in this process. */
  readonly runStats: RunStats;
  /** Counts the runs that are due, on all nodes. Rejects with DATA_UNAVAILABLE. */
  readBacklog(): Promise<Backlog>;
  /** Ends running ghosts and open contexts, and closes the stores. May be called twice. */
  close(): Promise<void>;
}

/** Builds the program. Opens nothing yet: stores, threads and the model's client are opened with their first use. */
export async function createApp(options: AppOptions): Promise<App> {
  const { config, log } = options;
  const hostNow = options.now ?? Date.now;
  let skewMs = 0;
  const now = () => hostNow() + skewMs;
  const onSkew = (aheadMs: number) => {
    skewMs += aheadMs;
    log.warn(
      { ahead_ms: aheadMs },
      "Postgres has another time than this machine; Nightshift uses the time of Postgres from here on",
    );
  };
  const cleanup = createCleanup();
  const modules = await loadToolModules(config.tools);
  const upstreams = await readUpstreams(config);
  const events = createEvents();
  const steps: StepFeed = createTopics();
  const runStats = createRunStats();
  const activity = createActivity();
  const isService = options.lifetime === "service";
  const [node, serves] = isService ? [config.node, runnableKinds(config)] : [];
  const stores = openStores({ config, now, onSkew, log, events, cleanup, node, serves });
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
    offers: ghosts.offers,
    database: stores.database,
    openRuns: (userKey) => stores.runs(userKey, "all"),
  };
  let runtime: Promise<SchedulerRuntime> | undefined;
  const scheduler: Omit<SchedulerApi, "checkUpstreams" | "assertMayName"> = {
    ...ghosts,
    follow: steps.subscribe,
    checkWebhook: (url) => {
      const problem = urlProblem(url, { allowPrivate: config.webhookAllowPrivate });
      if (problem) throw new NightshiftError("INVALID_ARGUMENTS", problem);
    },
    wake: () =>
      void runtime?.then(
        (opened) => opened.wake(),
        () => {},
      ),
    ...(options.lifetime === "connection" && {
      caveat: async (kind) => ((await isServed(kind, config, stores.database)) ? SERVED : CONNECTION_CAVEAT),
    }),
  };
  const fallbackZone = defaultZone(config, options.lifetime === "service");
  const servicesFor = (context: UserContext): Services => {
    if (context.entityType !== "human" && context.entityType !== "api") return { now };
    const { userKey, scopes } = context;
    // Opened when a tool first reads one: most requests need one of them or none.
    let facts: Services["facts"];
    let jobs: Services["jobs"];
    let runs: RunStore | undefined;
    let inbox: Services["inbox"];
    let deliveries: Services["deliveries"];
    const openRuns = () => {
      runs ??= stores.runs(userKey, scopes);
      return runs;
    };
    return {
      now,
      scheduler: {
        ...scheduler,
        checkUpstreams: (names) => ghosts.checkUpstreams(names, userKey),
        assertMayName: (tools) => ghosts.assertMayName(tools, scopes),
      },
      get facts() {
        facts ??= stores.facts(userKey, scopes);
        return facts;
      },
      get jobs() {
        jobs ??= stores.jobs(context, scopes);
        return jobs;
      },
      get runs() {
        return openRuns();
      },
      get zone() {
        const mayRead = scopes.includes("jobs:read") || scopes.includes("jobs:write");
        return userZone(stores.settings(userKey, scopes), fallbackZone, mayRead);
      },
      get runControl() {
        return openRuns();
      },
      get inbox() {
        inbox ??= stores.inbox(userKey, scopes);
        return inbox;
      },
      get deliveries() {
        deliveries ??= stores.deliveries(userKey, scopes);
        return deliveries;
      },
    };
  };
  const connectionDeps: ConnectionDeps = {
    catalog: createCatalog([...toolsIn(config.toolsets), ...modules.tools]),
    registers: modules.registers,
    servicesFor,
    events,
    activity,
    log,
    work: createWorkInProgress(),
    held: createHeldBytes(config.maxHeldBytes),
    open: new Set(),
  };
  const startRuntime = async (onlyUser: string | undefined) => {
    const { startScheduler } = await import("./scheduler/start.ts");
    const owner = localPrincipal(config.user);
    const opened = await startScheduler({
      ...schedulerDeps,
      tz: GIVEN_TZ,
      folderStore: stores.jobs({ userId: config.user, userKey: userKeyOf(owner) }, "all"),
      ...(onlyUser !== undefined && { onlyUserKey: userKeyOf(localPrincipal(onlyUser)) }),
    });
    cleanup.add(opened.close);
    if (isService) cleanup.add(announceServing(config, log));
    return opened;
  };
  const ended = new AbortController();
  return {
    config,
    now,
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
    isBusy: stores.isBusy,
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

/** Reads the configuration of upstream servers, without connecting. Loads nothing when there is none. */
async function readUpstreams({ mcpConfig }: Config): Promise<UpstreamConfig> {
  return mcpConfig
    ? (await import("./upstream/config.ts")).readMcpConfig(mcpConfig, variable, keyOfUser)
    : [];
}

const keyOfUser = (user: string | Principal): string =>
  userKeyOf(typeof user === "string" ? localPrincipal(user) : user);

async function nameUpstreams(upstreams: UpstreamConfig, log: Log, now: () => number) {
  if (upstreams.length === 0) return undefined;
  const { createUpstreamNames } = await import("./upstream/tool-names.ts");
  return createUpstreamNames(upstreams, { log, now });
}

const SERVED =
  "A `nightshift serve` beside this server runs jobs in any case, also while no client is connected.";
const CONNECTION_CAVEAT =
  "This server lives as long as the client that started it: jobs run while it is connected, and what was missed is caught up when it is back. `nightshift serve` runs them without a client.";
