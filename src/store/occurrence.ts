import type { Transaction } from "kysely";
import { newRunRow, type RunSeed, readRun } from "../database/run-row.ts";
import type { JobRow, RunRow, Tables } from "../database/schema.ts";
import { sendPipelined } from "../database/sql.ts";
import { dropRest, type Plan, type PlannedRun, planDue } from "../jobs/catch-up.ts";
import type { Job } from "../jobs/job.ts";
import type { Run } from "../jobs/run.ts";
import { startOf } from "../jobs/schedule.ts";
import { addCounts, type Count, readCounters } from "./job-counters.ts";
import { readJob } from "./job-rows.ts";
import { type ActiveRuns, decideOverlap, isExclusive, replaceActive } from "./overlap.ts";
import { emptyResult, endedColumns } from "./run-end.ts";
import type { Claimed, ClaimOptions } from "./run-queue.ts";
import { countRunOfDay } from "./usage.ts";

export const UNREADABLE =
  "Its stored description can't be read; run `nightshift doctor`, or schedule it anew.";

export interface StartOptions extends ClaimOptions {
  /** The id that an external queue handed the item out under. */
  readonly ticket?: string;
}

export interface TakenOccurrence {
  readonly claimed: Claimed | null;
  /** Runs that were stored as skipped: for occurrences that were skipped, missed or dropped. */
  readonly refused: readonly Run[];
  /** True when running runs of the job were asked to stop. */
  readonly isCancelling: boolean;
}

/** Makes the runs of a job's due occurrences (started, queued, held or skipped), and sets the job's next time. */
export async function takeOccurrence(
  trx: Transaction<Tables>,
  row: JobRow,
  active: ActiveRuns,
  options: StartOptions,
): Promise<TakenOccurrence> {
  const planned = planOf(row, options.now);
  if (!planned) {
    // One job that can't be read must not stop the others: it is paused, where its owner sees it.
    await setTimes(trx, row.job_id, { next_run_at: null, status: "paused", status_reason: UNREADABLE });
    return { claimed: null, refused: [], isCancelling: false };
  }
  const { job, plan } = planned;
  const taking: Taking = { trx, job, active, options, started: null, refused: [], isCancelling: false };
  // Runs up to `forgotten_until` have been deleted: those occurrences are not run again.
  const forgottenUntil = row.forgotten_until ?? Number.NEGATIVE_INFINITY;
  const { missed } = plan;
  if (missed && missed.scheduledFor > forgottenUntil) {
    const { scheduledFor, count, reason } = missed;
    await recordSkipped(
      taking,
      { scheduledFor, coalesced: count - 1 },
      { count: "missed", by: count, reason },
    );
  }
  const runs = plan.runs.filter(({ scheduledFor }) => scheduledFor > forgottenUntil);
  const { runsLeft, next } = await takeRuns(taking, { ...plan, runs });
  const times =
    runsLeft === 0
      ? completed(`It has had the ${job.policy.maxRuns} runs that its max_runs allows.`)
      : timesAfter(job, next);
  await setTimes(trx, job.jobId, times);
  const { next_run_at: nextRunAt, status, status_reason: statusReason } = times;
  const { started, refused, isCancelling } = taking;
  const claimed = started && { run: started, job: { ...job, nextRunAt, status, statusReason } };
  return { claimed, refused, isCancelling };
}

function planOf(row: JobRow, now: number): { job: Job; plan: Plan } | null {
  try {
    const job = readJob(row);
    return { job, plan: planDue(job, row.next_run_at ?? now, now) };
  } catch {
    // The row is damaged, or this Node does not know its time zone or cron expression.
    return null;
  }
}

/** The state of one `takeOccurrence`. */
interface Taking {
  readonly trx: Transaction<Tables>;
  readonly job: Job;
  readonly active: ActiveRuns;
  readonly options: StartOptions;
  started: Run | null;
  readonly refused: Run[];
  isCancelling: boolean;
}

/** Makes the planned runs as the job's overlap has it. Resolves to what max_runs leaves, and to the next occurrence. */
async function takeRuns(taking: Taking, plan: Plan): Promise<{ runsLeft: number; next: number | null }> {
  const { trx, job, active, options } = taking;
  let runsLeft = await readRunsLeft(trx, job);
  for (const planned of plan.runs) {
    if (runsLeft === 0) break;
    const decision = decideOverlap(job.policy.overlap, active, planned.isLate);
    if (decision.kind === "refuse") {
      const { count, reason } = decision;
      if (count === "dropped" && planned.isLate) {
        // As many wait as may: all that are due are dropped at once.
        const rest = dropRest(job, planned.scheduledFor, options.now);
        const { scheduledFor } = planned;
        await recordSkipped(
          taking,
          { scheduledFor, coalesced: rest.count - 1 },
          { count, by: rest.count, reason },
        );
        return { runsLeft, next: rest.next };
      }
      await recordSkipped(taking, planned, { count, by: 1, reason });
      continue;
    }
    if (decision.kind === "replace") {
      taking.isCancelling = true;
      await replaceActive(trx, job.jobId, active, options.now);
    }
    const canStart = decision.kind === "start" || active.running + active.waiting === 0;
    if (canStart ? await startOrQueue(taking, planned) : await hold(taking, planned)) runsLeft--;
  }
  return { runsLeft, next: plan.next };
}

/** Infinity where the job has no max_runs. */
async function readRunsLeft(trx: Transaction<Tables>, { jobId, userKey, policy }: Job): Promise<number> {
  if (policy.maxRuns === null) return Number.POSITIVE_INFINITY;
  const counters = await readCounters(trx, userKey, [jobId]);
  return Math.max(0, policy.maxRuns - (counters.get(jobId)?.scheduledRuns ?? 0));
}

type Occurrence = Pick<PlannedRun, "scheduledFor" | "coalesced">;

const newRow = ({ job, options }: Taking, occurrence: Occurrence, isHeld = false): RunRow => {
  const { scheduledFor, coalesced } = occurrence;
  const seed: RunSeed = { trigger: "schedule", scheduledFor, coalesced, exclusive: isExclusive(job), isHeld };
  return newRunRow(job, seed, options.now);
};

/** False when the occurrence has its run already: a clock was set back, or the job was given a past time again. */
async function insertOnce({ trx }: Taking, row: RunRow): Promise<boolean> {
  const inserted = await trx
    .insertInto("runs")
    .values(row)
    .onConflict((conflict) => conflict.columns(["job_id", "occurrence"]).doNothing())
    .executeTakeFirst();
  return inserted.numInsertedOrUpdatedRows === 1n;
}

/** Stores a run as skipped, and adds `by` to a counter of the job. */
async function recordSkipped(
  taking: Taking,
  occurrence: Occurrence,
  { count, by, reason }: { count: Count; by: number; reason: string },
): Promise<void> {
  const { trx, job, options, refused } = taking;
  const row = newRow(taking, occurrence);
  const ended: RunRow = { ...row, ...endedColumns(row, emptyResult("skipped", reason), options.now) };
  if (!(await insertOnce(taking, ended))) return;
  await addCounts(trx, job, { [count]: by });
  refused.push(readRun(ended, null));
}

/** One claim starts one run of a job and queues the others. False when the run does not count towards max_runs. */
async function startOrQueue(taking: Taking, planned: PlannedRun): Promise<boolean> {
  const { trx, job, active, options, started } = taking;
  const row = newRow(taking, planned);
  if (started) return addWaiting(taking, planned, row);
  const run: RunRow = { ...row, ...startedColumns(options) };
  if (!(await insertOnce(taking, run))) return false;
  const obstacle = await countRunOfDay(trx, job.userKey, options);
  if (obstacle) {
    await trx.deleteFrom("runs").where("run_id", "=", run.run_id).execute();
    await recordSkipped(taking, planned, { count: "skipped", by: 1, reason: obstacle });
    return false;
  }
  active.running++;
  await addCounts(trx, job, { runs_started: 1, scheduled_runs: 1, missed: planned.coalesced });
  taking.started = readRun(run, null);
  return true;
}

const hold = (taking: Taking, planned: PlannedRun): Promise<boolean> =>
  addWaiting(taking, planned, newRow(taking, planned, true));

async function addWaiting(taking: Taking, { coalesced }: PlannedRun, row: RunRow): Promise<boolean> {
  if (!(await insertOnce(taking, row))) return false;
  taking.active.waiting++;
  await addCounts(taking.trx, taking.job, { missed: coalesced, scheduled_runs: 1 });
  return true;
}

type Times = Pick<JobRow, "next_run_at" | "status" | "status_reason">;

const completed = (reason: string): Times => ({
  next_run_at: null,
  status: "completed",
  status_reason: reason,
});

function timesAfter(job: Job, next: number | null): Times {
  if (next !== null)
    return {
      next_run_at: startOf(job.jobId, job, next),
      status: job.status,
      status_reason: job.statusReason,
    };
  if (job.schedule.kind === "at") return completed("Its one time has come; see its run.");
  const reason = job.policy.endsAt === null ? "Its schedule has no further time" : "Its ends_at has come";
  return completed(`${reason}; see its runs.`);
}

async function setTimes(trx: Transaction<Tables>, jobId: string, times: Times): Promise<void> {
  await sendPipelined(trx, trx.updateTable("jobs").set(times).where("job_id", "=", jobId));
}

export const startedColumns = ({ now, leaseMs, worker, ticket }: StartOptions) => ({
  status: "running" as const,
  due_at: null,
  held_for: null,
  started_at: now,
  lease_until: now + leaseMs,
  worker_id: worker.workerId,
  host: worker.host,
  pid: worker.pid,
  ticket: ticket ?? null,
});
