import type { Transaction } from "kysely";
import { readDetail } from "../database/run-row.ts";
import type { RunRow, Tables } from "../database/schema.ts";
import type { Job, Overlap } from "../jobs/job.ts";
import { emptyResult, endRun, skipQueuedRuns } from "./run-end.ts";

/** Runs of one job that may wait for each other. Later ones are dropped. */
const MAX_WAITING_RUNS = 1_000;

/** The runs of a job that have not ended. */
export interface ActiveRuns {
  /** Begun: running, waiting for an answer, or queued again after an interruption. */
  running: number;
  /** Queued and not begun: held behind another run, or due. */
  waiting: number;
  /** A newer run has taken the place of others, so that what was read as queued before may have been skipped. */
  isReplaced: boolean;
}

/** The decision about one more run of a job that may have active runs. */
export type OverlapDecision =
  | { readonly kind: "start" }
  /** It waits for the active runs to end. */
  | { readonly kind: "hold" }
  /** Running runs are told to stop, waiting ones are skipped, and it waits until they have ended. */
  | { readonly kind: "replace" }
  | { readonly kind: "refuse"; readonly count: "skipped" | "dropped"; readonly reason: string };

const STILL_RUNNING = "The previous run of this job had not ended when this one was due (overlap: skip).";
const ONE_WAITS = "A run of this job was waiting already when this one was due (overlap: buffer_one).";
const TOO_MANY = `${MAX_WAITING_RUNS} runs of this job were waiting already when this one was due.`;
const REPLACED = "A newer run of this job took its place (overlap: cancel_other).";

/** `isLate`: it is being caught up, so it waits even where a run on time would be skipped. */
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
  if (waiting >= MAX_WAITING_RUNS) return { kind: "refuse", count: "dropped", reason: TOO_MANY };
  return { kind: "hold" };
}

/** True when the scheduled runs of a job wait for each other. */
export const isExclusive = ({ policy }: Pick<Job, "policy">): boolean => policy.overlap !== "allow_all";

/** Counts a job's active runs, whatever queued them. */
export async function countActive(trx: Transaction<Tables>, jobId: string): Promise<ActiveRuns> {
  const row = await trx
    .selectFrom("runs")
    // `count` of a column leaves out nulls.
    .select((eb) => [eb.fn.countAll().as("all"), eb.fn.count("started_at").as("begun")])
    .where("job_id", "=", jobId)
    .where("finished_at", "is", null)
    .executeTakeFirst();
  const running = Number(row?.begun ?? 0);
  return { running, waiting: Number(row?.all ?? 0) - running, isReplaced: false };
}

/**
 * Makes way for a newer run: asks the job's running runs to stop, cancels those that were begun and have no thread, and
 * skips those that wait to begin.
 */
export async function replaceActive(
  trx: Transaction<Tables>,
  jobId: string,
  active: ActiveRuns,
  now: number,
): Promise<void> {
  const running = await trx
    .selectFrom("runs")
    .select(["run_id", "detail"])
    .where("job_id", "=", jobId)
    .where("status", "=", "running")
    .where("finished_at", "is", null)
    // An earlier request to cancel keeps its time and its reason.
    .where("cancel_requested_at", "is", null)
    .execute();
  for (const { run_id, detail } of running) {
    const change: Partial<RunRow> = {
      cancel_requested_at: now,
      detail: JSON.stringify({ ...readDetail(detail), statusReason: REPLACED }),
    };
    await trx.updateTable("runs").set(change).where("run_id", "=", run_id).execute();
  }
  const begun = await trx
    .selectFrom("runs")
    .select("run_id")
    .where("job_id", "=", jobId)
    .where("status", "=", "queued")
    .where("finished_at", "is", null)
    .where("started_at", "is not", null)
    .execute();
  for (const { run_id } of begun)
    await endRun(trx, run_id, "queued", emptyResult("cancelled", REPLACED), now, { startsNext: false });
  active.running -= begun.length;
  if (active.waiting > 0) await skipQueuedRuns(trx, jobId, now, REPLACED);
  active.waiting = 0;
  active.isReplaced = true;
}
