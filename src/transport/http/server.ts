import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { hostHeaderValidation, originValidation } from "@modelcontextprotocol/express";
import { classifyInboundRequest } from "@modelcontextprotocol/server";
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from "express";
import type { Config } from "../../config.ts";
import type { House } from "../../connection/connection.ts";
import { NightshiftError } from "../../errors.ts";
import { noSuchSession, refuse } from "./answers.ts";
import { readBody } from "./body.ts";
import { askForCredentials, askForScope, type MetadataUrl, missingScope } from "./challenge.ts";
import { createLimits, type Limits } from "./limits.ts";
import { type Live, watchLive } from "./live.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { serveModern } from "./modern.ts";
import type { Authenticator, Proof } from "./proof.ts";
import { createSessions, type Sessions } from "./sessions.ts";
import type { SsePair } from "./sse.ts";

export interface HttpOptions {
  readonly house: House;
  readonly config: Config;
  readonly authenticator: Authenticator;
  /** The OAuth issuer whose tokens are accepted. */
  readonly issuer?: string | undefined;
  /** Rejects while the stores cannot be reached. */
  readonly checkReady: () => Promise<unknown>;
  readonly now: () => number;
}

export interface HttpServer {
  readonly url: string;
  /** Stops accepting, lets calls finish for a while, ends what is left. */
  close(): Promise<void>;
}

interface Parts extends HttpOptions {
  readonly limits: Limits;
  readonly live: Live;
  readonly metrics: Metrics;
  readonly sessions: Sessions;
  readonly sse: SsePair | undefined;
  readonly metadataUrl: MetadataUrl;
}

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/** Serves MCP over HTTP. Rejects with CONFIG_INVALID when it cannot listen. */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  const { house, config, authenticator, now } = options;
  const limits = createLimits(config);
  const live = watchLive(authenticator);
  const sessions = createSessions(house, limits, config.sessionIdleSeconds * 1000, now);
  const sse = config.sse ? (await import("./sse.ts")).createSsePair(house, limits) : undefined;
  const metrics = await createMetrics({
    sessions: { help: "2025-era sessions", read: () => sessions.size },
    contexts: { help: "Open contexts", read: () => house.open.size },
    responses: { help: "HTTP responses at work", read: () => live.size },
    calls: { help: "Calls at work", read: () => limits.total("calls") },
    subscriptions: { help: "Open subscription streams", read: () => limits.total("subscriptions") },
  });
  const base = config.publicUrl?.replace(/\/$/, "");
  const metadataUrl = options.issuer && base ? `${base}/.well-known/oauth-protected-resource/mcp` : undefined;
  const server = createServer(route({ ...options, limits, live, metrics, sessions, sse, metadataUrl }));
  const url = await listen(server, config);
  return {
    url,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      await finishCalls(limits, config.shutdownSeconds * 1000);
      live.close();
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

async function finishCalls(limits: Limits, patienceMs: number): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (limits.total("calls") > 0 && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Every route there is. Guard, proof and limits come before anything is read or made for a caller. */
function route(parts: Parts): Express {
  const { config, metrics } = parts;
  const app = express().disable("x-powered-by").disable("etag").set("query parser", "simple");
  const hosts = [
    ...LOOPBACK,
    ...config.allowedHosts,
    ...(config.publicUrl ? [new URL(config.publicUrl).hostname] : []),
  ];
  app.use(metrics.count, hostHeaderValidation(hosts), originValidation(hosts));
  app.get("/healthz", (_req, res) => void res.json({ status: "ok" }));
  app.get("/readyz", async (_req, res) => {
    const isReady = await parts.checkReady().then(
      () => true,
      () => false,
    );
    res.status(isReady ? 200 : 503).json({ status: isReady ? "ready" : "unavailable" });
  });
  app.get("/metrics", (_req, res) => metrics.show(res));
  if (parts.issuer) app.get(METADATA_PATHS, showMetadata(parts, parts.issuer));
  const guarded = [prove(parts), readBody(config), counting(parts)];
  app.all("/mcp", ...guarded, serveMcp(parts));
  const { sse } = parts;
  if (sse) {
    app.get("/sse", prove(parts), (req, res) => sse.stream(proofOf(res.locals), req, res));
    app.post("/messages", ...guarded, (req, res) => sse.post(proofOf(res.locals), req, res));
  }
  app.use((_req, res) => refuse(res, 404, "There is nothing here; MCP is at /mcp."));
  app.use(showFailure(parts));
  return app;
}

const METADATA_PATHS = ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"];

/** RFC 9728: which issuer's tokens this server takes. */
function showMetadata({ config, house }: Parts, issuer: string): RequestHandler {
  const scopes = [...new Set([...house.catalog.definitions.values()].flatMap(({ scope }) => scope ?? []))];
  return (req, res) => {
    const base = config.publicUrl?.replace(/\/$/, "") ?? `http://${req.get("host")}`;
    const resource = { resource: `${base}/mcp`, authorization_servers: [issuer], scopes_supported: scopes };
    res.set("access-control-allow-origin", "*").json({ ...resource, bearer_methods_supported: ["header"] });
  };
}

const proofOf = (locals: Record<string, unknown>): Proof => locals.proof as Proof;

/** Who calls, and may they call now? Nothing is allocated for anybody before this has answered. */
function prove({ authenticator, limits, live, metadataUrl }: Parts): RequestHandler {
  return async (req, res, next) => {
    const verdict = await authenticator.authenticate(req.get("authorization"));
    if (verdict.kind === "refused") return askForCredentials(res, verdict.reason, metadataUrl);
    const waitSeconds = await limits.pace(verdict.proof.userKey);
    if (waitSeconds !== undefined) {
      const message = `Too many calls; try again in ${waitSeconds} s.`;
      return refuse(res, 429, message, { headers: { "Retry-After": String(waitSeconds) } });
    }
    res.locals.proof = verdict.proof;
    live.watch(verdict.proof, res);
    next();
  };
}

/** Counts what the caller has at work: streams that stay open apart from calls that end. */
function counting({ limits, house, metadataUrl }: Parts): RequestHandler {
  return (req, res, next) => {
    const proof = proofOf(res.locals);
    const scope = missingScope(house, proof, req);
    if (scope) return askForScope(res, scope, metadataUrl);
    const isStream = req.method === "GET" || req.body?.method === "subscriptions/listen";
    const giveBack = limits.take(isStream ? "subscriptions" : "calls", proof.userKey);
    if (!giveBack) {
      const message = isStream
        ? "You have too many open streams; close one first."
        : "You have too many calls at work; wait for one to end.";
      return refuse(res, 429, message, { headers: { "Retry-After": "1" } });
    }
    res.once("close", giveBack);
    next();
  };
}

/** Either era, told apart the way the SDK does it. */
function serveMcp({ house, sessions }: Parts): RequestHandler {
  return async (req, res) => {
    const proof = proofOf(res.locals);
    const route = classifyInboundRequest({
      httpMethod: req.method,
      ...headerOf("protocolVersionHeader", req.get("mcp-protocol-version")),
      ...headerOf("mcpMethodHeader", req.get("mcp-method")),
      ...headerOf("mcpNameHeader", req.get("mcp-name")),
      body: req.body,
    });
    if (route.kind === "legacy") return sessions.serve(proof, req, res);
    // A session belongs to the other era; naming one here finds nothing.
    if (req.get("mcp-session-id") !== undefined && route.kind === "reject" && req.method !== "POST")
      return noSuchSession(res);
    const gone = new AbortController();
    res.once("close", () => gone.abort());
    await serveModern(house, { ...proof, signal: gone.signal }, proof.userKey, req, res);
  };
}

const headerOf = <K extends string>(key: K, value: string | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { [P in K]?: string };

/** What went wrong outside of a call. Ours is logged in full, and told to nobody. */
function showFailure({ house }: Parts): ErrorRequestHandler {
  return (error: { status?: number; type?: string; message?: string }, _req, res, _next) => {
    if (error.type === "entity.too.large") return refuse(res, 413, "The body of this request is too large.");
    if (error.type === "json.too.deep") return refuse(res, 400, `${error.message}.`, { code: -32_700 });
    if (error.status !== undefined && error.status < 500)
      return refuse(res, error.status, "The body of this request is not valid JSON.", { code: -32_700 });
    const correlationId = crypto.randomUUID();
    house.log.error({ err: error, correlation_id: correlationId }, "a request failed");
    refuse(res, 500, `Something went wrong inside Nightshift (${correlationId}).`, { code: -32_603 });
  };
}
