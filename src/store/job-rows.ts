import type { Transaction } from "kysely";
import * as z from "zod";
import { newId } from "../database/ids.ts";
import type { JobRow, Tables } from "../database/schema.ts";
import { NightshiftError } from "../errors.ts";
import type { NewJob } from "../jobs/contracts.ts";
import { storedLimits, storedPolicy, storedProvision, storedTools } from "../jobs/fields.ts";
import { DEFAULT_POLICY, type Job, NO_PROVISION } from "../jobs/job.ts";
import { hasTimeLeft, startOf } from "../jobs/schedule.ts";
import { enqueueUser } from "./fair-order.ts";

/** The part of a job that no query looks into. Checked when read: an older or a damaged row fails here, by name. */
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

/** The job of a row. Throws DATA_UNAVAILABLE when the row isn't one. */
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
    ...readDetail(row),
  };
}

function readDetail(row: JobRow): z.output<typeof jobDetail> {
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

/** The row of a job. `digest` is that of its file, if it has one. */
export function toJobRow(job: Job, digest: string | null): Omit<JobRow, "forgotten_until"> {
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
