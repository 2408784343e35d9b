import type { Kysely, Transaction } from "kysely";
import * as z from "zod";
import { newId } from "../database/ids.ts";
import type { JobRow, Tables } from "../database/schema.ts";
import { NightshiftError } from "../errors.ts";
import type { NewJob } from "../jobs/contracts.ts";
import { storedLimits, storedPolicy, storedProvision, storedTools } from "../jobs/fields.ts";
import { DEFAULT_POLICY, type Job, NO_PROVISION } from "../jobs/job.ts";
import { hasTimeLeft, startOf } from "../jobs/schedule.ts";
import { enqueueUser } from "./fair-order.ts";

/** The part of a job that no query looks into. It is checked when it is read: a damaged row fails here, by its id. */
const jobDetail = z.object({
  action: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("prompt"), prompt: z.string() }),
    z.object({ kind: z.literal("tool"), tool: z.string(), arguments: z.record(z.string(), z.unknown()) }),
    z.object({ kind: z.literal("code"), file: z.string() }),
  ]),
  schedule: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("at"), at: z.number() }),
    z.object({ kind: z.literal("cron"), cron: z.string() }),
    z.object({ kind: z.literal("every"), everySeconds: z.number().min(1), anchor: z.number() }),
    z.object({ kind: z.literal("after"), jobId: z.string() }),
  ]),
  timezone: z.string(),
  limits: storedLimits,
  policy: storedPolicy,
  tools: storedTools,
  provision: storedProvision,
  origin: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("tool"), parentSessionId: z.string(), threadId: z.string() }),
    z.object({ kind: z.literal("folder"), file: z.string() }),
  ]),
});

/** The job that a row holds. Throws DATA_UNAVAILABLE for a damaged row. */
export function readJob(row: JobRow): Job {
  return {
    jobId: row.job_id,
    userKey: row.user_key,
    userId: row.user_id,
    name: row.name,
    status: row.status,
    statusReason: row.status_reason,
    nextRunAt: row.next_run_at,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    ...readJobDetail(row),
  };
}

/** Null for a row that can't be read, where one bad job must not stop the work on others. */
export function tryReadJob(row: JobRow): Job | null {
  try {
    return readJob(row);
  } catch {
    return null;
  }
}

/** One user's job. Rejects with JOB_NOT_FOUND, in the same words for an absent one and for somebody else's. */
export async function findJobRow(
  db: Kysely<Tables>,
  { userKey, jobId }: { readonly userKey: string; readonly jobId: string },
): Promise<JobRow> {
  const row = await db
    .selectFrom("jobs")
    .selectAll()
    .where("job_id", "=", jobId)
    .where("user_key", "=", userKey)
    .executeTakeFirst();
  if (row) return row;
  throw new NightshiftError("JOB_NOT_FOUND", "You have no job with this id; list_jobs shows those you have.");
}

function readJobDetail(row: JobRow): z.output<typeof jobDetail> {
  try {
    return jobDetail.parse(JSON.parse(row.detail));
  } catch (cause) {
    throw new NightshiftError(
      "DATA_UNAVAILABLE",
      `The stored job ${row.job_id} can't be read; run \`nightshift doctor\`.`,
      { jobId: row.job_id },
      { cause },
    );
  }
}

/** The row that holds a job. `digest`: of its file, null for a job without one. */
export function toJobRow(
  job: Job,
  digest: string | null,
): Omit<JobRow, "forgotten_until" | "idempotency_key"> {
  const { action, schedule, timezone, limits, policy, tools, provision, origin } = job;
  return {
    job_id: job.jobId,
    user_key: job.userKey,
    user_id: job.userId,
    name: job.name,
    kind: action.kind,
    status: job.status,
    status_reason: job.statusReason,
    next_run_at: job.nextRunAt,
    after_job: schedule.kind === "after" ? schedule.jobId : null,
    file: origin.kind === "folder" ? origin.file : null,
    digest,
    webhook_url: provision.webhookUrl,
    created_at: job.createdAt,
    updated_at: job.updatedAt,
    detail: JSON.stringify({ action, schedule, timezone, limits, policy, tools, provision, origin }),
  };
}

export interface Owner {
  readonly userKey: string;
  readonly userId: string;
}

/** A job as it is first stored. One that has no time left is completed from the start: a file's job stays known so. */
export function newJob(job: NewJob, owner: Owner, now: number, jobId = newId("job", now)): Job {
  const { policy = DEFAULT_POLICY } = job;
  const isDependent = job.schedule.kind === "after" && hasTimeLeft({ ...job, policy }, now);
  const isOver = job.nextRunAt === null && !isDependent;
  return {
    provision: NO_PROVISION,
    ...job,
    ...owner,
    jobId,
    policy,
    nextRunAt: job.nextRunAt === null ? null : startOf(jobId, { ...job, policy }, job.nextRunAt),
    status: isOver ? "completed" : "active",
    statusReason: isOver ? "Its time had passed before it was stored." : null,
    createdAt: now,
    updatedAt: now,
  };
}

export async function insertJob(
  trx: Transaction<Tables>,
  job: Job,
  digest: string | null,
  idempotencyKey?: string,
): Promise<void> {
  const row = toJobRow(job, digest);
  const key = idempotencyKey === undefined ? {} : { idempotency_key: idempotencyKey };
  await trx
    .insertInto("jobs")
    .values({ ...row, ...key })
    .execute();
  await enqueueUser(trx, row, row.next_run_at);
}

/** Writes all columns of a stored job except its id, its owner and when it was made. */
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

/** A job of whichever user; null when it is not there or cannot be read. For what follows from a run of it. */
export async function findAnyJob(trx: Transaction<Tables>, jobId: string): Promise<Job | null> {
  const row = await trx.selectFrom("jobs").selectAll().where("job_id", "=", jobId).executeTakeFirst();
  return row ? tryReadJob(row) : null;
}
