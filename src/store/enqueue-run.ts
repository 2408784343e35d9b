import type { Transaction } from "kysely";
import { newRunRow, readRun } from "../database/run-row.ts";
import type { RunRow, Tables } from "../database/schema.ts";
import { NightshiftError } from "../errors.ts";
import type { Backfill } from "../jobs/contracts.ts";
import type { Job, Overlap } from "../jobs/job.ts";
import type { Run } from "../jobs/run.ts";
import { nextTimes } from "../jobs/schedule.ts";
import { REPLACED, requestCancel } from "./cancel-run.ts";
import { enqueueUser } from "./fair-order.ts";
import { MAX_WAITING } from "./held-runs.ts";
import { addCounts } from "./job-counters.ts";
import { readJob } from "./job-rows.ts";
import { emptyResult, endedColumns, skipQueuedRuns } from "./run-end.ts";

export interface Asked {
  readonly userKey: string;
  readonly jobId: string;
  readonly maxQueued: number;
}

/** Occurrences of one backfill. */
export const MAX_BACKFILL = 100;

/** See RunStore.enqueue. */
export async function enqueue(
  trx: Transaction<Tables>,
  asked: Asked & { overlap: Overlap },
  now: number,
): Promise<Run> {
  const { overlap } = asked;
  const job = await findJob(trx, asked);
  await checkQueue(trx, asked, 1);
  return queueRun(trx, job, { trigger: "manual", overlap }, now);
}

interface QueueOptions {
  readonly trigger: "manual" | "after";
  readonly overlap: Overlap;
}

/** Queues a run for now, where `overlap` puts it beside those that the job has; it may be born skipped. */
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
    return insert(trx, ended);
  }
  if (decision.kind === "replace") {
    await requestCancel(trx, job.jobId, REPLACED, now);
    await skipQueuedRuns(trx, job.jobId, now, REPLACED);
  }
  const isHeld = decision.kind === "hold" || (decision.kind === "replace" && active.running > 0);
  return insert(trx, newRunRow(job, { ...seed, isHeld }, now));
}

/** See RunStore.backfill. */
export async function backfill(
  trx: Transaction<Tables>,
  asked: Asked & { from: number; to: number },
  now: number,
): Promise<Backfill> {
  const job = await findJob(trx, asked);
  const times = timesIn(job, asked, now);
  await checkKept(trx, job, times[0]);
  const runs: Run[] = [];
  let alreadyRun = 0;
  const active = await countActive(trx, job.jobId);
  let isBusy = active.running + active.waiting > 0;
  for (const scheduledFor of times) {
    if (!(await takeOver(trx, job.jobId, scheduledFor))) {
      alreadyRun++;
      continue;
    }
    await checkQueue(trx, asked, 1);
    const exclusive = isExclusive(job);
    const seed = { trigger: "backfill", scheduledFor, exclusive, isHeld: exclusive && isBusy } as const;
    runs.push(await insert(trx, newRunRow(job, seed, now)));
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

/** Whether a time had its run cannot be told once runs from then on have been deleted. */
async function checkKept(trx: Transaction<Tables>, { jobId, userKey }: Job, first?: number): Promise<void> {
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

/** False when the occurrence has its run. One that was skipped or failed gives its place to a new one. */
async function takeOver(trx: Transaction<Tables>, jobId: string, occurrence: number): Promise<boolean> {
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

async function insert(trx: Transaction<Tables>, row: RunRow): Promise<Run> {
  await trx.insertInto("runs").values(row).execute();
  await enqueueUser(trx, row, row.due_at);
  return readRun(row, null);
}

async function findJob(trx: Transaction<Tables>, { userKey, jobId }: Asked): Promise<Job> {
  const stored = await trx
    .selectFrom("jobs")
    .selectAll()
    .where("job_id", "=", jobId)
    .where("user_key", "=", userKey)
    .executeTakeFirst();
  if (!stored) {
    throw new NightshiftError(
      "JOB_NOT_FOUND",
      "You have no job with this id; list_jobs shows those you have.",
    );
  }
  if (stored.status === "cancelled") {
    throw new NightshiftError("JOB_STATE", "This job is cancelled; schedule a new one.", { jobId });
  }
  return readJob(stored);
}

async function checkQueue(
  trx: Transaction<Tables>,
  { userKey, maxQueued }: Asked,
  added: number,
): Promise<void> {
  const row = await trx
    .selectFrom("runs")
    .select((eb) => eb.fn.countAll().as("count"))
    .where("user_key", "=", userKey)
    .where("status", "=", "queued")
    .executeTakeFirst();
  if (Number(row?.count ?? 0) + added <= maxQueued) return;
  throw new NightshiftError(
    "JOB_LIMIT_REACHED",
    `${maxQueued} runs of yours wait to start, which is the limit; wait for some to end, or cancel_run some.`,
    { limit: maxQueued },
  );
}

/** The runs of a job that have not ended. */
export interface ActiveRuns {
  running: number;
  /** Queued, whether it is their turn or not. */
  waiting: number;
}

/** What becomes of an occurrence, or of a run that a person asks for. */
export type OverlapDecision =
  | { readonly kind: "start" }
  /** Behind what is at work. */
  | { readonly kind: "hold" }
  /** Behind what is at work, which is told to stop; what waited is passed over. */
  | { readonly kind: "replace" }
  | { readonly kind: "refuse"; readonly count: "skipped" | "dropped"; readonly reason: string };

const STILL_RUNNING = "The previous run of this job had not ended when this one was due (overlap: skip).";
const ONE_WAITS = "A run of this job was waiting already when this one was due (overlap: buffer_one).";
const TOO_MANY = `${MAX_WAITING} runs of this job were waiting already when this one was due.`;

/** `isLate`: it is being caught up, and waits for its turn even where an overlap would be skipped. */
export function decideOverlap(
  overlap: Overlap,
  { running, waiting }: ActiveRuns,
  isLate = false,
): OverlapDecision {
  if (overlap === "allow_all" || running + waiting === 0) return { kind: "start" };
  if (overlap === "cancel_other") return { kind: "replace" };
  if (overlap === "skip" && !isLate) return { kind: "refuse", count: "skipped", reason: STILL_RUNNING };
  if (overlap === "buffer_one" && waiting > 0 && !isLate)
    return { kind: "refuse", count: "skipped", reason: ONE_WAITS };
  if (waiting >= MAX_WAITING) return { kind: "refuse", count: "dropped", reason: TOO_MANY };
  return { kind: "hold" };
}

/** Whether the runs of a job's schedule wait for each other. */
export const isExclusive = ({ policy }: Pick<Job, "policy">): boolean => policy.overlap !== "allow_all";

/** What a job has running and waiting, whatever started it. */
export async function countActive(trx: Transaction<Tables>, jobId: string): Promise<ActiveRuns> {
  const rows = await trx
    .selectFrom("runs")
    .select((eb) => ["status", eb.fn.countAll().as("count")])
    .where("job_id", "=", jobId)
    .where("finished_at", "is", null)
    .groupBy("status")
    .execute();
  const count = (status: Run["status"]) => Number(rows.find((row) => row.status === status)?.count ?? 0);
  return { running: count("running"), waiting: count("queued") };
}
