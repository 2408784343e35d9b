import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { hostHeaderValidation, originValidation } from "@modelcontextprotocol/node";
import { classifyInboundRequest } from "@modelcontextprotocol/server";
import type { Config } from "../../config.ts";
import type { ConnectionDeps } from "../../connection/connection.ts";
import { NightshiftError } from "../../errors.ts";
import type { RunStats } from "../../scheduler/run-stats.ts";
import type { Backlog } from "../../store/fair-order.ts";
import { type Authenticator, type AuthorizedRequest, watchCredentials } from "./auth.ts";
import { type AuthorizeDeps, authorize, authorizeOperator } from "./authorize.ts";
import { type CallerLimits, createLimits } from "./limits.ts";
import { createHttpServer, isLoopback, startListening } from "./listen.ts";
import { createMetrics, type Metrics, memoizeFor } from "./metrics.ts";
import { correlationIdOf, refuse, sendJson } from "./responses.ts";
import { CARD_PATHS, showServerCard } from "./server-card.ts";
import { createSessions, type Sessions } from "./sessions.ts";
import type { SsePair } from "./sse.ts";
import { createStateless, type StatelessHandler } from "./stateless.ts";

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

interface HttpParts extends HttpOptions, AuthorizeDeps {
  readonly metrics: Metrics;
  readonly stateless: StatelessHandler;
  readonly sessions: Sessions;
  readonly sse: SsePair | undefined;
}

const MODERN = "2026-07-28";
/** For this long `/metrics` shows the same backlog, so that scrapes do not load the database. */
const BACKLOG_MS = 3_000;
/** A database that takes longer to answer counts as unavailable. */
const READY_MS = 2_000;
const METRICS_PATH = "/metrics";
const LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"];

/** Serves MCP over HTTP. Rejects with CONFIG_INVALID when it cannot listen. */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  const { connectionDeps, config, authenticator, now } = options;
  const limits = createLimits(config, connectionDeps.work.unfinished);
  const credentials = watchCredentials(authenticator);
  const { node } = config;
  const idleMs = config.sessionIdleSeconds * 1000;
  const sessions = createSessions({ connectionDeps, limits, credentials, node, idleMs, now });
  const stateless = createStateless(connectionDeps);
  const sse = config.sse ? (await import("./sse.ts")).createSsePair(connectionDeps, limits, node) : undefined;
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

/** Serves every route, each behind the check of the Host and Origin headers. */
function route(parts: HttpParts): RequestListener {
  const { config, metrics } = parts;
  const hosts = [
    ...LOOPBACK_HOSTS,
    ...config.allowedHosts,
    ...(config.publicUrl ? [new URL(config.publicUrl).hostname] : []),
  ];
  const isHostKnown = hostHeaderValidation(hosts);
  const isOriginKnown = originValidation(hosts);
  const serveMcp = authorized(parts, (request) =>
    isLegacy(request) ? parts.sessions.serve(request) : parts.stateless.serve(request),
  );
  const others = otherRoutes(parts);
  return (req, res) => {
    const path = pathOf(req);
    metrics.count(path, res);
    if (!isHostKnown(req, res) || !isOriginKnown(req, res)) return;
    if (path === "/mcp") return serveMcp(req, res);
    const method = req.method === "HEAD" ? "GET" : req.method;
    const serve = others.get(`${method} ${path.replace(/\/$/, "")}`);
    if (serve) serve(req, res);
    else refuse(res, 404, "There is nothing here; MCP is at /mcp.");
  };
}

const pathOf = ({ url = "" }: IncomingMessage): string => {
  const end = url.indexOf("?");
  return end < 0 ? url : url.slice(0, end);
};

/** Routes for the operator, for OAuth clients and for clients of the oldest transport, by method and path. */
function otherRoutes(parts: HttpParts): ReadonlyMap<string, RequestListener> {
  const { checkReady, config, issuer, sse } = parts;
  const routes = new Map<string, RequestListener>([
    ["GET /healthz", (_req, res) => sendJson(res, 200, { status: "ok" })],
    [
      "GET /readyz",
      async (_req, res) => {
        const isReady = await Promise.race([
          checkReady().then(
            () => true,
            () => false,
          ),
          new Promise((resolve) => setTimeout(resolve, READY_MS, false).unref()),
        ]);
        sendJson(res, isReady ? 200 : 503, { status: isReady ? "ready" : "unavailable" });
      },
    ],
  ]);
  if (config.metricsPort === undefined) routes.set(`GET ${METRICS_PATH}`, showMetrics(parts));
  const showCard = showServerCard((req) => baseUrl(config, req), config);
  for (const path of CARD_PATHS) routes.set(`GET ${path}`, showCard);
  if (issuer) for (const path of METADATA_PATHS) routes.set(`GET ${path}`, showMetadata(parts, issuer));
  if (sse)
    routes.set("GET /sse", authorized(parts, sse.stream)).set("POST /messages", authorized(parts, sse.post));
  return routes;
}

/** Where others than this machine's programs can ask, they need a key. */
const showMetrics = (parts: HttpParts): RequestListener =>
  caught(parts, async (req, res) => {
    if (isLoopback(parts.config.host) || (await authorizeOperator(parts, req, res)))
      await parts.metrics.show(res);
  });

/** Serves the requests that `authorize` lets in; it has answered the others. */
const authorized = (
  parts: HttpParts,
  serve: (request: AuthorizedRequest) => Promise<void>,
): RequestListener =>
  caught(parts, async (req, res) => {
    const request = await authorize(parts, req, res);
    if (request) await serve(request);
  });

/** Logs in full what `serve` rejects with, and tells the caller nothing of it. */
function caught(
  { connectionDeps: { log } }: Pick<HttpParts, "connectionDeps">,
  serve: (req: IncomingMessage, res: ServerResponse) => Promise<void>,
): RequestListener {
  return async (req, res) => {
    let failure: { err: unknown } | undefined;
    try {
      await serve(req, res);
    } catch (error) {
      // A caller who went away is no failure, and cannot be told anything.
      if (res.destroyed || req.readableAborted) return;
      failure = { err: error };
      refuseFor(error, res);
    }
    const correlation_id = correlationIdOf(res);
    if (failure) log.error({ ...failure, correlation_id }, "a request failed");
    else if (correlation_id) log.debug({ correlation_id, status: res.statusCode }, "a request was refused");
  };
}

function refuseFor(error: unknown, res: ServerResponse): void {
  if (error instanceof NightshiftError && error.code === "DATA_UNAVAILABLE")
    refuse(res, 503, "The database cannot be reached at the moment; try again soon. [DATA_UNAVAILABLE]", {
      headers: { "Retry-After": "2" },
    });
  else refuse(res, 500, "Something went wrong inside Nightshift; its log says what.", { code: -32_603 });
}

const METADATA_PATHS = ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"];

/** The URL of this server: the configured one, or the Host header that the client sent, which was checked. */
const baseUrl = ({ publicUrl }: Config, req: IncomingMessage): string =>
  publicUrl?.replace(/\/$/, "") ?? `http://${req.headers.host}`;

/** Shows the issuer whose tokens this server takes (RFC 9728). */
function showMetadata({ config, connectionDeps }: HttpParts, issuer: string): RequestListener {
  const scopes = [
    ...new Set([...connectionDeps.catalog.definitions.values()].flatMap(({ scope }) => scope ?? [])),
  ];
  return (req, res) => {
    const resource = {
      resource: `${baseUrl(config, req)}/mcp`,
      authorization_servers: [issuer],
      scopes_supported: scopes,
      bearer_methods_supported: ["header"],
    };
    sendJson(res, 200, resource, { "access-control-allow-origin": "*" });
  };
}

/**
 * True for requests of the 2025 era. The version header decides where it is clear: 2026 in a POST, or an older one in a
 * session. Otherwise the SDK's own rules decide.
 */
function isLegacy({ req, body }: AuthorizedRequest): boolean {
  const version = req.headers["mcp-protocol-version"];
  if (version === MODERN && req.method === "POST") return false;
  if (version !== undefined && version < MODERN && req.headers["mcp-session-id"] !== undefined) return true;
  const header = version === undefined ? {} : { protocolVersionHeader: String(version) };
  return classifyInboundRequest({ httpMethod: req.method ?? "", ...header, body }).kind === "legacy";
}
