import type { Kysely, Transaction } from "kysely";
import type { UserLocks } from "../database/database.ts";
import { readDetail } from "../database/run-row.ts";
import type { RunRow, Tables } from "../database/schema.ts";
import type { Run } from "../jobs/run.ts";
import { interruptRun } from "./interrupt-run.ts";
import type { EndOptions } from "./run-end.ts";
import type { RunQueue, Worker } from "./run-queue.ts";

/**
 * See RunQueue.renewLeases. Rows that another transaction has locked are left to the next renewal: to wait for one
 * could let the leases of all the others run out.
 */
export async function renewLeases(
  db: Kysely<Tables>,
  { runIds, now, leaseMs, worker }: Parameters<RunQueue["renewLeases"]>[0],
): ReturnType<RunQueue["renewLeases"]> {
  if (runIds.length === 0) return;
  const held = heldRuns(db, runIds, worker).select("run_id").forUpdate().skipLocked();
  await db
    .updateTable("runs")
    .set({ lease_until: now + leaseMs })
    .where("run_id", "in", held)
    .execute();
}

/** See RunQueue.checkRunning. */
export async function checkRunning(
  db: Kysely<Tables>,
  { runIds, worker }: Parameters<RunQueue["checkRunning"]>[0],
): ReturnType<RunQueue["checkRunning"]> {
  if (runIds.length === 0) return { cancel: [], gone: [] };
  const rows = await heldRuns(db, runIds, worker)
    .select(["run_id", "cancel_requested_at", "detail"])
    .execute();
  const held = new Set(rows.map((row) => row.run_id));
  return {
    cancel: rows
      .filter((row) => row.cancel_requested_at !== null)
      .map((row) => ({ runId: row.run_id, reason: readDetail(row.detail).statusReason })),
    gone: runIds.filter((runId) => !held.has(runId)),
  };
}

const heldRuns = (db: Kysely<Tables>, runIds: readonly string[], { workerId }: Worker) =>
  db
    .selectFrom("runs")
    .where("run_id", "in", runIds)
    .where("worker_id", "=", workerId)
    .where("status", "=", "running");

/** Runs `work` in a transaction that holds one user's lock, or, for `null`, the locks that `work` takes. */
export type EndTransaction = <T>(
  userKey: string | null,
  work: (trx: Transaction<Tables>, endOptions: EndOptions, users: UserLocks) => Promise<T>,
) => Promise<T>;

type ReapOptions = Parameters<RunQueue["reapLost"]>[0] & {
  /** How long after its end a lease still counts; default 0. */
  readonly slackMs?: number;
};

/** See RunQueue.reapLost. Looks at all leases: there are only as many as there are running runs. */
export async function reapLost(
  db: Kysely<Tables>,
  options: ReapOptions,
  endTransaction: EndTransaction,
): Promise<Run[]> {
  const leased = await db.selectFrom("runs").selectAll().where("lease_until", "is not", null).execute();
  const silent = Map.groupBy(
    leased.filter((row) => isLost(row, options)),
    (row) => row.user_key,
  );
  const interrupted: Run[] = [];
  for (const [userKey, rows] of silent)
    interrupted.push(
      ...(await endTransaction(userKey, (trx, endOptions) =>
        interruptSilent(trx, rows, options, endOptions),
      )),
    );
  return interrupted;
}

/** Checks each run again under its lock: its lease may have been renewed since, or the run may have ended. */
async function interruptSilent(
  trx: Transaction<Tables>,
  silent: RunRow[],
  options: ReapOptions,
  endOptions: EndOptions,
): Promise<Run[]> {
  const { now } = options;
  const ended: Run[] = [];
  for (const { run_id } of silent) {
    const row = await trx
      .selectFrom("runs")
      .selectAll()
      .where("run_id", "=", run_id)
      .where("status", "=", "running")
      .forUpdate()
      .executeTakeFirst();
    if (!row || !isLost(row, options)) continue;
    ended.push(await interruptRun(trx, row, now, endOptions));
  }
  return ended;
}

function isLost(row: RunRow, options: ReapOptions): boolean {
  if (isHeldByDeadProcess(row, options)) return true;
  const { run_id: runId, lease_until: until } = row;
  const { now, isSilent = () => true, slackMs = 0 } = options;
  return until !== null && until + slackMs < now && isSilent({ runId, until });
}

function isHeldByDeadProcess(row: RunRow, { worker, isAlive }: ReapOptions): boolean {
  if (row.host !== worker.host || row.worker_id === worker.workerId || row.pid === null) return false;
  // Our own pid under another worker id: the operating system has given us the pid of a dead process.
  return row.pid === worker.pid || !isAlive(row.pid, row.worker_id ?? "");
}
