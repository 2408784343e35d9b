import type { Transaction } from "kysely";
import type { RunRow, Tables } from "../database/schema.ts";
import { endRun } from "../runs/end.ts";
import { readRun } from "../runs/row.ts";
import type { Outcome, Run } from "../runs/run.ts";
import type { Occurrences, Worker } from "./occurrences.ts";

type Options<K extends keyof Occurrences> = Parameters<Occurrences[K]>[0];

/** See Occurrences.heartbeat. */
export async function heartbeat(
  trx: Transaction<Tables>,
  { runIds, now, leaseMs, worker }: Options<"heartbeat"> & { worker: Worker },
): Promise<{ cancel: string[]; gone: string[] }> {
  if (runIds.length === 0) return { cancel: [], gone: [] };
  const ours = await trx
    .updateTable("runs")
    .set({ lease_until: now + leaseMs })
    .where("run_id", "in", runIds)
    .where("worker_id", "=", worker.workerId)
    .where("status", "=", "running")
    .returning(["run_id", "cancel_requested_at"])
    .execute();
  const held = new Set(ours.map((row) => row.run_id));
  return {
    cancel: ours.filter((row) => row.cancel_requested_at !== null).map((row) => row.run_id),
    gone: runIds.filter((runId) => !held.has(runId)),
  };
}

const LOST: Outcome = {
  status: "lost",
  output: null,
  error: {
    code: "GHOST_CRASHED",
    message: "The process that ran it ended or fell silent before the run had an end.",
  },
  transcript: [],
  usage: { input_tokens: 0, output_tokens: 0 },
};

/** See Occurrences.reapLost. There are only as many leases as runs in progress, so all of them are looked at. */
export async function reapLost(
  trx: Transaction<Tables>,
  { now, worker, isAlive }: Options<"reapLost">,
): Promise<Run[]> {
  const rows = await trx.selectFrom("runs").selectAll().where("lease_until", "is not", null).execute();
  const lost: Run[] = [];
  for (const row of rows) {
    if (!isLost(row, now, worker, isAlive)) continue;
    if (!(await endRun(trx, row.run_id, "running", LOST, now))) continue;
    lost.push({ ...readRun(row, null), status: "lost", finishedAt: now, error: LOST.error });
  }
  return lost;
}

/** Our own pid under another worker id is a dead process whose pid was given to us. */
function isLost(row: RunRow, now: number, worker: Worker, isAlive: (pid: number) => boolean): boolean {
  if (row.lease_until !== null && row.lease_until < now) return true;
  if (row.host !== worker.host || row.worker_id === worker.workerId || row.pid === null) return false;
  return row.pid === worker.pid || !isAlive(row.pid);
}
