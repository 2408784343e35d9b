import type { Database } from "../database/database.ts";
import type { JobRow } from "../database/schema.ts";
import type { Problem } from "../database/sqlite-doctor.ts";
import { type Counters, NO_COUNTS } from "../jobs/contracts.ts";
import { nextTime, startOf } from "../jobs/schedule.ts";
import { toIso } from "../jobs/time.ts";
import { findDeliveriesAhead, mendDelivery } from "../webhooks/clock-ahead.ts";
import { findJobsAhead, mendJob, mendStoredJob } from "./clock-ahead.ts";
import { addCounts, readCounters } from "./job-counters.ts";
import { readJob, rewriteJob } from "./job-rows.ts";

/** Problems in the stored jobs of all users: for `doctor`, never for a connection. */
export async function findJobProblems(db: Database, now: number): Promise<Problem[]> {
  return [...(await findIdle(db, now)), ...(await findAhead(db, now)), ...(await findMiscounted(db))];
}

/** Active jobs without a next run, which nothing would ever start. */
async function findIdle(db: Database, now: number): Promise<Problem[]> {
  const rows = await db.kysely
    .selectFrom("jobs")
    .selectAll()
    .where("status", "=", "active")
    .where("next_run_at", "is", null)
    .where("after_job", "is", null)
    .execute();
  return rows.map((row) => {
    const found = `${row.job_id} is active and has no next run`;
    return { found, repair: () => db.transact((trx) => rewriteJob(trx, withTime(row, now), row.digest)) };
  });
}

async function findAhead(db: Database, now: number): Promise<Problem[]> {
  const jobs = (await findJobsAhead(db, now)).map((row) => ({
    found: describeAhead(row),
    repair: () => mendStoredJob(db, row, now),
  }));
  const deliveries = (await findDeliveriesAhead(db, now)).map((row) => ({
    found: `${row.delivery_id} is sent at ${toIso(Number(row.next_attempt_at))}, later than any retry: the clock was ahead`,
    repair: () => mendDelivery(db, row, now),
  }));
  return [...jobs, ...deliveries];
}

const describeAhead = ({ job_id, next_run_at }: JobRow): string =>
  `${job_id} is next due at ${toIso(next_run_at)}, later than its schedule says: the clock was ahead`;

/** What is wrong with the next time of a stored job; undefined when nothing is. */
export const timeProblem = (row: JobRow, now: number): string | undefined =>
  mendJob(row, now) ? describeAhead(row) : undefined;

/** The job with its next time after `now`; the times that it missed meanwhile are unknown. */
function withTime(row: JobRow, now: number) {
  const job = readJob(row);
  const next = nextTime(job, now);
  if (next !== null) return { ...job, nextRunAt: startOf(job.jobId, job, next) };
  return { ...job, status: "completed" as const, statusReason: "Its time has passed." };
}

/** Counters that are lower than the stored runs. Higher ones are right, because old runs are deleted. */
async function findMiscounted(db: Database): Promise<Problem[]> {
  const jobs = await db.kysely
    .selectFrom("runs")
    .select((eb) => [
      "job_id",
      "user_key",
      eb.fn.count<number>("started_at").as("started"),
      eb.fn.countAll<number>().filterWhere("status", "=", "succeeded").as("succeeded"),
      eb.fn.countAll<number>().filterWhere("status", "in", ["failed", "timed_out", "lost"]).as("failed"),
    ])
    .groupBy(["job_id", "user_key"])
    .execute();
  const problems: Problem[] = [];
  for (const { job_id: jobId, user_key: userKey, ...rows } of jobs) {
    const counters = (await readCounters(db.kysely, userKey, [jobId])).get(jobId) ?? NO_COUNTS;
    const missing = missingIn(counters, rows);
    if (Object.values(missing).every((by) => by === 0)) continue;
    const found = `the counters of ${jobId} are below its runs`;
    problems.push({ found, repair: () => db.transact((trx) => addCounts(trx, { jobId, userKey }, missing)) });
  }
  return problems;
}

const missingIn = (
  counters: Counters,
  { started, succeeded, failed }: Record<"started" | "succeeded" | "failed", number>,
) => ({
  runs_started: Math.max(0, Number(started) - counters.runsStarted),
  runs_succeeded: Math.max(0, Number(succeeded) - counters.runsSucceeded),
  runs_failed: Math.max(0, Number(failed) - counters.runsFailed),
});
