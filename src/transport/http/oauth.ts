import { createHash } from "node:crypto";
import { isScope, type Scope } from "../../context/scopes.ts";
import { userKeyOf } from "../../context/user-context.ts";
import { NightshiftError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import type { TokenVerifier } from "./auth.ts";

/** Asymmetric signatures only: never `none`, never a shared secret. */
const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
/** Clocks of the issuer and of this machine may differ by so much. */
const TOLERANCE_SECONDS = 5;
const MOST_SUBJECT_CHARACTERS = 1_024;
/** What OpenID Connect puts into id tokens alone. An id token tells its client who logged in; it gives access to nothing. */
const ID_TOKEN_CLAIMS = ["nonce", "at_hash", "c_hash"];

/**
 * Finds the issuer's signing keys by its metadata (RFC 8414, OpenID Connect Discovery). Rejects with CONFIG_INVALID
 * when the issuer does not answer or answers for somebody else.
 */
export async function openTokenVerifier(options: {
  issuer: string;
  audience: string;
  /** The `typ` header of its access tokens (RFC 9068: at+jwt). With JWT a token without one is accepted too. */
  tokenType: string;
  log: Log;
}): Promise<TokenVerifier> {
  const { issuer, audience, tokenType, log } = options;
  const isType = typeChecker(tokenType);
  const { createRemoteJWKSet, errors, jwtVerify } = await import("jose");
  const keys = createRemoteJWKSet(await findKeys(issuer));
  return {
    issuer,
    async verify(token) {
      try {
        const checks = {
          issuer,
          audience,
          algorithms: ALGORITHMS,
          requiredClaims: ["sub", "exp"],
          clockTolerance: TOLERANCE_SECONDS,
        };
        const { payload, protectedHeader } = await jwtVerify(token, keys, checks);
        if (!isType(protectedHeader.typ) || ID_TOKEN_CLAIMS.some((name) => name in payload)) {
          log.info({ reason: "ERR_NO_ACCESS_TOKEN" }, "a token that is no access token was refused");
          return undefined;
        }
        const subject = subjectOf(payload.sub);
        if (subject === undefined) {
          log.info({ reason: "ERR_NO_SUBJECT" }, "an access token was refused");
          return undefined;
        }
        const principal = { issuer, subject };
        return {
          principal,
          userKey: userKeyOf(principal),
          entityType: "human",
          scopes: scopesOf(payload),
          // A hash: the token itself is kept nowhere.
          credential: {
            kind: "token",
            id: createHash("sha256").update(token).digest("base64url").slice(0, 22),
          },
          expiresAt: (Number(payload.exp) + TOLERANCE_SECONDS) * 1000,
        };
      } catch (error) {
        // Other errors: the issuer's keys cannot be fetched. A token that cannot be checked is refused.
        if (error instanceof errors.JOSEError)
          log.info({ reason: error.code }, "an access token was refused");
        else log.warn({ err: error }, "an access token could not be checked, and was refused");
        return undefined;
      }
    },
  };
}

/** A media type may be given without `application/` (RFC 7515, 4.1.9), and in either case. */
function typeChecker(wanted: string): (typ: string | undefined) => boolean {
  const plain = (typ: string) => typ.toLowerCase().replace(/^application\//, "");
  const otherwise = plain(wanted) === "jwt" ? "jwt" : "";
  return (typ) => plain(typ ?? otherwise) === plain(wanted);
}

/** Only strings are subjects: the number `1` and the string `"1"` must not become one user. */
const subjectOf = (sub: unknown): string | undefined =>
  typeof sub === "string" && sub !== "" && sub.length <= MOST_SUBJECT_CHARACTERS ? sub : undefined;

/** The scopes of a token. Few issuers know `upstream:` scopes: a token that names none is not limited by them. */
function scopesOf(claims: Record<string, unknown>): readonly Scope[] {
  const named: unknown[] =
    typeof claims.scope === "string" ? claims.scope.split(" ") : Array.isArray(claims.scp) ? claims.scp : [];
  const scopes = named.filter((scope) => typeof scope === "string").filter(isScope);
  const namesServers = scopes.some((scope) => scope.startsWith("upstream:"));
  return [...new Set(scopes), ...(namesServers ? [] : (["upstream:*"] as const))];
}

/** RFC 8414 puts its well-known path before the issuer's own, OpenID Connect after it. */
function metadataUrls(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, "");
  return [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}${path}/.well-known/oauth-authorization-server`,
  ];
}

async function findKeys(issuer: string): Promise<URL> {
  for (const url of metadataUrls(issuer)) {
    const response = await fetch(url, { signal: AbortSignal.timeout(10_000) }).catch(() => undefined);
    if (!response?.ok) continue;
    const metadata = (await response.json().catch(() => ({}))) as { issuer?: unknown; jwks_uri?: unknown };
    if (metadata.issuer !== issuer || typeof metadata.jwks_uri !== "string") continue;
    return new URL(metadata.jwks_uri);
  }
  throw new NightshiftError(
    "CONFIG_INVALID",
    `The OAuth issuer ${issuer} was asked for its metadata and gave none that names it; check --oauth-issuer.`,
  );
}
