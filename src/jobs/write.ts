import type { Transaction } from "kysely";
import { newId } from "../database/ids.ts";
import type { Tables } from "../database/schema.ts";
import { enqueueUser } from "../store/fair-order.ts";
import { toJobRow } from "../store/job-rows.ts";
import type { NewJob } from "./contracts.ts";
import type { Job } from "./job.ts";
import { DEFAULT_POLICY } from "./policy.ts";
import { NO_PROVISION } from "./provision.ts";
import { hasTimeLeft, startOf } from "./times.ts";

export interface Owner {
  readonly userKey: string;
  readonly userId: string;
}

/** A job that has no time to run at is complete from the start: it is kept so that its file stays known. */
export function newJob(job: NewJob, owner: Owner, now: number, jobId = newId("job", now)): Job {
  const { policy = DEFAULT_POLICY } = job;
  const isDependent = job.schedule.kind === "after" && hasTimeLeft({ ...job, policy }, now);
  const over = job.nextRunAt === null && !isDependent;
  return {
    provision: NO_PROVISION,
    ...job,
    ...owner,
    jobId,
    policy,
    nextRunAt: job.nextRunAt === null ? null : startOf(jobId, { ...job, policy }, job.nextRunAt),
    status: over ? "completed" : "active",
    statusReason: over ? "Its time had passed before it was stored." : null,
    createdAt: now,
    updatedAt: now,
  };
}

export async function insertJob(trx: Transaction<Tables>, job: Job, digest: string | null): Promise<void> {
  const row = toJobRow(job, digest);
  await trx.insertInto("jobs").values(row).execute();
  await enqueueUser(trx, row, row.next_run_at);
}

/** Writes everything of a stored job but its id, owner and birth. */
export async function rewriteJob(trx: Transaction<Tables>, job: Job, digest: string | null): Promise<void> {
  const { job_id, user_key, created_at: _, ...columns } = toJobRow(job, digest);
  await trx
    .updateTable("jobs")
    .set(columns)
    .where("job_id", "=", job_id)
    .where("user_key", "=", user_key)
    .execute();
  await enqueueUser(trx, { user_key, kind: columns.kind }, columns.next_run_at);
}
