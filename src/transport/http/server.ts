import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { hostHeaderValidation, originValidation } from "@modelcontextprotocol/node";
import { classifyInboundRequest } from "@modelcontextprotocol/server";
import type { Config } from "../../config.ts";
import type { ConnectionDeps } from "../../connection/connection.ts";
import { NightshiftError } from "../../errors.ts";
import type { RunStats } from "../../scheduler/run-stats.ts";
import type { Backlog } from "../../store/fair-order.ts";
import { type Authenticator, type AuthorizedRequest, watchCredentials } from "./auth.ts";
import { type AuthorizeDeps, authorize } from "./authorize.ts";
import { createDirect, MODERN } from "./direct.ts";
import { type CallerLimits, createLimits } from "./limits.ts";
import { createMetrics, type Metrics, memoizeFor } from "./metrics.ts";
import { correlationIdOf, refuse, sendJson } from "./responses.ts";
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
  /** Reads how many runs are due; rejects while the stores cannot be reached. */
  readonly readBacklog: () => Promise<Backlog>;
  readonly runStats: RunStats;
  readonly now: () => number;
  /** False leaves every request of the 2026 protocol to the SDK; default true. A test compares both. */
  readonly direct?: boolean;
}

export interface HttpServer {
  readonly url: string;
  /** Stops accepting requests, gives calls `shutdownSeconds` to finish, then ends the rest. */
  close(): Promise<void>;
}

interface HttpParts extends HttpOptions, AuthorizeDeps {
  readonly metrics: Metrics;
  readonly stateless: StatelessHandler;
  readonly sessions: Sessions;
  readonly sse: SsePair | undefined;
}

/** For this long `/metrics` shows the same backlog, so that scrapes do not load the database. */
const BACKLOG_MS = 3_000;
/** Longer than proxies keep an idle connection (60 s at most) and than Node clients do, which read it from the response. */
const KEEP_ALIVE_MS = 75_000;
/** A database that takes longer to answer counts as unavailable. */
const READY_MS = 2_000;
const LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"];

/** Serves MCP over HTTP. Rejects with CONFIG_INVALID when it cannot listen. */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  const { connectionDeps, config, authenticator, now, direct = true } = options;
  const limits = createLimits(config);
  const credentials = watchCredentials(authenticator);
  const { node } = config;
  const idleMs = config.sessionIdleSeconds * 1000;
  const sessions = createSessions({ connectionDeps, limits, credentials, node, idleMs, now });
  const sdk = createStateless(connectionDeps);
  const stateless = direct ? createDirect(connectionDeps, sdk) : sdk;
  const sse = config.sse ? (await import("./sse.ts")).createSsePair(connectionDeps, limits, node) : undefined;
  const backlog = memoizeFor(BACKLOG_MS, options.readBacklog);
  const overdueSeconds = ({ oldestDueAt }: Backlog) =>
    oldestDueAt === null ? 0 : Math.max(0, now() - oldestDueAt) / 1000;
  const metrics = await createMetrics(options.runStats, {
    sessions: { help: "2025-era sessions", read: () => sessions.size },
    contexts: { help: "Open contexts", read: () => connectionDeps.open.size },
    responses: { help: "HTTP responses at work", read: () => credentials.size - sessions.size },
    calls: { help: "Calls at work", read: () => limits.total("calls") },
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
  const server = createServer(
    route({ ...options, limits, credentials, metrics, stateless, sessions, sse, metadataUrl }),
  );
  // With Node's 5 s, a busy server closes a connection as idle although a request has just arrived on it.
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  const url = await startListening(server, config);
  return {
    url,
    async close() {
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

function startListening(server: Server, { host, port }: Config): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why =
        error.code === "EADDRINUSE" ? "another program listens there; give another --port" : error.message;
      reject(
        new NightshiftError(
          "CONFIG_INVALID",
          `Cannot listen on ${host}:${port}: ${why}.`,
          {},
          { cause: error },
        ),
      );
    });
    server.listen(port, host, () => {
      const { port: bound } = server.address() as AddressInfo;
      resolve(`http://${host.includes(":") ? `[${host}]` : host}:${bound}`);
    });
  });
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
  const isHostKnown = rememberHosts(hostHeaderValidation(hosts));
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

/** Host headers have any port, so few of them are remembered. */
const MAX_KNOWN_HOSTS = 100;

/** Checks each good Host header once: the check parses a URL. */
function rememberHosts(check: (req: IncomingMessage, res: ServerResponse) => boolean): typeof check {
  const known = new Set<string>();
  return (req, res) => {
    const { host = "" } = req.headers;
    if (known.has(host)) return true;
    const isGood = check(req, res);
    if (isGood && known.size < MAX_KNOWN_HOSTS) known.add(host);
    return isGood;
  };
}

const pathOf = ({ url = "" }: IncomingMessage): string => {
  const end = url.indexOf("?");
  return end < 0 ? url : url.slice(0, end);
};

/** Routes for the operator, for OAuth clients and for clients of the oldest transport, by method and path. */
function otherRoutes(parts: HttpParts): ReadonlyMap<string, RequestListener> {
  const { checkReady, issuer, metrics, sse } = parts;
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
    ["GET /metrics", caught(parts, (_req, res) => metrics.show(res))],
  ]);
  if (issuer) for (const path of METADATA_PATHS) routes.set(`GET ${path}`, showMetadata(parts, issuer));
  if (sse)
    routes.set("GET /sse", authorized(parts, sse.stream)).set("POST /messages", authorized(parts, sse.post));
  return routes;
}

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
  { connectionDeps: { log } }: HttpParts,
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
