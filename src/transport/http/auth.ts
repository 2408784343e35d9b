import type { IncomingMessage, ServerResponse } from "node:http";
import { type Caller, localPrincipal } from "../../connection/connection.ts";
import { SCOPES } from "../../context/scopes.ts";
import { userKeyOf } from "../../context/user-context.ts";
import type { ApiKey, KeyRing } from "../../store/api-keys.ts";

/** The verified caller of one request. */
export interface AuthInfo extends Pick<Caller, "principal" | "entityType"> {
  readonly userKey: string;
  readonly scopes: NonNullable<Caller["scopes"]>;
  /** The credential that was presented. What was opened with it ends when it is revoked. */
  readonly credential: { readonly kind: "none" | "key" | "token"; readonly id: string };
  /** Epoch ms; what was opened with the credential ends then. Null: never. */
  readonly expiresAt: number | null;
}

/** A request that was let in. */
export interface AuthorizedRequest {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly auth: AuthInfo;
  /** The parsed JSON; undefined where there was none. */
  readonly body: unknown;
  /**
   * Takes over what this request has taken of its caller's limits, and returns the function that gives it back;
   * otherwise that happens when the response ends. Undefined when the request took nothing.
   */
  readonly retain: (() => () => void) | undefined;
}

type AuthResult =
  | { readonly kind: "proven"; readonly auth: AuthInfo }
  /** `missing`: no credential was presented. The caller is told no more than this reason. */
  | { readonly kind: "refused"; readonly reason: "missing" | "invalid" };

export interface Authenticator {
  /** Verifies one request by its Authorization header alone. */
  authenticate(authorization: string | undefined): Promise<AuthResult>;
  /** False once the credential was revoked or has expired; for a caller without one, once there is a key. */
  isStillGood(auth: AuthInfo): Promise<boolean>;
}

export interface AuthenticatorOptions {
  readonly keys: KeyRing;
  readonly tokens?: TokenVerifier | undefined;
  /** The user of callers without credentials, where the server listens on loopback alone and has no keys yet. */
  readonly openUser?: string | undefined;
  readonly now: () => number;
}

const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]{1,8192})$/i;

/** A caller with an API key is `api`, one with a token of the OAuth issuer is `human`. */
export function createAuthenticator({ keys, tokens, openUser, now }: AuthenticatorOptions): Authenticator {
  const refuse = (reason: "missing" | "invalid"): AuthResult => ({ kind: "refused", reason });
  // Checked each time: once a first key is made, everybody needs one.
  const isOpen = async () => openUser !== undefined && !(await keys.isUsed());
  return {
    async authenticate(authorization) {
      if (authorization === undefined) {
        return openUser !== undefined && (await isOpen()) ? open(openUser) : refuse("missing");
      }
      const [, token] = BEARER.exec(authorization) ?? [];
      if (!token) return refuse("invalid");
      const auth = token.startsWith("nsk_") ? await byKey(keys, token) : await tokens?.verify(token);
      return auth ? { kind: "proven", auth } : refuse("invalid");
    },
    async isStillGood({ credential, expiresAt }) {
      if (expiresAt !== null && expiresAt <= now()) return false;
      if (credential.kind === "none") return isOpen();
      return credential.kind !== "key" || (await keys.isGood(credential.id));
    },
  };
}

function open(user: string): AuthResult {
  const principal = localPrincipal(user);
  const credential = { kind: "none", id: "" } as const;
  const auth: AuthInfo = {
    principal,
    userKey: userKeyOf(principal),
    entityType: "api",
    scopes: SCOPES,
    credential,
    expiresAt: null,
  };
  return { kind: "proven", auth };
}

/** The key ring returns the same ApiKey object while it caches a key, so its AuthInfo is made once for that long. */
const authByKey = new WeakMap<ApiKey, AuthInfo>();

async function byKey(keys: KeyRing, token: string): Promise<AuthInfo | undefined> {
  const apiKey = await keys.verify(token);
  if (!apiKey) return undefined;
  const known = authByKey.get(apiKey);
  if (known) return known;
  const userKey = userKeyOf(localPrincipal(apiKey.userId));
  const auth: AuthInfo = {
    principal: { userId: apiKey.userId, userKey },
    userKey,
    entityType: "api",
    scopes: apiKey.scopes,
    credential: { kind: "key", id: apiKey.keyId },
    expiresAt: apiKey.expiresAt,
  };
  authByKey.set(apiKey, auth);
  return auth;
}

const CREDENTIAL_SWEEP_MS = 500;

/** Ends open responses and 2025-era sessions when their credential is revoked or expires. */
export interface CredentialWatcher {
  /** Calls `end` once the credential is no longer good. Returns a function that stops watching. */
  watch(auth: AuthInfo, end: () => void): () => void;
  /** How many responses and sessions are watched. */
  readonly size: number;
  close(): void;
}

/** Checks the credentials of all that is open twice a second, so that a revoked key ends a stream in the middle. */
export function watchCredentials(authenticator: Authenticator): CredentialWatcher {
  const open = new Map<() => void, AuthInfo>();
  const sweep = async () => {
    const results = new Map<string, Promise<boolean>>();
    for (const [end, auth] of [...open]) {
      const { kind, id } = auth.credential;
      const key = `${kind} ${id}`;
      const result = results.get(key) ?? authenticator.isStillGood(auth);
      results.set(key, result);
      // A credential that cannot be checked counts as revoked.
      if (!(await result.catch(() => false))) end();
    }
  };
  let isSweeping = false;
  const timer = setInterval(async () => {
    // A slow database is not asked again before it has answered.
    if (isSweeping) return;
    isSweeping = true;
    await sweep();
    isSweeping = false;
  }, CREDENTIAL_SWEEP_MS).unref();
  return {
    watch(auth, end) {
      open.set(end, auth);
      return () => void open.delete(end);
    },
    get size() {
      return open.size;
    },
    close: () => clearInterval(timer),
  };
}

/** Checks access tokens of one OAuth 2.1 issuer (RFC 9068); this server issues none. */
export interface TokenVerifier {
  readonly issuer: string;
  /** The caller of the token, or undefined when it is not valid; only the log has the reason. */
  verify(token: string): Promise<AuthInfo | undefined>;
}
