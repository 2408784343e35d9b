import type { Response } from "express";
import type { Authenticator, Proof } from "./proof.ts";

const SWEEP_MS = 500;

/** The responses that are open, by the credential that they were given for. */
export interface Live {
  /** Ends `res` as soon as its credential is no longer good. */
  watch(proof: Proof, res: Response): void;
  /** Responses that are open. */
  readonly size: number;
  close(): void;
}

/** Asks twice a second whether the credentials of what is open are still good: a revoked key dies in mid-stream. */
export function watchLive(authenticator: Authenticator): Live {
  const open = new Map<Response, Proof>();
  const sweep = async () => {
    const verdicts = new Map<string, Promise<boolean>>();
    for (const [res, proof] of [...open]) {
      const { kind, id } = proof.credential;
      const key = `${kind} ${id}`;
      const verdict = verdicts.get(key) ?? authenticator.isStillGood(proof);
      verdicts.set(key, verdict);
      // Unable to tell is not good enough.
      if (!(await verdict.catch(() => false))) res.destroy();
    }
  };
  const timer = setInterval(() => void sweep(), SWEEP_MS).unref();
  return {
    watch(proof, res) {
      open.set(res, proof);
      res.once("close", () => open.delete(res));
    },
    get size() {
      return open.size;
    },
    close: () => clearInterval(timer),
  };
}
