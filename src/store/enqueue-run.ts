import type { Transaction } from "kysely";
import { newRunRow, readRun } from "../database/run-row.ts";
import type { RunRow, Tables } from "../database/schema.ts";
import { NightshiftError } from "../errors.ts";
import type { Backfill } from "../jobs/contracts.ts";
import type { Job, Overlap } from "../jobs/job.ts";
import type { Run } from "../jobs/run.ts";
import { nextTimes } from "../jobs/schedule.ts";
import { addCounts } from "./job-counters.ts";
import { findJobRow, readJob } from "./job-rows.ts";
import { countActive, decideOverlap, isExclusive, replaceActive } from "./overlap.ts";
import { insertRun } from "./queued-runs.ts";
import { emptyResult, endedColumns } from "./run-end.ts";

interface EnqueueOptions {
  readonly userKey: string;
  readonly jobId: string;
  /** Queued runs that the user may have at once. */
  readonly maxQueued: number;
}

/** Occurrences that one backfill may run. */
const MAX_BACKFILL = 100;

/** See RunStore.enqueue. */
export async function enqueue(
  trx: Transaction<Tables>,
  options: EnqueueOptions & { overlap: Overlap },
  now: number,
): Promise<Run> {
  const job = await findJob(trx, options);
  if ((await countFreePlaces(trx, options)) === 0) throw queueIsFull(options);
  return queueRun(trx, job, { trigger: "manual", overlap: options.overlap }, now);
}

interface QueueOptions {
  readonly trigger: "manual" | "after";
  readonly overlap: Overlap;
}

/** Queues a run that is due now. `overlap` decides what the job's active runs mean for it; it may be stored as skipped. */
export async function queueRun(
  trx: Transaction<Tables>,
  job: Job,
  { trigger, overlap }: QueueOptions,
  now: number,
): Promise<Run> {
  const active = await countActive(trx, job.jobId);
  const decision = decideOverlap(overlap, active);
  const seed = { trigger, scheduledFor: now, exclusive: overlap !== "allow_all" };
  if (decision.kind === "refuse") {
    const row = newRunRow(job, seed, now);
    const ended = { ...row, ...endedColumns(row, emptyResult("skipped", decision.reason), now) };
    await addCounts(trx, job, { [decision.count]: 1 });
    return storeRun(trx, ended);
  }
  if (decision.kind === "replace") await replaceActive(trx, job.jobId, active, now);
  const isHeld = decision.kind === "hold" || (decision.kind === "replace" && active.running > 0);
  return storeRun(trx, newRunRow(job, { ...seed, isHeld }, now));
}

/** See RunStore.backfill. */
export async function enqueueBackfill(
  trx: Transaction<Tables>,
  options: EnqueueOptions & { from: number; to: number },
  now: number,
): Promise<Backfill> {
  const job = await findJob(trx, options);
  const times = timesIn(job, options, now);
  await assertRunsAreKept(trx, job, times[0]);
  const runs: Run[] = [];
  let alreadyRun = 0;
  const active = await countActive(trx, job.jobId);
  let isBusy = active.running + active.waiting > 0;
  let freePlaces = await countFreePlaces(trx, options);
  for (const scheduledFor of times) {
    if (!(await freeOccurrence(trx, job.jobId, scheduledFor))) {
      alreadyRun++;
      continue;
    }
    if (freePlaces-- === 0) throw queueIsFull(options);
    const exclusive = isExclusive(job);
    const seed = { trigger: "backfill", scheduledFor, exclusive, isHeld: exclusive && isBusy } as const;
    runs.push(await storeRun(trx, newRunRow(job, seed, now)));
    isBusy = true;
  }
  return { runs, alreadyRun };
}

function timesIn(job: Job, { from, to }: { from: number; to: number }, now: number): number[] {
  const invalid = (message: string) => new NightshiftError("INVALID_ARGUMENTS", message);
  if (to < from) throw invalid("`to` is before `from`.");
  if (to > now) throw invalid("`to` lies in the future; what is still to come runs by itself.");
  const times = nextTimes(job, from - 1, MAX_BACKFILL + 1).filter((at) => at <= to);
  if (times.length <= MAX_BACKFILL) return times;
  throw invalid(
    `There are more than ${MAX_BACKFILL} times between \`from\` and \`to\`; ask for a shorter stretch at a time.`,
  );
}

/** Rejects with INVALID_ARGUMENTS where old runs have been deleted: nobody can tell any more which times had a run. */
async function assertRunsAreKept(
  trx: Transaction<Tables>,
  { jobId, userKey }: Job,
  first?: number,
): Promise<void> {
  const job = await trx
    .selectFrom("jobs")
    .select("forgotten_until")
    .where("job_id", "=", jobId)
    .where("user_key", "=", userKey)
    .executeTakeFirst();
  const until = job?.forgotten_until ?? null;
  if (first === undefined || until === null || first > until) return;
  throw new NightshiftError(
    "INVALID_ARGUMENTS",
    `Runs of this job up to ${new Date(until).toISOString()} are no longer kept, so none of these times is run again; let \`from\` be later.`,
  );
}

const HAS_RUN: readonly Run["status"][] = ["queued", "running", "succeeded"];

/** False when the occurrence has its run. The row of one that was skipped or failed gives the occurrence up. */
async function freeOccurrence(trx: Transaction<Tables>, jobId: string, occurrence: number): Promise<boolean> {
  const had = await trx
    .selectFrom("runs")
    .select(["run_id", "status"])
    .where("job_id", "=", jobId)
    .where("occurrence", "=", occurrence)
    .executeTakeFirst();
  if (!had) return true;
  if (HAS_RUN.includes(had.status)) return false;
  await trx.updateTable("runs").set({ occurrence: null }).where("run_id", "=", had.run_id).execute();
  return true;
}

async function storeRun(trx: Transaction<Tables>, row: RunRow): Promise<Run> {
  await insertRun(trx, row);
  return readRun(row, null);
}

async function findJob(trx: Transaction<Tables>, { userKey, jobId }: EnqueueOptions): Promise<Job> {
  const stored = await findJobRow(trx, { userKey, jobId });
  if (stored.status === "cancelled") {
    throw new NightshiftError("JOB_STATE", "This job is cancelled; schedule a new one.", { jobId });
  }
  return readJob(stored);
}

/** How many more queued runs the user may have. */
async function countFreePlaces(
  trx: Transaction<Tables>,
  { userKey, maxQueued }: EnqueueOptions,
): Promise<number> {
  const row = await trx
    .selectFrom("runs")
    .select((eb) => eb.fn.countAll().as("count"))
    .where("user_key", "=", userKey)
    .where("status", "=", "queued")
    .executeTakeFirst();
  return Math.max(0, maxQueued - Number(row?.count ?? 0));
}

const queueIsFull = ({ maxQueued }: EnqueueOptions) =>
  new NightshiftError(
    "JOB_LIMIT_REACHED",
    `${maxQueued} runs of yours wait to start, which is the limit; wait for some to end, or cancel_run some.`,
    { limit: maxQueued },
  );
