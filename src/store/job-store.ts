import type { Transaction } from "kysely";
import type { Database } from "../database/database.ts";
import { readPage } from "../database/page.ts";
import type { Tables } from "../database/schema.ts";
import { NightshiftError } from "../errors.ts";
import type { JobChange, JobPage, JobStore } from "../jobs/contracts.ts";
import { JOB_STATUSES, type Job, type JobStatus, NEXT_JOB_STATUSES } from "../jobs/job.ts";
import { nextTime, sameTimes, startOf } from "../jobs/schedule.ts";
import { syncFolder } from "./folder-sync.ts";
import { addCounts, readCounters } from "./job-counters.ts";
import { checkChain, pauseDependents } from "./job-dependencies.ts";
import { findJobRow, insertJob, newJob, readJob, rewriteJob } from "./job-rows.ts";
import { cancelQueuedRuns, skipQueuedRuns } from "./run-end.ts";
import { findJobOfKey, findSameJob } from "./same-job.ts";
import { readJobTokens } from "./usage.ts";

export interface JobStoreOptions {
  readonly userKey: string;
  /** The principal's subject; for people to read. */
  readonly userId: string;
  /** Epoch ms. */
  readonly now: () => number;
  /** Active and paused jobs that the user may have; default 1000. */
  readonly maxJobs?: number;
}

const DEFAULT_MAX_JOBS = 1000;
const DEFAULT_JOBS_PAGE = 50;
const MAX_JOBS_PAGE = 200;

/** One user's jobs: every query below carries `userKey`, and no caller can give another. */
export function openJobStore(db: Database, options: JobStoreOptions): JobStore {
  const { userKey, userId, now, maxJobs = DEFAULT_MAX_JOBS } = options;
  const transact = <T>(work: (trx: Transaction<Tables>) => Promise<T>) => db.transact(work, { of: userKey });
  const insert = async (trx: Transaction<Tables>, job: Job, key?: string): Promise<Job> => {
    await checkLimit(trx, userKey, maxJobs);
    await checkChain(trx, job);
    await insertJob(trx, job, null, key);
    return job;
  };
  return {
    create: (job) => transact((trx) => insert(trx, newJob(job, { userKey, userId }, now()))),
    createOnce: (job, { key, allowDuplicate = false } = {}) =>
      transact(async (trx) => {
        const wanted = newJob(job, { userKey, userId }, now());
        const known =
          (key === undefined ? null : await findJobOfKey(trx, userKey, key)) ??
          (allowDuplicate ? null : await findSameJob(trx, wanted));
        return known ? { job: known, isNew: false } : { job: await insert(trx, wanted, key), isNew: true };
      }),
    get: async (jobId) => readJob(await findJobRow(db.kysely, { userKey, jobId })),
    tokensSpent: (jobId) => readJobTokens(db, { jobId, userKey }),
    list: (listOptions = {}) => readJobsPage(db, userKey, listOptions),
    update: (jobId, change) =>
      transact(async (trx) => {
        const row = await findJobRow(trx, { userKey, jobId });
        const job = readJob(row);
        const changed = applyChange(job, change(job), now());
        if (changed.status !== "cancelled") await checkChain(trx, changed);
        await rewriteJob(trx, changed, row.digest);
        await applyStatus(trx, job, changed, now());
        return changed;
      }),
    syncFolder: (files, keep = []) =>
      transact((trx) => syncFolder(trx, { userKey, userId }, { files, keep }, now())),
    counts: () => countJobs(db, userKey),
    counters: (jobIds) => readCounters(db.kysely, userKey, jobIds),
  };
}

/** Applies a new status to the job's queued runs, its dependents and its failures in a row. */
async function applyStatus(trx: Transaction<Tables>, before: Job, job: Job, now: number): Promise<void> {
  if (job.status === before.status) return;
  if (job.status === "cancelled") {
    await cancelQueuedRuns(trx, job.jobId, now);
    await pauseDependents(trx, job, now);
  }
  if (job.status === "paused") await skipQueuedRuns(trx, job.jobId, now);
  if (job.status === "active") await addCounts(trx, job, {}, { consecutive_failures: 0 });
}

async function checkLimit(trx: Transaction<Tables>, userKey: string, maxJobs: number): Promise<void> {
  const row = await trx
    .selectFrom("jobs")
    .select((eb) => eb.fn.countAll().as("count"))
    .where("user_key", "=", userKey)
    .where("status", "in", ["active", "paused"])
    .executeTakeFirst();
  if (Number(row?.count ?? 0) < maxJobs) return;
  throw new NightshiftError(
    "JOB_LIMIT_REACHED",
    `You have ${maxJobs} jobs, which is the limit; cancel one with cancel_job first.`,
    { limit: maxJobs },
  );
}

async function readJobsPage(
  db: Database,
  userKey: string,
  { status, idStart, name, limit = DEFAULT_JOBS_PAGE, cursor }: NonNullable<Parameters<JobStore["list"]>[0]>,
): Promise<JobPage> {
  let query = db.kysely.selectFrom("jobs").selectAll().where("user_key", "=", userKey);
  if (status !== undefined) query = query.where("status", "=", status);
  // After its prefix an id is hexadecimal, so "g" sorts after all of them in every collation.
  if (idStart !== undefined) query = query.where("job_id", ">=", idStart).where("job_id", "<", `${idStart}g`);
  if (name !== undefined)
    query = query.where(({ eb, fn, cast, val }) =>
      eb(fn<string>("lower", ["name"]), "=", fn<string>("lower", [cast<string>(val(name), "text")])),
    );
  const scope = [
    "jobs",
    userKey,
    status ?? null,
    ...(idStart === undefined ? [] : [idStart]),
    ...(name === undefined ? [] : ["name", name]),
  ];
  const { rows, ...next } = await readPage(query, "job_id", {
    scope,
    limit,
    maxLimit: MAX_JOBS_PAGE,
    cursor,
  });
  return { jobs: rows.map(readJob), ...next };
}

async function countJobs(db: Database, userKey: string): Promise<Record<JobStatus, number>> {
  const rows = await db.kysely
    .selectFrom("jobs")
    .select((eb) => ["status", eb.fn.countAll().as("count")])
    .where("user_key", "=", userKey)
    .groupBy("status")
    .execute();
  const counts = new Map(rows.map((row) => [row.status, Number(row.count)]));
  return Object.fromEntries(JOB_STATUSES.map((status) => [status, counts.get(status) ?? 0])) as Record<
    JobStatus,
    number
  >;
}

/** `job` after `change`, with the status and next time that result. Throws JOB_STATE, see JobStore.update. */
function applyChange(job: Job, change: JobChange, now: number): Job {
  const status = change.status ?? job.status;
  checkStep(job, status);
  const merged: Job = {
    ...job,
    ...change,
    statusReason: change.statusReason ?? (status === job.status ? job.statusReason : null),
    updatedAt: now,
  };
  if (status !== "active") return { ...merged, nextRunAt: null };
  const nextRunAt = nextRunOf(job, change, merged, now);
  if (nextRunAt === null && merged.schedule.kind !== "after") throw noTimeLeft(job);
  return { ...merged, nextRunAt };
}

function nextRunOf(job: Job, change: JobChange, merged: Job, now: number): number | null {
  const keepsItsTime = job.status === "active" && sameTimes(job, merged) && job.nextRunAt !== null;
  if (change.nextRunAt === undefined && keepsItsTime) return job.nextRunAt;
  const occurrence = change.nextRunAt === undefined ? nextTime(merged, now) : change.nextRunAt;
  return occurrence === null ? null : startOf(job.jobId, merged, occurrence);
}

function checkStep(job: Job, status: JobStatus): void {
  const next: readonly JobStatus[] = NEXT_JOB_STATUSES[job.status];
  if (status === job.status || next.includes(status)) return;
  const advice =
    job.status === "cancelled"
      ? "schedule a new one"
      : "give it a new time with update_job, or run it with run_job";
  throw new NightshiftError("JOB_STATE", `This job is ${job.status} and can't become ${status}; ${advice}.`, {
    jobId: job.jobId,
    status: job.status,
  });
}

const noTimeLeft = (job: Job): NightshiftError =>
  new NightshiftError(
    "JOB_STATE",
    "The time of this job has passed, so nothing would ever run; give it a new one with update_job, or run it now with run_job.",
    { jobId: job.jobId, status: job.status },
  );
