import type { ServerResponse } from "node:http";
import type { ConnectionDeps } from "../../connection/connection.ts";
import { promptScope } from "../../connection/prompts.ts";
import { resourceScope } from "../../connection/resources.ts";
import type { Scope } from "../../context/scopes.ts";
import type { AuthInfo } from "./auth.ts";
import { refuse } from "./responses.ts";

/** Where a client finds who issues tokens for this server (RFC 9728); absent where no issuer is configured. */
export type MetadataUrl = string | undefined;

const quote = (parameters: Record<string, string | undefined>): string =>
  Object.entries(parameters)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}="${value}"`)
    .join(", ");

/** 401: who are you? It is the same for every bad credential, and for none but in `error`. */
export function askForCredentials(
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

/** The scope that this request needs and its credential has not. */
export function missingScope(
  connectionDeps: ConnectionDeps,
  auth: AuthInfo,
  body: unknown,
): Scope | undefined {
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

/** 403: we know you, and this credential is not for that. */
export function askForScope(res: ServerResponse, scope: Scope, metadataUrl: MetadataUrl): void {
  const challenge = `Bearer ${quote({ realm: "nightshift", error: "insufficient_scope", scope, resource_metadata: metadataUrl })}`;
  refuse(res, 403, `This credential lacks the scope ${scope}.`, {
    headers: { "WWW-Authenticate": challenge },
  });
}
