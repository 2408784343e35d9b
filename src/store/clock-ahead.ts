import type { Database } from "../database/database.ts";
import type { JobRow } from "../database/schema.ts";
import type { Job } from "../jobs/job.ts";
import { anchored, nextTime, startOf } from "../jobs/schedule.ts";
import { findDeliveriesAhead, mendDelivery } from "../webhooks/clock-ahead.ts";
import { enqueueUser } from "./fair-order.ts";
import { rewriteJob, tryReadJob } from "./job-rows.ts";

/** A clock that is set back by less is no reason to change a job: its times that have passed would come again. */
export const CLOCK_TOLERANCE_MS = 60_000;
/** Jobs that are read at once. */
const PAGE = 500;

/**
 * The job with the next time that its schedule has, where the stored one is further away: it was stored while the clock
 * was ahead. Null for any other job.
 */
export function mendJob(row: JobRow, now: number): Job | null {
  const job = row.status === "active" && row.next_run_at !== null ? tryReadJob(row) : null;
  if (!job || job.nextRunAt === null) return null;
  const { schedule, policy } = job;
  const isAnchorAhead = schedule.kind === "every" && schedule.anchor > now + CLOCK_TOLERANCE_MS;
  const timing = {
    ...job,
    schedule: isAnchorAhead ? anchored({ ...schedule, anchor: now }, policy) : schedule,
  };
  const later = nextTime(timing, now + CLOCK_TOLERANCE_MS);
  const next = nextTime(timing, now);
  if (later === null || next === null || job.nextRunAt <= startOf(job.jobId, timing, later)) return null;
  return { ...timing, nextRunAt: startOf(job.jobId, timing, next) };
}

/** The rows of active jobs that are not due for a while, a page at a time. */
async function* readWaitingJobs(db: Database, now: number): AsyncGenerator<JobRow[]> {
  for (let last = ""; ; ) {
    const rows = await db.kysely
      .selectFrom("jobs")
      .selectAll()
      .where("job_id", ">", last)
      .where("next_run_at", ">", now + CLOCK_TOLERANCE_MS)
      .orderBy("job_id")
      .limit(PAGE)
      .execute();
    if (rows.length > 0) yield rows;
    if (rows.length < PAGE) return;
    last = rows.at(-1)?.job_id ?? last;
  }
}

/** The active jobs whose stored next time is further away than their schedule has it. Reads all that are not due. */
export async function findJobsAhead(db: Database, now: number): Promise<JobRow[]> {
  const found: JobRow[] = [];
  for await (const rows of readWaitingJobs(db, now)) found.push(...rows.filter((row) => mendJob(row, now)));
  return found;
}

/** Gives the job the next time that its schedule has, unless that is what it has by now. */
export async function mendStoredJob(db: Database, { job_id, user_key }: JobRow, now: number): Promise<void> {
  await db.transact(
    async (trx) => {
      const row = await trx
        .selectFrom("jobs")
        .selectAll()
        .where("job_id", "=", job_id)
        .where("user_key", "=", user_key)
        .executeTakeFirst();
      const job = row && mendJob(row, now);
      if (!job) return;
      await rewriteJob(trx, job, row.digest);
      if (Number(row.forgotten_until ?? 0) <= now) return;
      const forget = trx.updateTable("jobs").set({ forgotten_until: now });
      await forget.where("job_id", "=", job_id).where("user_key", "=", user_key).execute();
    },
    { of: user_key },
  );
}

/** True when the newest job or run is of the future: it was stored while the clock was ahead. Reads two rows. */
export async function wasClockAhead(db: Database, now: number): Promise<boolean> {
  const [job, run] = await Promise.all([
    db.kysely.selectFrom("jobs").select("created_at").orderBy("job_id", "desc").limit(1).executeTakeFirst(),
    db.kysely.selectFrom("runs").select("created_at").orderBy("run_id", "desc").limit(1).executeTakeFirst(),
  ]);
  return Math.max(Number(job?.created_at ?? 0), Number(run?.created_at ?? 0)) > now + CLOCK_TOLERANCE_MS;
}

/** No retry waits longer: a queued run that is due later was queued while the clock was ahead. */
const LONGEST_BACKOFF_MS = 86_400_000;

/** Makes the queued runs due now that were queued while the clock was ahead. Resolves to how many. */
async function mendQueuedRuns(db: Database, now: number): Promise<number> {
  const latest = now + LONGEST_BACKOFF_MS + CLOCK_TOLERANCE_MS;
  const runs = await db.kysely
    .selectFrom("runs")
    .select(["run_id", "user_key", "kind"])
    .where("due_at", ">", latest)
    .execute();
  for (const { run_id, ...user } of runs)
    await db.transact(
      async (trx) => {
        const isDue = trx.updateTable("runs").set({ due_at: now }).where("run_id", "=", run_id);
        await isDue.where("due_at", ">", latest).execute();
        await enqueueUser(trx, user, now);
      },
      { of: user.user_key },
    );
  return runs.length;
}

/** Mends all jobs, queued runs and deliveries that were stored while the clock was ahead. Resolves to how many. */
export async function mendJobsAhead(db: Database, now: number): Promise<number> {
  const found = await findJobsAhead(db, now);
  for (const row of found) await mendStoredJob(db, row, now);
  const deliveries = await findDeliveriesAhead(db, now);
  for (const row of deliveries) await mendDelivery(db, row, now);
  return found.length + deliveries.length + (await mendQueuedRuns(db, now));
}
