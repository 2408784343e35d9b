import type { Transaction } from "kysely";
import type { UserLocks } from "../database/database.ts";
import { readDetail, readRun } from "../database/run-row.ts";
import type { JobRow, RunRow, Tables } from "../database/schema.ts";
import { describeAction, type Job } from "../jobs/job.ts";
import type { Run } from "../jobs/run.ts";
import { type DueItem, type FindDue, findDue } from "./due.ts";
import { type ActiveRuns, countActive } from "./enqueue-run.ts";
import { enqueueUser } from "./fair-order.ts";
import { addCounts } from "./job-counters.ts";
import { readJob } from "./job-rows.ts";
import { startedColumns, takeOccurrence, UNREADABLE } from "./occurrence.ts";
import { emptyResult, endRun } from "./run-end.ts";
import type { Claimed, ClaimOptions } from "./run-queue.ts";
import { beyondLimit } from "./usage.ts";

export interface Claims {
  readonly claimed: readonly Claimed[];
  /** Skipped, missed and dropped. */
  readonly refused: readonly Run[];
  /** True when runs at work were told to stop. */
  readonly isCancelling: boolean;
  /** Of the claimed runs, by id: what the queue knows them by. */
  readonly tickets: ReadonlyMap<string, string>;
  /** See Due. */
  readonly again: boolean;
}

/** See RunQueue.claimDue. Everything it decides on is read in the transaction that writes it. */
export async function claimDue(
  trx: Transaction<Tables>,
  users: UserLocks,
  options: ClaimOptions,
  find: FindDue = findDue,
): Promise<Claims> {
  const { items, done, again = false } = await find(trx, users, options);
  const claimed: Claimed[] = [];
  const refused: Run[] = [];
  let isCancelling = false;
  const jobsOfRuns = await findJobs(trx, items);
  const activeByJob = new Map<string, ActiveRuns>();
  const tickets = new Map<string, string>();
  for (const item of items) {
    const { ticket } = item;
    // Where the database says that its time has come, a clock of ours that is behind doesn't say otherwise.
    const own = { ...options, now: Math.max(options.now, item.at), ...(ticket && { ticket }) };
    const start = (one: Claimed | null) => {
      if (!one) return;
      claimed.push(one);
      if (ticket) tickets.set(one.run.runId, ticket);
    };
    const active = activeByJob.get(item.row.job_id) ?? (await countActive(trx, item.row.job_id));
    activeByJob.set(item.row.job_id, active);
    if (item.kind === "run") {
      start(await takeQueued(trx, jobsOfRuns.get(item.row.job_id), item.row, active, own));
      continue;
    }
    const taken = await takeOccurrence(trx, item.row, active, own);
    start(taken.claimed);
    refused.push(...taken.refused);
    isCancelling ||= taken.isCancelling;
  }
  await done(new Set(tickets.values()));
  return { claimed, refused, isCancelling, tickets, again };
}

/** Starts a run that was queued, as its job is now. */
async function takeQueued(
  trx: Transaction<Tables>,
  jobRow: JobRow | undefined,
  row: RunRow,
  active: ActiveRuns,
  options: ClaimOptions,
): Promise<Claimed | null> {
  const job = jobRow && readable(jobRow);
  const skip = async (reason: string) => {
    await endRun(trx, row.run_id, "queued", emptyResult("skipped", reason), options.now);
    active.waiting--;
    return null;
  };
  const change = (columns: Partial<RunRow>) =>
    trx
      .updateTable("runs")
      .set(columns)
      .where("run_id", "=", row.run_id)
      .where("status", "=", "queued")
      .execute();
  if (!job) return skip(UNREADABLE);
  const { kind } = job.action;
  if (kind !== row.kind) {
    // The job was changed since into something that perhaps only another process is able to run.
    await change({ kind });
    await enqueueUser(trx, { user_key: row.user_key, kind }, row.due_at);
    return null;
  }
  if (active.running > 0 && readDetail(row.detail).exclusive) {
    await change({ due_at: null, held_for: row.scheduled_for });
    return null;
  }
  const obstacle = await beyondLimit(trx, row.user_key, options);
  if (obstacle) return skip(obstacle);
  const started = { kind, prompt: describeAction(job.action), ...startedColumns(options) };
  await change(started);
  await addCounts(trx, job, { runs_started: 1 });
  active.running++;
  active.waiting--;
  return { run: readRun({ ...row, ...started }, null), job };
}

function readable(row: JobRow): Job | null {
  try {
    return readJob(row);
  } catch {
    return null;
  }
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
