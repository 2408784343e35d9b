import { type Caller, localPrincipal } from "../../connection/connection.ts";
import { SCOPES } from "../../context/scopes.ts";
import { userKeyOf } from "../../context/user-context.ts";
import type { ApiKey, KeyRing } from "../../store/api-keys.ts";

/** Who called, as verified for this one request. */
export interface AuthInfo extends Pick<Caller, "principal" | "entityType"> {
  readonly userKey: string;
  readonly scopes: NonNullable<Caller["scopes"]>;
  /** The credential that was presented: what dies when it is revoked. */
  readonly credential: { readonly kind: "none" | "key" | "token"; readonly id: string };
  /** Epoch ms; what was opened with it ends then. */
  readonly expiresAt: number | null;
}

export type AuthResult =
  | { readonly kind: "proven"; readonly auth: AuthInfo }
  /** `missing`: nothing was presented. The caller is told no more than this. */
  | { readonly kind: "refused"; readonly reason: "missing" | "invalid" };

export interface Authenticator {
  /** Verifies one request by its Authorization header alone. */
  authenticate(authorization: string | undefined): Promise<AuthResult>;
  /** Whether what a proof was given for may go on. */
  isStillGood(auth: AuthInfo): Promise<boolean>;
}

export interface AuthenticatorOptions {
  readonly keys: KeyRing;
  readonly tokens?: TokenVerifier | undefined;
  /** Who a caller without credentials is, on a server that is open because it listens on loopback alone. */
  readonly openUser?: string | undefined;
  readonly now: () => number;
}

const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]{1,8192})$/i;

/** API keys are agents (`api`), tokens of the OAuth issuer are people (`human`). */
export function createAuthenticator({ keys, tokens, openUser, now }: AuthenticatorOptions): Authenticator {
  const refuse = (reason: "missing" | "invalid"): AuthResult => ({ kind: "refused", reason });
  return {
    async authenticate(authorization) {
      if (authorization === undefined) {
        // Asked each time: an open server closes with the first key that is made.
        const isOpen = openUser !== undefined && !(await keys.isUsed());
        return isOpen ? open(openUser) : refuse("missing");
      }
      const [, token] = BEARER.exec(authorization) ?? [];
      if (!token) return refuse("invalid");
      const auth = token.startsWith("nsk_") ? await byKey(keys, token) : await tokens?.verify(token);
      return auth ? { kind: "proven", auth } : refuse("invalid");
    },
    async isStillGood({ credential, expiresAt }) {
      if (expiresAt !== null && expiresAt <= now()) return false;
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

/** A key's proof is the same each time the key is found good: it is made once for as long as the key is remembered. */
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

/** What is open, by the credential that it was opened with: responses, and the sessions of the 2025 era. */
export interface CredentialWatcher {
  /** Calls `end` as soon as the credential is no longer good. Returns what stops watching. */
  watch(auth: AuthInfo, end: () => void): () => void;
  /** What is watched. */
  readonly size: number;
  close(): void;
}

/** Asks twice a second whether the credentials of what is open are still good: a revoked key dies in mid-stream. */
export function watchCredentials(authenticator: Authenticator): CredentialWatcher {
  const open = new Map<() => void, AuthInfo>();
  const sweep = async () => {
    const results = new Map<string, Promise<boolean>>();
    for (const [end, auth] of [...open]) {
      const { kind, id } = auth.credential;
      const key = `${kind} ${id}`;
      const result = results.get(key) ?? authenticator.isStillGood(auth);
      results.set(key, result);
      // Unable to tell is not good enough.
      if (!(await result.catch(() => false))) end();
    }
  };
  let isSweeping = false;
  const timer = setInterval(async () => {
    // A database that is slow to answer is not asked again meanwhile.
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
  /** Who the token proves, or undefined; why not is for the log alone. */
  verify(token: string): Promise<AuthInfo | undefined>;
}
