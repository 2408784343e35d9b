import type { Transaction } from "kysely";
import { readRun } from "../database/run-row.ts";
import type { RunRow, Tables } from "../database/schema.ts";
import type { Job } from "../jobs/job.ts";
import { NAMED_STEP, type Run, type RunResult } from "../jobs/run.ts";
import { enqueueUser } from "./fair-order.ts";
import { findAnyJob } from "./job-rows.ts";
import { deleteEntries } from "./journal.ts";
import { type EndOptions, endRun } from "./run-end.ts";

const LOST: RunResult = {
  status: "lost",
  output: null,
  error: {
    code: "GHOST_CRASHED",
    message: "The process that ran it ended or fell silent before the run had an end.",
  },
  transcript: [],
  usage: { input_tokens: 0, output_tokens: 0 },
};

/** Queues a running run again whose process is gone, or ends it as `lost`. Resolves to the run as it is then. */
export async function interruptRun(
  trx: Transaction<Tables>,
  row: RunRow,
  now: number,
  endOptions: EndOptions,
): Promise<Run> {
  const queued = await requeueRun(trx, row, now);
  if (queued) return queued;
  await endRun(trx, row.run_id, "running", LOST, now, endOptions);
  return { ...readRun(row, null), status: "lost", finishedAt: now, error: LOST.error };
}

/**
 * Queues a running run again, so that whoever claims it goes on from its journal. Null, with nothing written, where
 * its job has it end, its owner asked to cancel it, or it went on too often already.
 */
export async function requeueRun(trx: Transaction<Tables>, row: RunRow, now: number): Promise<Run | null> {
  const job = await findAnyJob(trx, row.job_id);
  if (!job || job.status === "cancelled" || row.cancel_requested_at !== null) return null;
  if (row.resumed >= job.policy.maxResumes) return null;
  const choice = await choiceOf(trx, job, row);
  if (choice === "lose") return null;
  const change = { ...queuedColumns(now), resumed: row.resumed + 1 };
  await trx.updateTable("runs").set(change).where("run_id", "=", row.run_id).execute();
  if (choice === "restart") await deleteEntries(trx, row.run_id);
  await enqueueUser(trx, row, now);
  return readRun({ ...row, ...change }, null);
}

/** The columns of a run that nobody holds and that is due at `dueAt`. */
export const queuedColumns = (dueAt: number) => ({
  status: "queued" as const,
  due_at: dueAt,
  lease_until: null,
  worker_id: null,
  host: null,
  pid: null,
  ticket: null,
});

async function choiceOf(trx: Transaction<Tables>, { policy, action }: Job, row: RunRow) {
  if (policy.onInterrupt !== null) return policy.onInterrupt;
  if (action.kind === "prompt") return "resume";
  return action.kind === "code" && (await hasNamedStep(trx, row.run_id)) ? "resume" : "lose";
}

async function hasNamedStep(trx: Transaction<Tables>, runId: string): Promise<boolean> {
  const found = await trx
    .selectFrom("run_steps")
    .select("step")
    .where("run_id", "=", runId)
    .where("key", "like", `${NAMED_STEP}%`)
    .limit(1)
    .executeTakeFirst();
  return found !== undefined;
}
