import type { Transaction } from "kysely";
import type { Database } from "../database/database.ts";
import type { RunRow, Tables } from "../database/schema.ts";
import type { Run, RunEnded, RunResult } from "../jobs/run.ts";
import { claimDue } from "./claim.ts";
import type { FindDue } from "./due.ts";
import { earliestDue } from "./fair-order.ts";
import { requeueRun } from "./interrupt-run.ts";
import { queueDependents } from "./job-dependencies.ts";
import { openJournalStore } from "./journal.ts";
import { checkRunning, type EndTransaction, reapLost, renewLeases } from "./leases.ts";
import { type EndOptions, endRun } from "./run-end.ts";
import type { ClaimOptions, RunQueue } from "./run-queue.ts";
import { mayWait, waitRun } from "./wait-run.ts";

/**
 * An external queue that decides which due items this node gets, and hands each out under a ticket. Run state stays
 * in our database.
 */
export interface ExternalQueue {
  /** Called before the claim's transaction; resolves to what finds items in it. Null: look in our database. */
  find(options: ClaimOptions): Promise<FindDue | null>;
  /** Reports that these runs are still running. */
  touch(tickets: readonly string[]): Promise<void>;
  /** The queue detects silent holders itself. Our leases run out this much later, because system clocks may differ. */
  readonly slackMs: number;
  /** Reports that the run has ended. */
  close(trx: Transaction<Tables>, ticket: string): Promise<void>;
}

export interface RunQueueOptions extends Pick<EndOptions, "retention" | "onInboxAdded"> {
  readonly queue?: ExternalQueue;
}

/** Claims in one call, where nothing that was found needs a run any more. */
const MAX_CLAIMS = 16;

/** The scheduler's view of the jobs database. It has all users' jobs and runs, so no connection ever gets it. */
export function openRunQueue(db: Database, options: RunQueueOptions = {}): RunQueue {
  const { queue } = options;
  const endTransaction = createEndTransaction(db, options);
  let seenVersion = db.dataVersion();
  /** By run id, of the runs that were claimed here. */
  const runningJobs = new Map<string, JobOfRun>();
  /** Gives up a run that is at work here, which `work` writes. False when it is no longer held here, or `work` says so. */
  const letGo = async (
    runId: string,
    work: (trx: Transaction<Tables>, row: RunRow) => Promise<boolean>,
  ): Promise<boolean> => {
    const job = runningJobs.get(runId);
    if (!job) return false;
    const isDone = await endTransaction(job.userKey, async (trx) => {
      const row = await trx
        .selectFrom("runs")
        .selectAll()
        .where("run_id", "=", runId)
        .where("status", "=", "running")
        .where("resumed", "=", job.resumed ?? 0)
        .executeTakeFirst();
      if (!row || !(await work(trx, row))) return false;
      if (job.ticket) await queue?.close(trx, job.ticket);
      return true;
    });
    if (isDone) runningJobs.delete(runId);
    return isDone;
  };
  return {
    nextDueAt: async ({ left, ...filter }) => {
      const dueAt = await earliestDue(db.kysely, { ...filter, leftIds: left?.ids() ?? [] });
      const times = [dueAt, left?.nextLookAt() ?? null].filter((at) => at !== null);
      return times.length > 0 ? Math.min(...times) : null;
    },
    claimDue: async ({ onSkipped, onCancelling, ...options }) => {
      for (let round = 1; ; round++) {
        const find = (await queue?.find(options)) ?? undefined;
        const { claimed, refused, isCancelling, again } = await db.transact(
          (trx, users) => claimDue(trx, users, options, find),
          { of: null },
        );
        for (const { run, ticket } of claimed)
          runningJobs.set(run.runId, {
            jobId: run.jobId,
            userKey: run.userKey,
            resumed: run.resumed,
            ticket,
          });
        if (onSkipped) refused.forEach(onSkipped);
        if (isCancelling) onCancelling?.();
        if (!again || round === MAX_CLAIMS) return claimed;
      }
    },
    renewLeases: async (options) => {
      const tickets = options.runIds.flatMap((runId) => runningJobs.get(runId)?.ticket ?? []);
      if (tickets.length > 0) await queue?.touch(tickets);
      await renewLeases(db.kysely, options);
    },
    checkRunning: (options) => checkRunning(db.kysely, options),
    finish: async (runId, result, now) => {
      const job = runningJobs.get(runId) ?? (await findJobOf(db, runId));
      if (!job) return false;
      const isWritten = await endTransaction(job.userKey, async (trx, endOptions) => {
        if (!(await endWithFollowers(trx, { runId, job, result, now }, endOptions))) return false;
        if (job.ticket) await queue?.close(trx, job.ticket);
        return true;
      });
      runningJobs.delete(runId);
      return isWritten;
    },
    requeue: (runId, now) => letGo(runId, async (trx, row) => (await requeueRun(trx, row, now)) !== null),
    wait: (runId, wait, now) =>
      letGo(runId, async (trx, row) => {
        await waitRun(trx, row, wait, { now, ...(options.retention && { retention: options.retention }) });
        return true;
      }),
    mayWait: (run) => db.transact((trx) => mayWait(trx, run), { of: null }),
    isApproved: async ({ jobId, userKey }, tool, argumentsHash) => {
      const found = await db.kysely
        .selectFrom("approvals")
        .select("tool")
        .where("job_id", "=", jobId)
        .where("user_key", "=", userKey)
        .where("tool", "=", tool)
        .where("arguments_hash", "=", argumentsHash)
        .executeTakeFirst();
      return found !== undefined;
    },
    openJournal: ({ runId, resumed }, isKept) => openJournalStore(db, { runId, resumed, isKept }),
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

/** Calls `onInboxAdded` after the commit, with each end that was added to an inbox. */
export function createEndTransaction(
  db: Database,
  { retention, onInboxAdded }: Pick<EndOptions, "retention" | "onInboxAdded">,
): EndTransaction {
  return async (userKey, work) => {
    let added: RunEnded[] = [];
    const result = await db.transact(
      (trx, users) => {
        // A transaction may be tried again.
        added = [];
        return work(trx, { ...(retention && { retention }), onInboxAdded: (one) => added.push(one) }, users);
      },
      { of: userKey },
    );
    if (onInboxAdded) added.forEach(onInboxAdded);
    return result;
  };
}

type JobOfRun = Pick<Run, "jobId" | "userKey"> & {
  readonly ticket?: string | undefined;
  /** Absent for a run that was not claimed here. */
  readonly resumed?: number;
};

async function findJobOf(db: Database, runId: string): Promise<JobOfRun | undefined> {
  const row = await db.kysely
    .selectFrom("runs")
    .select(["job_id", "user_key"])
    .where("run_id", "=", runId)
    .executeTakeFirst();
  return row && { jobId: row.job_id, userKey: row.user_key };
}

/** Ends a run, and starts what waits for it: the next held run of its job, and jobs that run after this one. */
async function endWithFollowers(
  trx: Transaction<Tables>,
  { runId, job, result, now }: { runId: string; job: JobOfRun; result: RunResult; now: number },
  endOptions: EndOptions,
): Promise<boolean> {
  const { hasHeldRun, hasDependent } = await findFollowers(trx, job);
  const options = { ...endOptions, startsNext: hasHeldRun, resumed: job.resumed };
  if (!(await endRun(trx, runId, "running", result, now, options))) return false;
  if (hasDependent && result.status === "succeeded") await queueDependents(trx, runId, now);
  return true;
}

/** Looks for what may start after a run of the job ends. Most jobs have nothing, which one select tells. */
async function findFollowers(
  trx: Transaction<Tables>,
  { jobId, userKey }: JobOfRun,
): Promise<{ hasHeldRun: boolean; hasDependent: boolean }> {
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
  return { hasHeldRun: Boolean(row?.held), hasDependent: Boolean(row?.dependent) };
}
