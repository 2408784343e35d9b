import type { Scope } from "../context/scopes.ts";

/** An API key as it is stored: its secret is not in it, only a hash beside it that nobody is shown. Times are epoch ms. */
export interface ApiKey {
  readonly keyId: string;
  readonly userId: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
}

/** The keys of this installation: for the transport that checks them, and for the operator's command line. */
export interface KeyRing {
  /** Makes a key for the user. The secret is in the answer and nowhere else, ever. */
  create(options: {
    userId: string;
    scopes: readonly Scope[];
    expiresAt: number | null;
  }): Promise<{ key: string; apiKey: ApiKey }>;
  /** Newest first. */
  list(userId?: string): Promise<readonly ApiKey[]>;
  /** False when there is no such key. A key that is revoked already stays so. */
  revoke(keyId: string): Promise<boolean>;
  /** The key behind a presented secret, when it is good now. Costs the same time whether the id or the secret is wrong. */
  verify(key: string): Promise<ApiKey | undefined>;
  /** Whether a key that was good is still good: revoked in another process counts at once, on another node as soon as it hears of it. */
  isGood(keyId: string): Promise<boolean>;
  /** Whether any key was ever made: from then on callers must present one. */
  isUsed(): Promise<boolean>;
}
