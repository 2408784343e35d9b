import type { Transaction } from "kysely";
import type { Tables } from "../database/schema.ts";
import { NightshiftError } from "../errors.ts";
import { MAX_CHAIN } from "../jobs/dependencies.ts";
import type { Job } from "../jobs/job.ts";
import { queueRun } from "./enqueue-run.ts";
import { addCounts, readCounters } from "./job-counters.ts";
import { tryReadJob } from "./job-rows.ts";

/**
 * Checks the job that a job runs after: it exists, is this user's, and does not itself run after this one. Called in
 * the transaction that writes the job, so that no two changes close a circle between them.
 * Throws JOB_NOT_FOUND, JOB_STATE or INVALID_SCHEDULE.
 */
export async function checkChain(
  trx: Transaction<Tables>,
  { userKey, jobId, status, schedule }: Job,
): Promise<void> {
  if (schedule.kind !== "after") return;
  let next: string | null = schedule.jobId;
  for (let length = 1; next !== null; length++) {
    if (next === jobId || length > MAX_CHAIN)
      throw new NightshiftError(
        "INVALID_SCHEDULE",
        "These jobs would run after each other in a circle, or in a chain of more than 100; choose another for after.",
      );
    const row: { status: string; after_job: string | null } | undefined = await trx
      .selectFrom("jobs")
      .select(["status", "after_job"])
      .where("job_id", "=", next)
      .where("user_key", "=", userKey)
      .executeTakeFirst();
    if (!row)
      throw new NightshiftError(
        "JOB_NOT_FOUND",
        "You have no job with the id that after names; list_jobs shows those you have.",
      );
    if (length === 1 && row.status === "cancelled" && status === "active")
      throw new NightshiftError(
        "JOB_STATE",
        "The job that after names is cancelled, so nothing would ever run.",
      );
    next = row.after_job;
  }
}

/** Queues a run of each active job that runs after the one whose run has just succeeded; see `queueAfter`. */
export async function queueDependents(trx: Transaction<Tables>, runId: string, now: number): Promise<void> {
  const dependents = await trx
    .selectFrom("jobs")
    .innerJoin("runs", (join) =>
      join.onRef("runs.user_key", "=", "jobs.user_key").onRef("runs.job_id", "=", "jobs.after_job"),
    )
    .selectAll("jobs")
    .where("runs.run_id", "=", runId)
    .where("jobs.after_job", "is not", null)
    .where("jobs.status", "=", "active")
    .execute();
  for (const row of dependents) {
    // A dependent that cannot be read must not keep the run before it from ending.
    const job = tryReadJob(row);
    if (job) await queueAfter(trx, job, now);
  }
}

/** Queues a run of `job` as its policy allows: within its span, up to its max_runs, and according to its overlap. */
async function queueAfter(trx: Transaction<Tables>, job: Job, now: number): Promise<void> {
  const { startsAt, endsAt, maxRuns, overlap } = job.policy;
  if (startsAt !== null && now < startsAt) return;
  if (endsAt !== null && now > endsAt)
    return completeJob(trx, job, "Its ends_at has come; see its runs.", now);
  const had = (await readCounters(trx, job.userKey, [job.jobId])).get(job.jobId)?.scheduledRuns ?? 0;
  const left = maxRuns === null ? Infinity : maxRuns - had;
  if (left > 0) {
    const run = await queueRun(trx, job, { trigger: "after", overlap }, now);
    if (run.status === "skipped") return;
    await addCounts(trx, job, { scheduled_runs: 1 });
  }
  if (left <= 1) await completeJob(trx, job, `It has had the ${maxRuns} runs that its max_runs allows.`, now);
}

async function completeJob(
  trx: Transaction<Tables>,
  { jobId }: Job,
  status_reason: string,
  now: number,
): Promise<void> {
  await trx
    .updateTable("jobs")
    .set({ status: "completed", status_reason, updated_at: now })
    .where("job_id", "=", jobId)
    .execute();
}

export const DEPENDENCY_CANCELLED =
  "The job that it runs after was cancelled; give it another time or another job.";

/** Pauses the jobs that run after a cancelled one: nothing would start them any more, and their owner sees why. */
export async function pauseDependents(
  trx: Transaction<Tables>,
  { jobId, userKey }: { jobId: string; userKey: string },
  now: number,
): Promise<void> {
  await trx
    .updateTable("jobs")
    .set({
      status: "paused",
      status_reason: DEPENDENCY_CANCELLED,
      updated_at: now,
    })
    .where("user_key", "=", userKey)
    .where("after_job", "=", jobId)
    .where("after_job", "is not", null)
    .where("status", "=", "active")
    .execute();
}
