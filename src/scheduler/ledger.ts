import type { Transaction } from "kysely";
import type { Database } from "../database/open.ts";
import type { Tables } from "../database/schema.ts";
import { queueFollowers } from "../jobs/chain.ts";
import { type Delivered, type EndOptions, endRun } from "../runs/end.ts";
import type { Run } from "../runs/run.ts";
import { claimDue } from "./claim.ts";
import { nextDueAt } from "./due.ts";
import { type Ending, heartbeat, reapLost } from "./leases.ts";
import type { Occurrences } from "./occurrences.ts";

/** `onDelivered` is told of each end that was put into an inbox, after the commit. */
export type LedgerOptions = Pick<EndOptions, "retention" | "onDelivered">;

/** The scheduler's side of the jobs database: everybody's jobs and runs, so it is never handed to a connection. */
export function createOccurrences(db: Database, { onDelivered, ...kept }: LedgerOptions = {}): Occurrences {
  let seenVersion = db.dataVersion();
  /** Of the runs that were claimed here. */
  const jobsAtWork = new Map<string, JobOfRun>();
  const ending: Ending = async (userKey, work) => {
    let told: Delivered[] = [];
    const result = await db.transact(
      (trx) => {
        told = [];
        return work(trx, { ...kept, onDelivered: (one) => told.push(one) });
      },
      { of: userKey },
    );
    if (onDelivered) told.forEach(onDelivered);
    return result;
  };
  return {
    nextDueAt: (reach) => nextDueAt(db.kysely, reach),
    claimDue: async ({ onSkipped, onCancelling, ...options }) => {
      const { claimed, refused, isCancelling } = await db.transact(
        (trx, users) => claimDue(trx, users, options),
        { of: null },
      );
      for (const { run } of claimed) jobsAtWork.set(run.runId, run);
      if (onSkipped) refused.forEach(onSkipped);
      if (isCancelling) onCancelling?.();
      return claimed;
    },
    heartbeat: (options) => heartbeat(db.kysely, options),
    finish: async (runId, outcome, now) => {
      const job = jobsAtWork.get(runId) ?? (await findJobOf(db, runId));
      if (!job) return false;
      const isWritten = await ending(job.userKey, async (trx, ends) => {
        const behind = await whatWaitsBehind(trx, job);
        const releases = behind.has("held");
        if (!(await endRun(trx, runId, "running", outcome, now, { ...ends, releases }))) return false;
        if (behind.has("follower") && outcome.status === "succeeded") await queueFollowers(trx, runId, now);
        return true;
      });
      jobsAtWork.delete(runId);
      return isWritten;
    },
    reapLost: (options) => reapLost(db.kysely, options, ending),
    changedElsewhere: () => {
      const version = db.dataVersion();
      const changed = version !== seenVersion;
      seenVersion = version;
      return changed;
    },
  };
}

type JobOfRun = Pick<Run, "jobId" | "userKey">;

async function findJobOf(db: Database, runId: string): Promise<JobOfRun | undefined> {
  const row = await db.kysely
    .selectFrom("runs")
    .select(["job_id", "user_key"])
    .where("run_id", "=", runId)
    .executeTakeFirst();
  return row && { jobId: row.job_id, userKey: row.user_key };
}

/** What may come after the end of a job's run: most have neither, and one look tells. */
async function whatWaitsBehind(
  trx: Transaction<Tables>,
  { jobId, userKey }: JobOfRun,
): Promise<ReadonlySet<"held" | "follower">> {
  const row = await trx
    .selectNoFrom((eb) => [
      eb
        .selectFrom("runs")
        .select("run_id")
        .where("job_id", "=", jobId)
        .where("held_for", "is not", null)
        .limit(1)
        .as("held"),
      eb
        .selectFrom("jobs")
        .select("job_id")
        .where("user_key", "=", userKey)
        .where("after_job", "=", jobId)
        .where("after_job", "is not", null)
        .limit(1)
        .as("follower"),
    ])
    .executeTakeFirst();
  const kinds = ["held", "follower"] as const;
  return new Set(kinds.filter((kind) => row?.[kind]));
}
