import type { IncomingMessage } from "node:http";
import { hostHeaderValidation } from "@modelcontextprotocol/node";
import type { Config } from "../../config.ts";
import type { ConnectionDeps } from "../../connection/connection.ts";
import type { RunStats } from "../../scheduler/run-stats.ts";
import type { Backlog } from "../../store/fair-order.ts";
import { type Authenticator, watchCredentials } from "./auth.ts";
import { createDirect } from "./direct.ts";
import { type CallerLimits, createLimits } from "./limits.ts";
import { createHttpServer, startListening } from "./listen.ts";
import { createMetrics, memoizeFor } from "./metrics.ts";
import { refuse } from "./responses.ts";
import { baseUrl, caught, type HttpParts, LOOPBACK_HOSTS, METRICS_PATH, pathOf, route } from "./routes.ts";
import { createSessions } from "./sessions.ts";
import { createStateless } from "./stateless.ts";

export interface HttpOptions {
  readonly connectionDeps: ConnectionDeps;
  readonly config: Config;
  readonly authenticator: Authenticator;
  /** The OAuth issuer whose tokens are accepted, if any. */
  readonly issuer?: string | undefined;
  /** Rejects while the stores cannot be reached. */
  readonly checkReady: () => Promise<unknown>;
  /** True while the stores are so busy that a call of this user is to be refused. Default: never. */
  readonly isBusy?: (userKey: string) => boolean;
  /** Reads how many runs are due; rejects while the stores cannot be reached. */
  readonly readBacklog: () => Promise<Backlog>;
  readonly runStats: RunStats;
  readonly now: () => number;
  /** False leaves every request of the 2026 protocol to the SDK; default true. A test compares both. */
  readonly direct?: boolean;
}

export interface HttpServer {
  readonly url: string;
  /** Where the metrics are, if they have a port of their own. */
  readonly metricsUrl: string | undefined;
  /** Stops accepting requests, gives calls `shutdownSeconds` to finish, then ends the rest. */
  close(): Promise<void>;
}

interface MetricsServer {
  readonly url: string;
  close(): void;
}

/** For this long `/metrics` shows the same backlog, so that scrapes do not load the database. */
const BACKLOG_MS = 3_000;

/** Serves MCP over HTTP. Rejects with CONFIG_INVALID when it cannot listen. */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  const { connectionDeps, config, authenticator, now, direct = true } = options;
  const limits = createLimits(config, connectionDeps.work.unfinished);
  const credentials = watchCredentials(authenticator);
  const nodes = { node: config.node, isCluster: config.databaseUrl !== undefined };
  const idleMs = config.sessionIdleSeconds * 1000;
  const sessions = createSessions({ connectionDeps, limits, credentials, ...nodes, idleMs, now });
  const sdk = createStateless(connectionDeps);
  const stateless = direct ? createDirect(connectionDeps, sdk) : sdk;
  const sse = config.sse
    ? (await import("./sse.ts")).createSsePair(connectionDeps, limits, nodes)
    : undefined;
  const backlog = memoizeFor(BACKLOG_MS, options.readBacklog);
  const overdueSeconds = ({ oldestDueAt }: Backlog) =>
    oldestDueAt === null ? 0 : Math.max(0, now() - oldestDueAt) / 1000;
  const metrics = await createMetrics(options.runStats, {
    sessions: { help: "2025-era sessions", read: () => sessions.size },
    contexts: { help: "Open contexts", read: () => connectionDeps.open.size },
    responses: { help: "HTTP responses at work", read: () => credentials.size - sessions.size },
    calls: { help: "Calls at work", read: () => limits.total("calls") },
    unfinished_calls: {
      help: "Calls that are over and whose work goes on",
      read: () => connectionDeps.work.unfinishedTotal,
    },
    held_bytes: {
      help: "Bytes held of bodies, events and subscriptions",
      read: () => connectionDeps.held.total,
    },
    subscriptions: { help: "Open subscription streams", read: () => limits.total("subscriptions") },
    queue_depth: {
      help: "What is due and was not started, on all nodes",
      read: async () => (await backlog()).depth,
    },
    queue_oldest_due_seconds: {
      help: "How late the oldest of it is",
      read: async () => overdueSeconds(await backlog()),
    },
  });
  const metadataUrl = (req: IncomingMessage) =>
    options.issuer && `${baseUrl(config, req)}/.well-known/oauth-protected-resource/mcp`;
  const parts = { ...options, limits, credentials, metrics, stateless, sessions, sse, metadataUrl };
  const server = createHttpServer(config, route(parts));
  const { host, port, metricsPort } = config;
  const metricsServer = metricsPort === undefined ? undefined : await listenForMetrics(parts, metricsPort);
  const url = await startListening(server, { host, port, flag: "--port" }).catch((error: unknown) => {
    metricsServer?.close();
    throw error;
  });
  return {
    url,
    metricsUrl: metricsServer?.url,
    async close() {
      metricsServer?.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      await finishCalls(limits, config.shutdownSeconds * 1000);
      credentials.close();
      await Promise.all([sessions.close(), sse?.close()]);
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Serves `/metrics` alone, to programs on this machine. */
async function listenForMetrics(
  { config, metrics, connectionDeps }: HttpParts,
  port: number,
): Promise<MetricsServer> {
  const isHostKnown = hostHeaderValidation(LOOPBACK_HOSTS);
  const show = caught({ connectionDeps }, (_req, res) => metrics.show(res));
  const server = createHttpServer(config, (req, res) => {
    if (!isHostKnown(req, res)) return;
    if (req.method === "GET" && pathOf(req) === METRICS_PATH) show(req, res);
    else refuse(res, 404, `There is nothing here; the metrics are at ${METRICS_PATH}.`);
  });
  const url = await startListening(server, { host: "127.0.0.1", port, flag: "--metrics-port" });
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: url + METRICS_PATH, close };
}

async function finishCalls(limits: CallerLimits, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (limits.total("calls") > 0 && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 20));
}
