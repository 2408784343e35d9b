import type { Transaction } from "kysely";
import type { UserLocks } from "../database/database.ts";
import { readDetail, readRun } from "../database/run-row.ts";
import type { JobRow, RunRow, Tables } from "../database/schema.ts";
import { describeAction, type Job } from "../jobs/job.ts";
import type { Run } from "../jobs/run.ts";
import { type DueItem, type FindDue, findDue } from "./due.ts";
import { enqueueUser } from "./fair-order.ts";
import { addCounts } from "./job-counters.ts";
import { tryReadJob } from "./job-rows.ts";
import { type StartOptions, startedColumns, takeOccurrence, UNREADABLE } from "./occurrence.ts";
import { type ActiveRuns, countActive } from "./overlap.ts";
import { emptyResult, endRun } from "./run-end.ts";
import type { Claimed, ClaimOptions } from "./run-queue.ts";
import { countRunOfDay } from "./usage.ts";
import { endWait } from "./wait-run.ts";

export interface ClaimResult {
  readonly claimed: readonly (Claimed & Pick<DueItem, "ticket">)[];
  /** Runs that were stored as skipped, for whatever reason. */
  readonly refused: readonly Run[];
  /** True when running runs were asked to stop. */
  readonly isCancelling: boolean;
  /** See DueItems. */
  readonly again: boolean;
}

/** See RunQueue.claimDue. All that it decides on is read in the transaction that writes the decision. */
export async function claimDue(
  trx: Transaction<Tables>,
  users: UserLocks,
  options: ClaimOptions,
  find: FindDue = findDue,
): Promise<ClaimResult> {
  const { items, done, again = false } = await find(trx, users, options);
  const claimed: (Claimed & Pick<DueItem, "ticket">)[] = [];
  const refused: Run[] = [];
  let isCancelling = false;
  const jobsOfRuns = await findJobs(trx, items);
  const activeByJob = new Map<string, ActiveRuns>();
  const left = new Set<string>();
  for (const item of items) {
    const { ticket } = item;
    const jobId = item.row.job_id;
    const jobRow = item.kind === "run" ? jobsOfRuns.get(jobId) : item.row;
    if (jobRow && options.filter.left?.leaves(jobRow)) {
      if (ticket) left.add(ticket);
      continue;
    }
    // The database found it due, so a system clock of ours that is behind does not make it early.
    const start = { ...options, now: Math.max(options.now, item.at), ...(ticket && { ticket }) };
    const active = activeByJob.get(jobId) ?? (await countActive(trx, jobId));
    activeByJob.set(jobId, active);
    let started: Claimed | null;
    if (item.kind === "run") {
      started = await takeQueued(trx, jobRow, item.row, active, start);
    } else {
      const taken = await takeOccurrence(trx, item.row, active, start);
      started = taken.claimed;
      refused.push(...taken.refused);
      isCancelling ||= taken.isCancelling;
    }
    if (started) claimed.push({ ...started, ...(ticket && { ticket }) });
  }
  await done(new Set(claimed.flatMap(({ ticket }) => ticket ?? [])), left);
  return { claimed, refused, isCancelling, again };
}

/** Starts a queued run with its job's present settings. Null when it was skipped or put back. */
async function takeQueued(
  trx: Transaction<Tables>,
  jobRow: JobRow | undefined,
  row: RunRow,
  active: ActiveRuns,
  options: StartOptions,
): Promise<Claimed | null> {
  if (active.isReplaced && !(await isQueued(trx, row.run_id))) return null;
  const job = jobRow && tryReadJob(jobRow);
  const skip = async (reason: string) => {
    await endRun(trx, row.run_id, "queued", emptyResult("skipped", reason), options.now);
    active.waiting--;
    return null;
  };
  const update = (columns: Partial<RunRow>) =>
    trx
      .updateTable("runs")
      .set(columns)
      .where("run_id", "=", row.run_id)
      .where("status", "=", "queued")
      .execute();
  if (!job) return skip(UNREADABLE);
  const { kind } = job.action;
  if (row.started_at !== null) return resume(trx, job, row, options);
  if (kind !== row.kind) {
    // The job's action was changed to a kind that perhaps only another process can run.
    await update({ kind });
    await enqueueUser(trx, { user_key: row.user_key, kind }, row.due_at);
    return null;
  }
  if (active.running > 0 && readDetail(row.detail).exclusive) {
    await update({ due_at: null, held_for: row.scheduled_for });
    return null;
  }
  const obstacle = await countRunOfDay(trx, row.user_key, options);
  if (obstacle) return skip(obstacle);
  const started = { kind, prompt: describeAction(job.action), ...startedColumns(options) };
  await update(started);
  await addCounts(trx, job, { runs_started: 1 });
  active.running++;
  active.waiting--;
  return { run: readRun({ ...row, ...started }, null), job };
}

/** Goes on with a run that was begun. It keeps its start, its prompt and its place among its job's runs. */
async function resume(
  trx: Transaction<Tables>,
  job: Job,
  row: RunRow,
  options: StartOptions,
): Promise<Claimed> {
  if (row.waiting_for !== null) await endWait(trx, row, options.now);
  const resumed = { ...startedColumns(options), started_at: row.started_at, waiting_for: null };
  await trx.updateTable("runs").set(resumed).where("run_id", "=", row.run_id).execute();
  return { run: readRun({ ...row, ...resumed }, null), job };
}

const isQueued = async (trx: Transaction<Tables>, runId: string): Promise<boolean> =>
  (await trx
    .selectFrom("runs")
    .select("run_id")
    .where("run_id", "=", runId)
    .where("status", "=", "queued")
    .executeTakeFirst()) !== undefined;

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
