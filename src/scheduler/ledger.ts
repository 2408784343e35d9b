import type { Database } from "../database/open.ts";
import { queueFollowers } from "../jobs/chain.ts";
import { endRun } from "../runs/end.ts";
import { claimDue } from "./claim.ts";
import { nextDueAt } from "./due.ts";
import { heartbeat, reapLost } from "./leases.ts";
import type { Occurrences } from "./occurrences.ts";

/** The scheduler's side of the jobs database: everybody's jobs and runs, so it is never handed to a connection. */
export function createOccurrences(db: Database): Occurrences {
  let seenVersion = db.dataVersion();
  return {
    nextDueAt: (reach) => nextDueAt(db.kysely, reach),
    claimDue: async ({ onSkipped, onCancelling, ...options }) => {
      const { claimed, refused, isCancelling } = await db.transact(
        (trx, users) => claimDue(trx, users, options),
        { of: null },
      );
      if (onSkipped) refused.forEach(onSkipped);
      if (isCancelling) onCancelling?.();
      return claimed;
    },
    heartbeat: (options) => heartbeat(db.kysely, options),
    finish: async (runId, outcome, now) => {
      const owner = await db.kysely
        .selectFrom("runs")
        .select("user_key")
        .where("run_id", "=", runId)
        .executeTakeFirst();
      if (!owner) return false;
      return db.transact(
        async (trx) => {
          const isWritten = await endRun(trx, runId, "running", outcome, now);
          if (isWritten && outcome.status === "succeeded") await queueFollowers(trx, runId, now);
          return isWritten;
        },
        { of: owner.user_key },
      );
    },
    reapLost: (options) => reapLost(db, options),
    changedElsewhere: () => {
      const version = db.dataVersion();
      const changed = version !== seenVersion;
      seenVersion = version;
      return changed;
    },
  };
}
