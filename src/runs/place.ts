import type { Transaction } from "kysely";
import type { Tables } from "../database/schema.ts";
import type { Job } from "../jobs/job.ts";
import type { Overlap } from "../jobs/policy.ts";
import type { Run } from "../jobs/run.ts";
import { MAX_WAITING } from "../store/held-runs.ts";

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
