import type { IncomingMessage, ServerResponse } from "node:http";
import type { Config } from "../../config.ts";
import type { ConnectionDeps } from "../../connection/connection.ts";
import type { ByteAccount } from "../../connection/held-bytes.ts";
import { lengthProblem } from "../../connection/lengths.ts";
import { promptScope } from "../../connection/prompts.ts";
import { isServed, resourceScope } from "../../connection/resources.ts";
import type { Scope } from "../../context/scopes.ts";
import type { Authenticator, AuthInfo, AuthorizedRequest, CredentialWatcher } from "./auth.ts";
import { type Body, readBody } from "./body.ts";
import { type CallerLimits, callsIn } from "./limits.ts";
import { askToWait, refuse } from "./responses.ts";

export interface AuthorizeDeps {
  readonly connectionDeps: ConnectionDeps;
  readonly config: Config;
  readonly authenticator: Authenticator;
  readonly limits: CallerLimits;
  readonly credentials: CredentialWatcher;
  readonly metadataUrl: (req: IncomingMessage) => MetadataUrl;
  readonly isBusy?: (userKey: string) => boolean;
}

const MOST_IN_BATCH = 50;

/**
 * Lets a request in, or answers it with an error and resolves to undefined. The caller is authenticated first: before
 * that, no body is read and nothing is allocated.
 */
export async function authorize(
  deps: AuthorizeDeps,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<AuthorizedRequest | undefined> {
  const { authenticator, connectionDeps, limits, credentials, metadataUrl } = deps;
  const result = await authenticator.authenticate(req.headers.authorization);
  if (result.kind === "refused") return void askForCredentials(res, result.reason, metadataUrl(req));
  const { auth } = result;
  const waitSeconds = await limits.pace(auth.userKey);
  if (waitSeconds !== undefined) return void askToWait(res, waitSeconds);
  // A caller who left meanwhile sends no close event any more, which is what gives everything back.
  if (res.closed) return undefined;
  res.once(
    "close",
    credentials.watch(auth, () => res.destroy()),
  );

  const held = holdUntilClose(connectionDeps, auth, res);
  const read = await takeBody(deps, auth, req, held.account);
  if (read.kind === "refused") return void refuseBody(res, read);
  const body = read.value;
  const problem = problemIn(body, connectionDeps.registers.length > 0);
  if (problem) return void refuse(res, 400, problem, { code: -32_602 });
  if (!(await isPaced(deps, auth, body, res))) return undefined;
  const scope = missingScope(connectionDeps, auth, body);
  if (scope) return void askForScope(res, scope, metadataUrl(req));
  if (deps.isBusy?.(auth.userKey) && callsIn(body).length > 0) {
    const message = "The database is busy at the moment; try again soon. [DATA_UNAVAILABLE]";
    return void refuse(res, 503, message, { headers: { "Retry-After": "2" } });
  }
  const taken = takeSlots(limits, auth, req, body, res);
  return taken && { req, res, auth, body, retain: taken.retain && held.retainWith(taken.retain) };
}

/** True for a request with any good credential; others are answered. For what is about all users and names none. */
export async function authorizeOperator(
  { authenticator, limits, metadataUrl }: AuthorizeDeps,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<boolean> {
  const result = await authenticator.authenticate(req.headers.authorization);
  if (result.kind === "refused") askForCredentials(res, result.reason, metadataUrl(req));
  const waitSeconds = result.kind === "proven" ? await limits.pace(result.auth.userKey) : undefined;
  if (waitSeconds !== undefined) askToWait(res, waitSeconds);
  return result.kind === "proven" && waitSeconds === undefined;
}

/** An account for what a request holds, until its response is closed or, if it is retained, until it is released. */
function holdUntilClose({ held }: ConnectionDeps, { userKey }: AuthInfo, res: ServerResponse) {
  const account = held.open(userKey);
  let isRetained = false;
  res.once("close", () => {
    if (!isRetained) account.close();
  });
  return {
    account,
    retainWith: (retain: () => () => void) => () => {
      isRetained = true;
      const release = retain();
      return () => {
        release();
        account.close();
      };
    },
  };
}

const TOO_MANY_BODIES: Body = {
  kind: "refused",
  status: 429,
  message: "You are sending too many requests at once; wait for one to end.",
};

/** Reads the body, in a place that is taken before: an unfinished body must not count for nothing. */
async function takeBody(
  { config, limits }: AuthorizeDeps,
  { userKey }: AuthInfo,
  req: IncomingMessage,
  account: ByteAccount,
): Promise<Body> {
  const release = limits.take("bodies", userKey);
  if (!release) return TOO_MANY_BODIES;
  try {
    return await readBody(req, config, account);
  } finally {
    release();
  }
}

function refuseBody(
  res: ServerResponse,
  { status, message, code = status === 429 ? -32_000 : -32_700 }: Extract<Body, { kind: "refused" }>,
): void {
  const headers = {
    ...(status === 429 && { "Retry-After": "1" }),
    // Nothing waits for the rest of a body that is late.
    ...(status === 408 && { Connection: "close" }),
  };
  refuse(res, status, message, { code, headers });
}

/** What is too long in a body, or subscribes to what nobody serves. */
function problemIn(body: unknown, hasModules: boolean): string | undefined {
  for (const message of Array.isArray(body) ? body : [body]) {
    const problem = lengthProblem(message);
    if (problem) return problem;
    const uris = message?.params?.notifications?.resourceSubscriptions;
    const isUnserved = (uri: unknown) => typeof uri === "string" && !isServed(uri, hasModules);
    if (Array.isArray(uris) && uris.some(isUnserved))
      return "No such resource: each URI that is subscribed to must be of a kind that resources/templates/list shows.";
  }
  return undefined;
}

/** A batch, which old clients may send, is as many calls as it has messages. */
async function isPaced(
  { limits, config }: AuthorizeDeps,
  auth: AuthInfo,
  body: unknown,
  res: ServerResponse,
): Promise<boolean> {
  if (!Array.isArray(body) || body.length < 2) return true;
  // One that is larger than the limit of a second could never pass, however long its caller waited.
  const most = Math.min(MOST_IN_BATCH, config.callsPerSecond || MOST_IN_BATCH);
  if (body.length > most) {
    refuse(res, 400, `A batch may have at most ${most} messages here.`, { code: -32_600 });
    return false;
  }
  const waitSeconds = await limits.pace(auth.userKey, body.length - 1);
  if (waitSeconds !== undefined) askToWait(res, waitSeconds);
  return waitSeconds === undefined;
}

/** Takes the slots that the request needs of its caller's limits: open streams are counted apart from calls. */
function takeSlots(
  limits: CallerLimits,
  { userKey }: AuthInfo,
  req: IncomingMessage,
  body: unknown,
  res: ServerResponse,
): Pick<AuthorizedRequest, "retain"> | undefined {
  const isStream =
    req.method === "GET" || (body as { method?: unknown } | undefined)?.method === "subscriptions/listen";
  const amount = isStream ? 1 : callsIn(body).length;
  // Notifications need none, so that a cancellation always gets in.
  if (amount === 0) return { retain: undefined };
  const release = limits.take(isStream ? "subscriptions" : "calls", userKey, amount);
  if (!release) {
    const message = isStream
      ? "You have too many open streams; close one first."
      : "You have too many calls at work; wait for one to end.";
    refuse(res, 429, message, { headers: { "Retry-After": "1" } });
    return undefined;
  }
  let isRetained = false;
  res.once("close", () => {
    if (!isRetained) release();
  });
  const retain = () => {
    isRetained = true;
    return release;
  };
  return { retain };
}

/** The URL of this server's OAuth metadata (RFC 9728), for challenges; undefined where no issuer is configured. */
type MetadataUrl = string | undefined;

const quote = (parameters: Record<string, string | undefined>): string =>
  Object.entries(parameters)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}="${value}"`)
    .join(", ");

/** 401 with a challenge. It is the same for every bad credential, and for a missing one except for `error`. */
function askForCredentials(
  res: ServerResponse,
  reason: "missing" | "invalid",
  metadataUrl: MetadataUrl,
): void {
  const error = reason === "invalid" ? "invalid_token" : undefined;
  const challenge = `Bearer ${quote({ realm: "nightshift", error, resource_metadata: metadataUrl })}`;
  const message =
    reason === "missing"
      ? "Send an API key or access token: Authorization: Bearer …"
      : "This credential is not valid; it may have expired or been revoked.";
  refuse(res, 401, message, { headers: { "WWW-Authenticate": challenge } });
}

/** The scope that this request needs and its credential lacks. */
function missingScope(connectionDeps: ConnectionDeps, auth: AuthInfo, body: unknown): Scope | undefined {
  const { method, params } = (body ?? {}) as {
    method?: unknown;
    params?: { name?: unknown; uri?: unknown };
  };
  let needed: Scope | undefined;
  const { name, uri } = params ?? {};
  if (method === "tools/call" && typeof name === "string")
    needed = connectionDeps.catalog.definitions.get(name)?.scope;
  if (method === "prompts/get") needed = promptScope(name);
  if ((method === "resources/read" || method === "resources/subscribe") && typeof uri === "string")
    needed = resourceScope(uri);
  return needed && !auth.scopes.includes(needed) ? needed : undefined;
}

/** 403 with a challenge that names the missing scope. */
function askForScope(res: ServerResponse, scope: Scope, metadataUrl: MetadataUrl): void {
  const challenge = `Bearer ${quote({ realm: "nightshift", error: "insufficient_scope", scope, resource_metadata: metadataUrl })}`;
  refuse(res, 403, `This credential lacks the scope ${scope}.`, {
    headers: { "WWW-Authenticate": challenge },
  });
}
