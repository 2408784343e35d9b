import type { Transaction } from "kysely";
import type { JobRow, RunRow, Tables } from "../database/schema.ts";
import { describeAction, type Job } from "../jobs/job.ts";
import { coalesce } from "../jobs/missed.ts";
import { readJob } from "../jobs/row.ts";
import { countRun, RUNS_USED_UP } from "../runs/daily.ts";
import { emptyOutcome, endedColumns, endRun } from "../runs/end.ts";
import { newRunRow, readRun } from "../runs/row.ts";
import type { Run } from "../runs/run.ts";
import { type DueItem, findDue } from "./due.ts";
import type { Claimed, Reach, Worker } from "./occurrences.ts";

export interface ClaimOptions {
  readonly now: number;
  readonly limit: number;
  readonly reach: Reach;
  readonly worker: Worker;
  readonly leaseMs: number;
  /** Runs of one user in a day; what is beyond is recorded as skipped. Default 0, no limit. */
  readonly maxRunsPerDay?: number;
}

export interface Claims {
  readonly claimed: readonly Claimed[];
  readonly skipped: readonly Run[];
}

const STILL_RUNNING = "The previous run of this job had not ended when this one was due.";
const UNREADABLE = "Its stored description can't be read; run `nightshift doctor`, or schedule it anew.";

/** See Occurrences.claimDue. Everything it decides on is read in the transaction that writes it. */
export async function claimDue(trx: Transaction<Tables>, options: ClaimOptions): Promise<Claims> {
  const due = await findDue(trx, options.reach, options.now, options.limit);
  const claimed: Claimed[] = [];
  const skipped: Run[] = [];
  if (due.length === 0) return { claimed, skipped };
  const jobsOfRuns = await findJobs(trx, due);
  const running = await findRunning(trx, due);
  for (const item of due) {
    const taken =
      item.kind === "job"
        ? await takeOccurrence(trx, item.row, item.at, running.has(item.row.job_id), options)
        : await takeQueued(trx, jobsOfRuns.get(item.row.job_id), item.row, options);
    if (!taken) continue;
    if (taken.run.status === "running") {
      running.add(taken.job.jobId);
      claimed.push(taken);
    } else {
      skipped.push(taken.run);
    }
  }
  return { claimed, skipped };
}

/** Makes the run of an occurrence, started or skipped, and moves the job on to its next time. */
async function takeOccurrence(
  trx: Transaction<Tables>,
  row: JobRow,
  dueAt: number,
  stillRuns: boolean,
  options: ClaimOptions,
): Promise<Claimed | null> {
  const { now } = options;
  const plan = plansOf(row, dueAt, now);
  // One job that can't be read must not stop the others: it is paused, where its owner sees it.
  if (!plan) {
    await setTimes(trx, row.job_id, { next_run_at: null, status: "paused", status_reason: UNREADABLE });
    return null;
  }
  const { job, due } = plan;
  const queued = newRunRow(job, { trigger: "schedule", ...due }, now);
  const obstacle = stillRuns ? STILL_RUNNING : await beyondLimit(trx, row.user_key, options);
  const run: RunRow = obstacle
    ? { ...queued, ...endedColumns(queued, emptyOutcome("skipped", obstacle), now) }
    : { ...queued, ...startedColumns(options) };
  const inserted = await trx
    .insertInto("runs")
    .values(run)
    // It exists when a clock was set back, or a job was given a time that it has had: then it has had its run.
    .onConflict((conflict) => conflict.columns(["job_id", "occurrence"]).doNothing())
    .executeTakeFirst();
  const after =
    due.next === null
      ? { next_run_at: null, status: "completed" as const, status_reason: lastTime(job) }
      : { next_run_at: due.next, status: job.status, status_reason: job.statusReason };
  await setTimes(trx, job.jobId, after);
  if (inserted.numInsertedOrUpdatedRows !== 1n) return null;
  const { next_run_at: nextRunAt, status, status_reason: statusReason } = after;
  return { run: readRun(run, null), job: { ...job, nextRunAt, status, statusReason } };
}

/** Starts a run that was queued, as its job is now. */
async function takeQueued(
  trx: Transaction<Tables>,
  jobRow: JobRow | undefined,
  row: RunRow,
  options: ClaimOptions,
): Promise<Claimed | null> {
  const job = jobRow && readable(jobRow);
  if (!job) {
    await endRun(trx, row.run_id, "queued", emptyOutcome("skipped", UNREADABLE), options.now);
    return null;
  }
  const { kind } = job.action;
  const obstacle = kind === row.kind ? await beyondLimit(trx, row.user_key, options) : undefined;
  if (obstacle) {
    await endRun(trx, row.run_id, "queued", emptyOutcome("skipped", obstacle), options.now);
    return null;
  }
  const started = { kind, prompt: describeAction(job.action), ...startedColumns(options) };
  // The job was changed since into something that perhaps only another process is able to run.
  const change = kind === row.kind ? started : { kind };
  await trx
    .updateTable("runs")
    .set(change)
    .where("run_id", "=", row.run_id)
    .where("status", "=", "queued")
    .execute();
  return kind === row.kind ? { run: readRun({ ...row, ...started }, null), job } : null;
}

async function beyondLimit(
  trx: Transaction<Tables>,
  userKey: string,
  { now, maxRunsPerDay = 0 }: ClaimOptions,
): Promise<string | undefined> {
  return (await countRun(trx, userKey, now, maxRunsPerDay)) ? undefined : RUNS_USED_UP;
}

const startedColumns = ({ now, leaseMs, worker }: ClaimOptions) => ({
  status: "running" as const,
  due_at: null,
  started_at: now,
  lease_until: now + leaseMs,
  worker_id: worker.workerId,
  host: worker.host,
  pid: worker.pid,
});

const lastTime = (job: Job): string =>
  job.schedule.kind === "at"
    ? "Its one time has come; see its run."
    : "Its schedule has no further time; see its runs.";

function readable(row: JobRow): Job | null {
  try {
    return readJob(row);
  } catch {
    return null;
  }
}

function plansOf(row: JobRow, dueAt: number, now: number) {
  const job = readable(row);
  if (!job) return null;
  try {
    return { job, due: coalesce(job.schedule, job.timezone, dueAt, now) };
  } catch {
    // A zone or an expression that this Node no longer knows.
    return null;
  }
}

type Times = Pick<JobRow, "next_run_at" | "status" | "status_reason">;

async function setTimes(trx: Transaction<Tables>, jobId: string, times: Times): Promise<void> {
  await trx.updateTable("jobs").set(times).where("job_id", "=", jobId).execute();
}

/** The jobs of the queued runs among `due`, by id. */
async function findJobs(
  trx: Transaction<Tables>,
  due: readonly DueItem[],
): Promise<ReadonlyMap<string, JobRow>> {
  const ids = due.flatMap((item) => (item.kind === "run" ? [item.row.job_id] : []));
  if (ids.length === 0) return new Map();
  const rows = await trx.selectFrom("jobs").selectAll().where("job_id", "in", ids).execute();
  return new Map(rows.map((row) => [row.job_id, row]));
}

/** Those of the due jobs that have a run in progress, whatever started it. */
async function findRunning(trx: Transaction<Tables>, due: readonly DueItem[]): Promise<Set<string>> {
  const ids = due.flatMap((item) => (item.kind === "job" ? [item.row.job_id] : []));
  if (ids.length === 0) return new Set();
  const rows = await trx
    .selectFrom("runs")
    .select("job_id")
    .where("job_id", "in", ids)
    .where("status", "=", "running")
    .where("finished_at", "is", null)
    .execute();
  return new Set(rows.map((row) => row.job_id));
}
