import type { Authenticator, AuthInfo } from "./auth.ts";

const SWEEP_MS = 500;

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
  }, SWEEP_MS).unref();
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
