import type { IncomingMessage, ServerResponse } from "node:http";
import type { Config } from "../../config.ts";
import type { ConnectionDeps } from "../../connection/connection.ts";
import { callsIn } from "./at-work.ts";
import type { Authenticator, AuthInfo } from "./auth.ts";
import { readBody } from "./body.ts";
import { askForCredentials, askForScope, type MetadataUrl, missingScope } from "./challenge.ts";
import type { Limits } from "./limits.ts";
import type { CredentialWatcher } from "./live.ts";
import { askToWait, refuse } from "./responses.ts";

/** A request that was let in: by whom, and what it says. */
export interface AuthorizedRequest {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly auth: AuthInfo;
  /** Parsed; undefined where there was no JSON. */
  readonly body: unknown;
  /**
   * Takes over what this request has taken of its principal's limits; otherwise it is given back when the response
   * ends. Undefined when nothing was taken.
   */
  readonly retain: (() => () => void) | undefined;
}

export interface AuthorizeDeps {
  readonly connectionDeps: ConnectionDeps;
  readonly config: Config;
  readonly authenticator: Authenticator;
  readonly limits: Limits;
  readonly credentials: CredentialWatcher;
  readonly metadataUrl: (req: IncomingMessage) => MetadataUrl;
}

const MOST_IN_BATCH = 50;

/**
 * Lets a request in, or answers it and resolves to undefined. Who calls comes first: nothing is read or made for
 * anybody before that is known.
 */
export async function authorize(
  deps: AuthorizeDeps,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<AuthorizedRequest | undefined> {
  const { authenticator, config, connectionDeps, limits, credentials, metadataUrl } = deps;
  const result = await authenticator.authenticate(req.headers.authorization);
  if (result.kind === "refused") return void askForCredentials(res, result.reason, metadataUrl(req));
  const { auth } = result;
  const waitSeconds = await limits.pace(auth.userKey);
  if (waitSeconds !== undefined) return void askToWait(res, waitSeconds);
  res.once(
    "close",
    credentials.watch(auth, () => res.destroy()),
  );

  const read = await readBody(req, config);
  if (read.kind === "refused") return void refuse(res, read.status, read.message, { code: -32_700 });
  const body = read.value;
  if (!(await isPaced(limits, auth, body, res))) return undefined;
  const scope = missingScope(connectionDeps, auth, body);
  if (scope) return void askForScope(res, scope, metadataUrl(req));
  const taken = take(limits, auth, req, body, res);
  return taken && { req, res, auth, body, retain: taken.retain };
}

/** A batch, which old clients may send, is as many calls as it has messages. */
async function isPaced(limits: Limits, auth: AuthInfo, body: unknown, res: ServerResponse): Promise<boolean> {
  if (!Array.isArray(body) || body.length < 2) return true;
  if (body.length > MOST_IN_BATCH) {
    refuse(res, 400, `A batch may have at most ${MOST_IN_BATCH} messages.`, { code: -32_600 });
    return false;
  }
  const waitSeconds = await limits.pace(auth.userKey, body.length - 1);
  if (waitSeconds !== undefined) askToWait(res, waitSeconds);
  return waitSeconds === undefined;
}

/** Counts what the caller has at work: streams that stay open apart from calls that end. */
function take(
  limits: Limits,
  { userKey }: AuthInfo,
  req: IncomingMessage,
  body: unknown,
  res: ServerResponse,
): Pick<AuthorizedRequest, "retain"> | undefined {
  const isStream =
    req.method === "GET" || (body as { method?: unknown } | undefined)?.method === "subscriptions/listen";
  const amount = isStream ? 1 : callsIn(body).length;
  // What ends calls gets in at any time.
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
