import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { hostHeaderValidation, originValidation } from "@modelcontextprotocol/express";
import { classifyInboundRequest } from "@modelcontextprotocol/server";
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
} from "express";
import type { Config } from "../../config.ts";
import type { House } from "../../connection/connection.ts";
import { NightshiftError } from "../../errors.ts";
import { refuse } from "./answers.ts";
import { callsIn } from "./at-work.ts";
import { readBody } from "./body.ts";
import { askForCredentials, askForScope, type MetadataUrl, missingScope } from "./challenge.ts";
import { createLimits, type Limits } from "./limits.ts";
import { type Live, watchLive } from "./live.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { createModern, type Modern } from "./modern.ts";
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
  readonly modern: Modern;
  readonly sessions: Sessions;
  readonly sse: SsePair | undefined;
  readonly metadataUrl: (req: Request) => MetadataUrl;
}

const MODERN = "2026-07-28";
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/** Serves MCP over HTTP. Rejects with CONFIG_INVALID when it cannot listen. */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  const { house, config, authenticator, now } = options;
  const limits = createLimits(config);
  const live = watchLive(authenticator);
  const sessions = createSessions({ house, limits, live, idleMs: config.sessionIdleSeconds * 1000, now });
  const modern = createModern(house);
  const sse = config.sse ? (await import("./sse.ts")).createSsePair(house, limits) : undefined;
  const metrics = await createMetrics({
    sessions: { help: "2025-era sessions", read: () => sessions.size },
    contexts: { help: "Open contexts", read: () => house.open.size },
    responses: { help: "HTTP responses at work", read: () => live.size - sessions.size },
    calls: { help: "Calls at work", read: () => limits.total("calls") },
    subscriptions: { help: "Open subscription streams", read: () => limits.total("subscriptions") },
  });
  const metadataUrl = (req: Request) =>
    options.issuer && `${baseUrl(config, req)}/.well-known/oauth-protected-resource/mcp`;
  const server = createServer(
    route({ ...options, limits, live, metrics, modern, sessions, sse, metadataUrl }),
  );
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
  const guarded = [prove(parts), readBody(config), paceBatch(parts), counting(parts)];
  // First, for it is what is asked for; `route().all` and not `app.all`, which sets a handler for each method of HTTP.
  app.route("/mcp").all(...guarded, serveMcp(parts));
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

/** How clients reach this server: as it was told, or by the name they used, which was checked. */
const baseUrl = ({ publicUrl }: Config, req: Request): string =>
  publicUrl?.replace(/\/$/, "") ?? `http://${req.get("host")}`;

/** RFC 9728: which issuer's tokens this server takes. */
function showMetadata({ config, house }: Parts, issuer: string): RequestHandler {
  const scopes = [...new Set([...house.catalog.definitions.values()].flatMap(({ scope }) => scope ?? []))];
  return (req, res) => {
    const resource = {
      resource: `${baseUrl(config, req)}/mcp`,
      authorization_servers: [issuer],
      scopes_supported: scopes,
    };
    res.set("access-control-allow-origin", "*").json({ ...resource, bearer_methods_supported: ["header"] });
  };
}

const proofOf = (locals: Record<string, unknown>): Proof => locals.proof as Proof;

/** Who calls, and may they call now? Nothing is allocated for anybody before this has answered. */
function prove({ authenticator, limits, live, metadataUrl }: Parts): RequestHandler {
  return async (req, res, next) => {
    const verdict = await authenticator.authenticate(req.get("authorization"));
    if (verdict.kind === "refused") return askForCredentials(res, verdict.reason, metadataUrl(req));
    const waitSeconds = await limits.pace(verdict.proof.userKey);
    if (waitSeconds !== undefined) return askToWait(res, waitSeconds);
    res.locals.proof = verdict.proof;
    res.once(
      "close",
      live.watch(verdict.proof, () => res.destroy()),
    );
    next();
  };
}

function askToWait(res: Response, seconds: number): void {
  const message = `Too many calls; try again in ${seconds} s.`;
  refuse(res, 429, message, { headers: { "Retry-After": String(seconds) } });
}

const MOST_IN_BATCH = 50;

/** A batch, which old clients may send, is as many calls as it has messages. */
function paceBatch({ limits }: Parts): RequestHandler {
  return async (req, res, next) => {
    if (!Array.isArray(req.body) || req.body.length < 2) return next();
    if (req.body.length > MOST_IN_BATCH)
      return refuse(res, 400, `A batch may have at most ${MOST_IN_BATCH} messages.`, { code: -32_600 });
    const waitSeconds = await limits.pace(proofOf(res.locals).userKey, req.body.length - 1);
    if (waitSeconds !== undefined) return askToWait(res, waitSeconds);
    next();
  };
}

/** Counts what the caller has at work: streams that stay open apart from calls that end. */
function counting({ limits, house, metadataUrl }: Parts): RequestHandler {
  return (req, res, next) => {
    const proof = proofOf(res.locals);
    const scope = missingScope(house, proof, req);
    if (scope) return askForScope(res, scope, metadataUrl(req));
    const isStream = req.method === "GET" || req.body?.method === "subscriptions/listen";
    const amount = isStream ? 1 : callsIn(req.body).length;
    // What ends calls gets in at any time.
    if (amount === 0) return next();
    const giveBack = limits.take(isStream ? "subscriptions" : "calls", proof.userKey, amount);
    if (!giveBack) {
      const message = isStream
        ? "You have too many open streams; close one first."
        : "You have too many calls at work; wait for one to end.";
      return refuse(res, 429, message, { headers: { "Retry-After": "1" } });
    }
    res.locals.giveBack = giveBack;
    res.once("close", () => {
      if (!res.locals.isHeld) giveBack();
    });
    next();
  };
}

/** Either era, told apart the way the SDK does it. */
function serveMcp({ modern, sessions }: Parts): RequestHandler {
  return async (req, res) => {
    const proof = proofOf(res.locals);
    if (isLegacy(req)) return sessions.serve(proof, req, res);
    const gone = new AbortController();
    res.once("close", () => gone.abort(GONE));
    await modern.serve({ ...proof, signal: gone.signal }, proof.userKey, req, res);
  };
}

/** Made once: a request's end should not cost a stack trace. */
const GONE = new NightshiftError("CANCELLED", "The caller has gone.");

/** A header that names the 2026 era settles it, whatever else is wrong; else the SDK's own rules decide. */
function isLegacy(req: Request): boolean {
  const version = req.get("mcp-protocol-version");
  if (version === MODERN && req.method === "POST") return false;
  const header = version === undefined ? {} : { protocolVersionHeader: version };
  return classifyInboundRequest({ httpMethod: req.method, ...header, body: req.body }).kind === "legacy";
}

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
