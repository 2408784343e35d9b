import type { Transaction } from "kysely";
import { newRunRow, type RunSeed, readRun } from "../database/run-row.ts";
import type { JobRow, RunRow, Tables } from "../database/schema.ts";
import { sendPipelined } from "../database/sql.ts";
import { dropRest, type PlannedRun, planDue } from "../jobs/catch-up.ts";
import type { Job } from "../jobs/job.ts";
import type { Run } from "../jobs/run.ts";
import { startOf } from "../jobs/schedule.ts";
import { REPLACED, requestCancel } from "./cancel-run.ts";
import { type ActiveRuns, decideOverlap, isExclusive } from "./enqueue-run.ts";
import { addCounts, type Count, readCounters } from "./job-counters.ts";
import { readJob } from "./job-rows.ts";
import { emptyResult, endedColumns, skipQueuedRuns } from "./run-end.ts";
import type { Claimed, ClaimOptions } from "./run-queue.ts";
import { beyondLimit } from "./usage.ts";

export const UNREADABLE =
  "Its stored description can't be read; run `nightshift doctor`, or schedule it anew.";

/** What came of a job whose time had come. */
export interface Taken {
  readonly claimed: Claimed | null;
  /** Runs that were born ended: skipped, missed, dropped. */
  readonly refused: readonly Run[];
  readonly isCancelling: boolean;
}

const NOTHING: Taken = { claimed: null, refused: [], isCancelling: false };

/** Makes the runs of what a job has due, started, held or ended, and moves the job on to its next time. */
export async function takeOccurrence(
  trx: Transaction<Tables>,
  row: JobRow,
  active: ActiveRuns,
  options: ClaimOptions,
): Promise<Taken> {
  const { now } = options;
  const plan = planOf(row, now);
  // One job that can't be read must not stop the others: it is paused, where its owner sees it.
  if (!plan) {
    await setTimes(trx, row.job_id, { next_run_at: null, status: "paused", status_reason: UNREADABLE });
    return NOTHING;
  }
  const { job, due } = plan;
  const writer = createRunWriter(trx, job, options);
  const isForgotten = ({ scheduledFor }: { scheduledFor: number }) =>
    scheduledFor <= (row.forgotten_until ?? Number.NEGATIVE_INFINITY);
  if (due.missed && !isForgotten(due.missed)) {
    const { scheduledFor, count, reason } = due.missed;
    await writer.refuse({ scheduledFor, coalesced: count - 1 }, "missed", reason, count);
  }
  let left = await runsLeft(trx, job);
  let { next } = due;
  for (const planned of due.runs) {
    if (left === 0) break;
    if (isForgotten(planned)) continue;
    const decision = decideOverlap(job.policy.overlap, active, planned.isLate);
    if (decision.kind === "refuse" && decision.count === "dropped" && planned.isLate) {
      const rest = dropRest(job, planned.scheduledFor, now);
      const seed = { scheduledFor: planned.scheduledFor, coalesced: rest.count - 1 };
      await writer.refuse(seed, "dropped", decision.reason, rest.count);
      next = rest.next;
      break;
    }
    if (decision.kind === "refuse") {
      await writer.refuse(planned, decision.count, decision.reason, 1);
      continue;
    }
    if (decision.kind === "replace") await writer.replace(active);
    const starts = decision.kind === "start" || active.running + active.waiting === 0;
    const isAdded = starts ? await writer.start(planned, active) : await writer.hold(planned, active);
    if (isAdded && left !== null) left--;
  }
  const after =
    left === 0
      ? over(job, `It has had the ${job.policy.maxRuns} runs that its max_runs allows.`)
      : timesAfter(job, next);
  await setTimes(trx, job.jobId, after);
  return writer.taken({
    ...job,
    nextRunAt: after.next_run_at,
    status: after.status,
    statusReason: after.status_reason,
  });
}

function planOf(row: JobRow, now: number) {
  try {
    const job = readJob(row);
    return { job, due: planDue(job, row.next_run_at ?? now, now) };
  } catch {
    // A row that is no job, or a zone or an expression that this Node no longer knows.
    return null;
  }
}

async function runsLeft(trx: Transaction<Tables>, { jobId, userKey, policy }: Job): Promise<number | null> {
  if (policy.maxRuns === null) return null;
  const counters = await readCounters(trx, userKey, [jobId]);
  return Math.max(0, policy.maxRuns - (counters.get(jobId)?.scheduledRuns ?? 0));
}

/** Writes the runs of one job's occurrences, and counts them. */
function createRunWriter(trx: Transaction<Tables>, job: Job, options: ClaimOptions) {
  const { now } = options;
  const refused: Run[] = [];
  let started: Run | null = null;
  let isCancelling = false;
  // A run exists already when a clock was set back, or a job was given a time that it has had: then it has had it.
  const insert = async (run: RunRow): Promise<boolean> => {
    const inserted = await trx
      .insertInto("runs")
      .values(run)
      .onConflict((conflict) => conflict.columns(["job_id", "occurrence"]).doNothing())
      .executeTakeFirst();
    return inserted.numInsertedOrUpdatedRows === 1n;
  };
  const seedOf = ({ scheduledFor, coalesced }: Omit<PlannedRun, "isLate">): RunSeed => ({
    trigger: "schedule",
    scheduledFor,
    coalesced,
    exclusive: isExclusive(job),
  });
  const refuse = async (planned: Omit<PlannedRun, "isLate">, count: Count, reason: string, by: number) => {
    const row = newRunRow(job, seedOf(planned), now);
    const ended: RunRow = { ...row, ...endedColumns(row, emptyResult("skipped", reason), now) };
    if (!(await insert(ended))) return;
    await addCounts(trx, job, { [count]: by });
    refused.push(readRun(ended, null));
  };
  return {
    refuse,
    /** False when it was not added to the runs that the schedule has had. */
    async start(planned: PlannedRun, active: ActiveRuns): Promise<boolean> {
      // One start for each job and claim: what else is due at once is queued for the next claims.
      if (started) {
        if (!(await insert(newRunRow(job, seedOf(planned), now)))) return false;
        active.waiting++;
        await addCounts(trx, job, { missed: planned.coalesced, scheduled_runs: 1 });
        return true;
      }
      const row = newRunRow(job, seedOf(planned), now);
      const run: RunRow = { ...row, ...startedColumns(options) };
      if (!(await insert(run))) return false;
      const obstacle = await beyondLimit(trx, job.userKey, options);
      if (obstacle) {
        await trx.deleteFrom("runs").where("run_id", "=", run.run_id).execute();
        await refuse(planned, "skipped", obstacle, 1);
        return false;
      }
      active.running++;
      await addCounts(trx, job, { runs_started: 1, scheduled_runs: 1, missed: planned.coalesced });
      started = readRun(run, null);
      return true;
    },
    async hold(planned: PlannedRun, active: ActiveRuns): Promise<boolean> {
      if (!(await insert(newRunRow(job, { ...seedOf(planned), isHeld: true }, now)))) return false;
      active.waiting++;
      await addCounts(trx, job, { missed: planned.coalesced, scheduled_runs: 1 });
      return true;
    },
    async replace(active: ActiveRuns): Promise<void> {
      isCancelling = true;
      await requestCancel(trx, job.jobId, REPLACED, now);
      if (active.waiting > 0) await skipQueuedRuns(trx, job.jobId, now, REPLACED);
      active.waiting = 0;
    },
    taken: (after: Job): Taken => ({
      claimed: started && { run: started, job: after },
      refused,
      isCancelling,
    }),
  };
}

type Times = Pick<JobRow, "next_run_at" | "status" | "status_reason">;

const over = (_job: Job, reason: string): Times => ({
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
  if (job.schedule.kind === "at") return over(job, "Its one time has come; see its run.");
  const reason = job.policy.endsAt === null ? "Its schedule has no further time" : "Its ends_at has come";
  return over(job, `${reason}; see its runs.`);
}

async function setTimes(trx: Transaction<Tables>, jobId: string, times: Times): Promise<void> {
  await sendPipelined(trx, trx.updateTable("jobs").set(times).where("job_id", "=", jobId));
}

export const startedColumns = ({ now, leaseMs, worker, ticket }: ClaimOptions) => ({
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
