import type { Kysely, Transaction } from "kysely";
import type { CountersRow, Tables } from "../database/schema.ts";
import { sendPipelined } from "../database/sql.ts";
import type { Counters } from "../jobs/contracts.ts";

const ZERO = {
  runs_started: 0,
  runs_succeeded: 0,
  runs_failed: 0,
  skipped: 0,
  missed: 0,
  dropped: 0,
  denied_calls: 0,
  consecutive_failures: 0,
  scheduled_runs: 0,
};
export type Count = keyof typeof ZERO;

/** Adds to a job's counters. They have a row of their own, so that counting does not rewrite the job. */
export async function addCounts(
  trx: Transaction<Tables>,
  { jobId, userKey }: { readonly jobId: string; readonly userKey: string },
  added: Partial<Record<Count, number>>,
  set: Partial<Pick<CountersRow, "consecutive_failures" | "last_run_id">> = {},
): Promise<void> {
  const counted = (Object.entries(added) as [Count, number][]).filter(([, by]) => by !== 0);
  if (counted.length === 0 && Object.keys(set).length === 0) return;
  const query = trx
    .insertInto("job_counters")
    .values({ job_id: jobId, user_key: userKey, last_run_id: null, ...ZERO, ...added, ...set })
    .onConflict((conflict) =>
      conflict.column("job_id").doUpdateSet((eb) => ({
        ...Object.fromEntries(counted.map(([name, by]) => [name, eb(`job_counters.${name}`, "+", by)])),
        ...set,
      })),
    );
  await sendPipelined(trx, query);
}

/** The counters of the user's jobs among `jobIds`; a job that never ran has none. */
export async function readCounters(
  db: Kysely<Tables>,
  userKey: string,
  jobIds: readonly string[],
): Promise<ReadonlyMap<string, Counters>> {
  if (jobIds.length === 0) return new Map();
  const rows = await db
    .selectFrom("job_counters")
    .selectAll()
    .where("job_id", "in", jobIds)
    .where("user_key", "=", userKey)
    .execute();
  return new Map(rows.map((row) => [row.job_id, toCounters(row)]));
}

const toCounters = (row: CountersRow): Counters => ({
  runsStarted: Number(row.runs_started),
  runsSucceeded: Number(row.runs_succeeded),
  runsFailed: Number(row.runs_failed),
  skipped: Number(row.skipped),
  missed: Number(row.missed),
  dropped: Number(row.dropped),
  deniedCalls: Number(row.denied_calls),
  consecutiveFailures: Number(row.consecutive_failures),
  scheduledRuns: Number(row.scheduled_runs),
  lastRunId: row.last_run_id,
});
