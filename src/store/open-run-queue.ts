import type { Transaction } from "kysely";
import type { Database } from "../database/database.ts";
import type { Tables } from "../database/schema.ts";
import type { Run, RunEnded } from "../jobs/run.ts";
import { claimDue } from "./claim.ts";
import { type FindDue, nextDueAt } from "./due.ts";
import { queueDependents } from "./job-dependencies.ts";
import { type EndTransaction, reapLost, renewLeases } from "./leases.ts";
import { type EndOptions, endRun } from "./run-end.ts";
import type { ClaimOptions, RunQueue } from "./run-queue.ts";

/** Hands out what is due in the ledger's place. What was run stays the ledger's to know. */
export interface ExternalQueue {
  /** Asked before the claim's transaction, for what finds in it. Null: the ledger finds it itself. */
  find(options: ClaimOptions): Promise<FindDue | null>;
  /** The runs are still at work. */
  touch(tickets: readonly string[]): Promise<void>;
  /** It tells of silent holders itself; leases do so this much later, by clocks that may differ. */
  readonly slackMs: number;
  /** The run has ended. */
  close(trx: Transaction<Tables>, ticket: string): Promise<void>;
}

export interface RunQueueOptions extends Pick<EndOptions, "retention" | "onInboxAdded"> {
  readonly queue?: ExternalQueue;
}

/** Claims in one call, when what was found needed no run any more. */
const ROUNDS = 16;

/** The scheduler's side of the jobs database: everybody's jobs and runs, so it is never handed to a connection. */
export function openRunQueue(db: Database, options: RunQueueOptions = {}): RunQueue {
  const { queue } = options;
  const endTransaction = createEndTransaction(db, options);
  let seenVersion = db.dataVersion();
  /** Of the runs that were claimed here. */
  const runningJobs = new Map<string, JobOfRun>();
  return {
    nextDueAt: (filter) => nextDueAt(db.kysely, filter),
    claimDue: async ({ onSkipped, onCancelling, ...options }) => {
      for (let round = 1; ; round++) {
        const find = (await queue?.find(options)) ?? undefined;
        const { claimed, refused, isCancelling, tickets, again } = await db.transact(
          (trx, users) => claimDue(trx, users, options, find),
          { of: null },
        );
        for (const { run } of claimed) runningJobs.set(run.runId, { ...run, ticket: tickets.get(run.runId) });
        if (onSkipped) refused.forEach(onSkipped);
        if (isCancelling) onCancelling?.();
        if (!again || round === ROUNDS) return claimed;
      }
    },
    renewLeases: async (options) => {
      const tickets = options.runIds.flatMap((runId) => runningJobs.get(runId)?.ticket ?? []);
      if (tickets.length > 0) await queue?.touch(tickets);
      return renewLeases(db.kysely, options);
    },
    finish: async (runId, result, now) => {
      const job = runningJobs.get(runId) ?? (await findJobOf(db, runId));
      if (!job) return false;
      const isWritten = await endTransaction(job.userKey, async (trx, endOptions) => {
        const behind = await whatWaitsBehind(trx, job);
        const startsNext = behind.has("held");
        if (!(await endRun(trx, runId, "running", result, now, { ...endOptions, startsNext }))) return false;
        if (job.ticket) await queue?.close(trx, job.ticket);
        if (behind.has("dependent") && result.status === "succeeded") await queueDependents(trx, runId, now);
        return true;
      });
      runningJobs.delete(runId);
      return isWritten;
    },
    reapLost: (options) =>
      reapLost(db.kysely, { ...options, ...(queue && { slackMs: queue.slackMs }) }, endTransaction),
    ...(db.onWrite && { onWrite: db.onWrite }),
    changedElsewhere: () => {
      const version = db.dataVersion();
      const changed = version !== seenVersion;
      seenVersion = version;
      return changed;
    },
  };
}

/** `onInboxAdded` is told of each end that was put into an inbox, after the commit. */
export function createEndTransaction(
  db: Database,
  { retention, onInboxAdded }: Pick<EndOptions, "retention" | "onInboxAdded">,
): EndTransaction {
  return async (userKey, work) => {
    let told: RunEnded[] = [];
    const result = await db.transact(
      (trx, users) => {
        told = [];
        return work(trx, { ...(retention && { retention }), onInboxAdded: (one) => told.push(one) }, users);
      },
      { of: userKey },
    );
    if (onInboxAdded) told.forEach(onInboxAdded);
    return result;
  };
}

type JobOfRun = Pick<Run, "jobId" | "userKey"> & { readonly ticket?: string | undefined };

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
): Promise<ReadonlySet<"held" | "dependent">> {
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
        .as("dependent"),
    ])
    .executeTakeFirst();
  const kinds = ["held", "dependent"] as const;
  return new Set(kinds.filter((kind) => row?.[kind]));
}
