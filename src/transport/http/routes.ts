import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { hostHeaderValidation, originValidation } from "@modelcontextprotocol/node";
import { classifyInboundRequest } from "@modelcontextprotocol/server";
import type { Config } from "../../config.ts";
import { NightshiftError } from "../../errors.ts";
import { MODERN } from "../frames.ts";
import type { AuthorizedRequest } from "./auth.ts";
import { type AuthorizeDeps, authorize, authorizeOperator } from "./authorize.ts";
import { shareWithOrigin } from "./cors.ts";
import { isLoopback } from "./listen.ts";
import type { Metrics } from "./metrics.ts";
import { correlationIdOf, refuse, sendJson } from "./responses.ts";
import { CARD_PATHS, showServerCard } from "./server-card.ts";
import type { Sessions } from "./sessions.ts";
import type { SsePair } from "./sse.ts";
import type { StatelessHandler } from "./stateless.ts";

export interface HttpParts extends AuthorizeDeps {
  /** The OAuth issuer whose tokens are accepted, if any. */
  readonly issuer?: string | undefined;
  /** Rejects while the stores cannot be reached. */
  readonly checkReady: () => Promise<unknown>;
  readonly metrics: Metrics;
  readonly stateless: StatelessHandler;
  readonly sessions: Sessions;
  readonly sse: SsePair | undefined;
}

/** A database that takes longer to answer counts as unavailable. */
const READY_MS = 2_000;
export const METRICS_PATH = "/metrics";
export const LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"];

/** Serves every route, each behind the check of the Host and Origin headers. */
export function route(parts: HttpParts): RequestListener {
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
    if (!isHostKnown(req, res) || !isOriginKnown(req, res) || shareWithOrigin(req, res)) return;
    if (path === "/mcp") return serveMcp(req, res);
    const method = req.method === "HEAD" ? "GET" : req.method;
    const serve = others.get(`${method} ${path}`);
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

/** The path of a request, without a slash at its end. */
export const pathOf = ({ url = "" }: IncomingMessage): string => {
  const query = url.indexOf("?");
  const path = query < 0 ? url : url.slice(0, query);
  return path.endsWith("/") ? path.slice(0, -1) : path;
};

/** Routes for the operator, for OAuth clients and for clients of the oldest transport, by method and path. */
function otherRoutes(parts: HttpParts): ReadonlyMap<string, RequestListener> {
  const { checkReady, config, issuer, sse } = parts;
  const routes = new Map<string, RequestListener>([
    ["GET /healthz", (_req, res) => sendJson(res, 200, { status: "ok" })],
    [
      "GET /readyz",
      async (req, res) => {
        const status = await Promise.race([
          checkReady().then(
            () => "ready" as const,
            (error) =>
              error instanceof NightshiftError && error.code === "CANCELLED" ? "stopping" : "unavailable",
          ),
          new Promise<"unavailable">((resolve) => setTimeout(resolve, READY_MS, "unavailable").unref()),
        ]);
        // HAProxy lets the open requests of a node finish that answers its check with 404, and sends it no more.
        const isStopping = status === "stopping" && req.url?.endsWith("?stopping=404");
        sendJson(res, status === "ready" ? 200 : isStopping ? 404 : 503, { status });
      },
    ],
  ]);
  if (config.metricsPort === undefined) routes.set(`GET ${METRICS_PATH}`, showMetrics(parts));
  for (const path of CARD_PATHS)
    routes.set(
      `GET ${path}`,
      showServerCard((req) => baseUrl(config, req), config),
    );
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
export function caught(
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
export const baseUrl = ({ publicUrl }: Config, req: IncomingMessage): string =>
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
