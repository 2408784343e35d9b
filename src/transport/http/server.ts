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
import express, { type Express, type RequestHandler } from "express";
import type { Config } from "../../config.ts";
import type { ConnectionDeps } from "../../connection/connection.ts";
import { NightshiftError } from "../../errors.ts";
import type { RunStats } from "../../scheduler/run-stats.ts";
import type { Backlog } from "../../store/fair-order.ts";
import type { Authenticator } from "./auth.ts";
import { watchCredentials } from "./auth.ts";
import { type AuthorizeDeps, type AuthorizedRequest, authorize } from "./authorize.ts";
import { createLimits, type Limits } from "./limits.ts";
import { createMetrics, type Metrics, memoizeFor } from "./metrics.ts";
import { correlationIdOf, refuse } from "./responses.ts";
import { createSessions, type Sessions } from "./sessions.ts";
import type { SsePair } from "./sse.ts";
import { createStateless, type StatelessHandler } from "./stateless.ts";

export interface HttpOptions {
  readonly connectionDeps: ConnectionDeps;
  readonly config: Config;
  readonly authenticator: Authenticator;
  /** The OAuth issuer whose tokens are accepted. */
  readonly issuer?: string | undefined;
  /** Rejects while the stores cannot be reached. */
  readonly checkReady: () => Promise<unknown>;
  /** What waits to be run; rejects while the stores cannot be reached. */
  readonly readBacklog: () => Promise<Backlog>;
  readonly runStats: RunStats;
  readonly now: () => number;
}

export interface HttpServer {
  readonly url: string;
  /** Stops accepting, lets calls finish for a while, ends what is left. */
  close(): Promise<void>;
}

interface Parts extends HttpOptions, AuthorizeDeps {
  readonly metrics: Metrics;
  readonly stateless: StatelessHandler;
  readonly sessions: Sessions;
  readonly sse: SsePair | undefined;
}

const MODERN = "2026-07-28";
/** For how long an answer of the database about its queue is shown. */
const BACKLOG_MS = 3_000;
/** Longer than proxies keep an idle connection (60 s at most) and than Node clients do, which read it from the response. */
const KEEP_ALIVE_MS = 75_000;
/** A database that takes longer to say that it is there is not. */
const READY_MS = 2_000;
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/** Serves MCP over HTTP. Rejects with CONFIG_INVALID when it cannot listen. */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  const { connectionDeps, config, authenticator, now } = options;
  const limits = createLimits(config);
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
  const url = await listen(server, config);
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

function listen(server: Server, { host, port }: Config): Promise<string> {
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

async function finishCalls(limits: Limits, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (limits.total("calls") > 0 && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 20));
}

/**
 * Every route there is, behind one guard. MCP's own is answered here: Express changes the prototypes of each request and
 * response and reads bodies in many steps, which cost a call a quarter more. Express has the rest.
 */
function route(parts: Parts): RequestListener {
  const { config, metrics } = parts;
  const hosts = [
    ...LOOPBACK,
    ...config.allowedHosts,
    ...(config.publicUrl ? [new URL(config.publicUrl).hostname] : []),
  ];
  const isHostKnown = hostHeaderValidation(hosts);
  const isOriginKnown = originValidation(hosts);
  const serveMcp = authorizedRoute(parts, (authorized) =>
    isLegacy(authorized) ? parts.sessions.serve(authorized) : parts.stateless.serve(authorized),
  );
  const others = otherRoutes(parts);
  return (req, res) => {
    const path = pathOf(req);
    metrics.count(path, res);
    if (!isHostKnown(req, res) || !isOriginKnown(req, res)) return;
    if (path === "/mcp") serveMcp(req, res);
    else others(req, res);
  };
}

const pathOf = ({ url = "" }: IncomingMessage): string => {
  const end = url.indexOf("?");
  return end < 0 ? url : url.slice(0, end);
};

/** For the operator, for OAuth clients, and for clients of the oldest transport. */
function otherRoutes(parts: Parts): Express {
  const app = express().disable("x-powered-by").disable("etag").set("query parser", "simple");
  app.get("/healthz", (_req, res) => void res.json({ status: "ok" }));
  app.get("/readyz", async (_req, res) => {
    const isReady = await Promise.race([
      parts.checkReady().then(
        () => true,
        () => false,
      ),
      new Promise((resolve) => setTimeout(resolve, READY_MS, false).unref()),
    ]);
    res.status(isReady ? 200 : 503).json({ status: isReady ? "ready" : "unavailable" });
  });
  app.get("/metrics", (_req, res) => parts.metrics.show(res));
  if (parts.issuer) app.get(METADATA_PATHS, showMetadata(parts, parts.issuer));
  const { sse } = parts;
  if (sse) {
    app.get("/sse", authorizedRoute(parts, sse.stream));
    app.post("/messages", authorizedRoute(parts, sse.post));
  }
  app.use((_req, res) => refuse(res, 404, "There is nothing here; MCP is at /mcp."));
  return app;
}

/** Serves what is let in. What goes wrong outside of a call is logged in full, and told to nobody. */
function authorizedRoute(
  parts: Parts,
  serve: (authorized: AuthorizedRequest) => Promise<void>,
): RequestListener {
  const { log } = parts.connectionDeps;
  return async (req, res) => {
    let failure: { err: unknown } | undefined;
    try {
      const authorized = await authorize(parts, req, res);
      if (authorized) await serve(authorized);
    } catch (error) {
      // Whoever went away is told nothing, and is nobody's failure.
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

/** How clients reach this server: as it was told, or by the name they used, which was checked. */
const baseUrl = ({ publicUrl }: Config, req: IncomingMessage): string =>
  publicUrl?.replace(/\/$/, "") ?? `http://${req.headers.host}`;

/** RFC 9728: which issuer's tokens this server takes. */
function showMetadata({ config, connectionDeps }: Parts, issuer: string): RequestHandler {
  const scopes = [
    ...new Set([...connectionDeps.catalog.definitions.values()].flatMap(({ scope }) => scope ?? [])),
  ];
  return (req, res) => {
    const resource = {
      resource: `${baseUrl(config, req)}/mcp`,
      authorization_servers: [issuer],
      scopes_supported: scopes,
    };
    res.set("access-control-allow-origin", "*").json({ ...resource, bearer_methods_supported: ["header"] });
  };
}

/**
 * A header that names the 2026 era settles it, whatever else is wrong, and so does an older one within a session; else
 * the SDK's own rules decide.
 */
function isLegacy({ req, body }: AuthorizedRequest): boolean {
  const version = req.headers["mcp-protocol-version"];
  if (version === MODERN && req.method === "POST") return false;
  if (version !== undefined && version < MODERN && req.headers["mcp-session-id"] !== undefined) return true;
  const header = version === undefined ? {} : { protocolVersionHeader: String(version) };
  return classifyInboundRequest({ httpMethod: req.method ?? "", ...header, body }).kind === "legacy";
}
