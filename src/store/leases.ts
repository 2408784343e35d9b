import type { Kysely, Transaction } from "kysely";
import type { UserLocks } from "../database/database.ts";
import { readDetail, readRun } from "../database/run-row.ts";
import type { RunRow, Tables } from "../database/schema.ts";
import type { Run, RunResult } from "../jobs/run.ts";
import { type EndOptions, endRun } from "./run-end.ts";
import type { RunQueue, Worker } from "./run-queue.ts";

type Options<K extends "renewLeases" | "reapLost"> = Parameters<RunQueue[K]>[0];

/**
 * See RunQueue.heartbeat. A run that somebody is writing to keeps its lease until the next beat: to wait for one
 * would be to let all the others' run out.
 */
export async function renewLeases(
  db: Kysely<Tables>,
  { runIds, now, leaseMs, worker }: Options<"renewLeases"> & { worker: Worker },
): ReturnType<RunQueue["renewLeases"]> {
  if (runIds.length === 0) return { cancel: [], gone: [] };
  const ours = db
    .selectFrom("runs")
    .select("run_id")
    .where("run_id", "in", runIds)
    .where("worker_id", "=", worker.workerId)
    .where("status", "=", "running");
  const extended = await db
    .updateTable("runs")
    .set({ lease_until: now + leaseMs })
    .where("run_id", "in", ours.forUpdate().skipLocked())
    .returning(["run_id", "cancel_requested_at", "detail"])
    .execute();
  const held = new Set(extended.map((row) => row.run_id));
  if (held.size < runIds.length) for (const { run_id } of await ours.execute()) held.add(run_id);
  return {
    cancel: extended
      .filter((row) => row.cancel_requested_at !== null)
      .map((row) => ({ runId: row.run_id, reason: readDetail(row.detail).statusReason })),
    gone: runIds.filter((runId) => !held.has(runId)),
  };
}

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

/** Ends runs in one transaction, of one user or (`null`) of whom it takes; `endOptions` is for `endRun`. */
export type EndTransaction = <T>(
  userKey: string | null,
  work: (trx: Transaction<Tables>, endOptions: EndOptions, users: UserLocks) => Promise<T>,
) => Promise<T>;

type Reaping = Options<"reapLost"> & {
  /** How long after its end a lease is still believed; default 0. */
  readonly slackMs?: number;
};

/** See RunQueue.reapLost. There are only as many leases as runs in progress, so all of them are looked at. */
export async function reapLost(
  db: Kysely<Tables>,
  options: Reaping,
  endTransaction: EndTransaction,
): Promise<Run[]> {
  const leased = await db.selectFrom("runs").selectAll().where("lease_until", "is not", null).execute();
  const silent = Map.groupBy(
    leased.filter((row) => isLost(row, options)),
    (row) => row.user_key,
  );
  const lost: Run[] = [];
  for (const [userKey, rows] of silent)
    lost.push(
      ...(await endTransaction(userKey, (trx, endOptions) => markLost(trx, rows, options, endOptions))),
    );
  return lost;
}

/** Looks again, with the rows held: a run may have had a beat, or its end, since. */
async function markLost(
  trx: Transaction<Tables>,
  silent: RunRow[],
  options: Reaping,
  endOptions: EndOptions,
): Promise<Run[]> {
  const { now } = options;
  const lost: Run[] = [];
  for (const { run_id } of silent) {
    const row = await trx
      .selectFrom("runs")
      .selectAll()
      .where("run_id", "=", run_id)
      .where("status", "=", "running")
      .forUpdate()
      .executeTakeFirst();
    if (!row || !isLost(row, options)) continue;
    lost.push(await endAsLost(trx, row, now, endOptions));
  }
  return lost;
}

export async function endAsLost(
  trx: Transaction<Tables>,
  row: RunRow,
  now: number,
  endOptions: EndOptions,
): Promise<Run> {
  await endRun(trx, row.run_id, "running", LOST, now, endOptions);
  return { ...readRun(row, null), status: "lost", finishedAt: now, error: LOST.error };
}

function isLost(row: RunRow, reapTimer: Reaping): boolean {
  if (isOfDead(row, reapTimer)) return true;
  const { run_id: runId, lease_until: until } = row;
  const { now, isSilent = () => true, slackMs = 0 } = reapTimer;
  return until !== null && until + slackMs < now && isSilent({ runId, until });
}

/** Our own pid under another worker id is a dead process whose pid was given to us. */
function isOfDead(row: RunRow, { worker, isAlive }: Reaping): boolean {
  if (row.host !== worker.host || row.worker_id === worker.workerId || row.pid === null) return false;
  return row.pid === worker.pid || !isAlive(row.pid);
}
