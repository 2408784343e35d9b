import type { ExpressionBuilder, Kysely, Transaction } from "kysely";
import type { Database } from "../database/database.ts";
import type { Tables, TurnRow } from "../database/schema.ts";
import { sendPipelined } from "../database/sql.ts";
import { ACTION_KINDS } from "../jobs/job.ts";

/*
 * The fair order of users, in the table `turns`. A user with something to run has one row for each kind of action.
 * `turn_at` is when their earliest item is due, or, while more is due than was claimed, when they were served last.
 * Claims take the rows in that order, by index, so a user with much that is due does not keep the others waiting.
 * `turn_at` may be too early, because an item was paused since; `advanceUser` corrects it. It is never too late.
 */

/** One user's row for one kind of action; the rest of it where it has been read. */
export type UserQueue = Pick<TurnRow, "user_key" | "kind"> & Partial<TurnRow>;

/** Records that an item of the user is due at `at`. Call it in the transaction that sets the item's time. */
export async function enqueueUser(
  trx: Transaction<Tables>,
  { user_key, kind }: UserQueue,
  at: number | null,
): Promise<void> {
  if (at === null) return;
  const query = trx
    .insertInto("turns")
    .values({ user_key, kind, turn_at: at, turn_no: 0 })
    .onConflict((conflict) =>
      conflict
        .columns(["user_key", "kind"])
        .doUpdateSet({ turn_at: at, turn_no: 0 })
        .where((eb) => eb.or([eb("turns.turn_at", "is", null), eb("turns.turn_at", ">", at)])),
    );
  await sendPipelined(trx, query);
}

/**
 * The users that have something due, in fair order, without those of `except`. One select for each kind, so that each
 * follows the index.
 */
export async function findUsersDue(
  trx: Transaction<Tables>,
  { kinds, except }: { kinds: readonly string[]; except: readonly string[] },
  now: number,
  limit: number,
): Promise<TurnRow[]> {
  const [first, ...others] = kinds.map((kind) => {
    const own = trx
      .selectFrom("turns")
      .selectAll()
      .where("kind", "=", kind)
      .where("turn_at", "<=", now)
      .$if(except.length > 0, (query) => query.where("user_key", "not in", except))
      .orderBy("turn_at")
      .orderBy("turn_no")
      .limit(limit);
    return trx.selectFrom(own.as("own")).selectAll();
  });
  if (!first) return [];
  const rows = await others.reduce((all, own) => all.unionAll(own), first).execute();
  const at = (row: TurnRow): number => Number(row.turn_at);
  return rows.sort((a, b) => at(a) - at(b) || Number(a.turn_no) - Number(b.turn_no)).slice(0, limit);
}

/** Moves a user on after a claim looked at their items: behind the others, if some were claimed and more are due. */
export async function advanceUser(
  trx: Transaction<Tables>,
  queue: UserQueue,
  { now, wasServed }: { now: number; wasServed: boolean },
): Promise<void> {
  const due = await earliestDue(trx, { kinds: [queue.kind], userKey: queue.user_key });
  const old = queue.turn_no === undefined ? await readTurn(trx, queue) : queue;
  const isBehind = wasServed && due !== null && due <= now;
  const user = {
    turn_at: isBehind ? now : due,
    // Orders users that were served within the same millisecond, or while the system clock stands still.
    turn_no: isBehind ? 1 + (Number(old?.turn_at) === now ? Number(old?.turn_no) : 0) : 0,
  };
  const query = trx
    .insertInto("turns")
    .values({ user_key: queue.user_key, kind: queue.kind, ...user })
    .onConflict((conflict) => conflict.columns(["user_key", "kind"]).doUpdateSet(user));
  await sendPipelined(trx, query);
}

const readTurn = (trx: Transaction<Tables>, { user_key, kind }: UserQueue) =>
  trx
    .selectFrom("turns")
    .selectAll()
    .where("user_key", "=", user_key)
    .where("kind", "=", kind)
    .executeTakeFirst();

/** The earliest due time of the jobs and queued runs that match, in epoch ms; null when there is none. */
export async function earliestDue(
  db: Kysely<Tables>,
  {
    kinds,
    userKey,
    runId,
    leftIds = [],
  }: { kinds: readonly string[]; userKey?: string; runId?: string; leftIds?: readonly string[] },
): Promise<number | null> {
  if (kinds.length === 0) return null;
  const row = await db
    .selectNoFrom((eb) =>
      kinds.flatMap((kind) => {
        let { jobs, runs } = withTimes(eb, kind);
        if (leftIds.length > 0) {
          jobs = jobs.where("job_id", "not in", leftIds);
          runs = runs.where("job_id", "not in", leftIds);
        }
        if (userKey !== undefined) {
          jobs = jobs.where("user_key", "=", userKey);
          runs = runs.where("user_key", "=", userKey);
        }
        if (runId !== undefined) return [minDueAt(runs.where("run_id", "=", runId), kind)];
        return [minNextRunAt(jobs, kind), minDueAt(runs, kind)];
      }),
    )
    .executeTakeFirst();
  return earliestOf(row);
}

/** The jobs and the queued runs of one kind that have a time. `kind in (…)` would make SQLite read and sort every row. */
const withTimes = (eb: ExpressionBuilder<Tables, never>, kind: string) => ({
  jobs: eb.selectFrom("jobs").where("kind", "=", kind).where("next_run_at", "is not", null),
  runs: eb.selectFrom("runs").where("kind", "=", kind).where("due_at", "is not", null),
});
type TimedRows = ReturnType<typeof withTimes>;

const minNextRunAt = (jobs: TimedRows["jobs"], kind: string) =>
  jobs.select((eb) => eb.fn.min("next_run_at").as("at")).as(`min_jobs_${kind}`);
const minDueAt = (runs: TimedRows["runs"], kind: string) =>
  runs.select((eb) => eb.fn.min("due_at").as("at")).as(`min_runs_${kind}`);

/** The least of the columns that are named `min_…`. */
function earliestOf(row: Readonly<Record<string, unknown>> = {}): number | null {
  const times = Object.entries(row).filter(([name, at]) => name.startsWith("min_") && at !== null);
  return times.length > 0 ? Math.min(...times.map(([, at]) => Number(at))) : null;
}

/** Work that is due and has not started: of all users, on all nodes. */
export interface Backlog {
  /** Jobs and queued runs, counted up to 10,000 of each for each kind of action. */
  readonly depth: number;
  /** Epoch ms; null when nothing is due. */
  readonly oldestDueAt: number | null;
}

const MAX_COUNTED = 10_000;

/** Reads the backlog in one statement, by index: its cost does not grow with the number of jobs. */
export async function readBacklog({ kysely }: Database, now: number): Promise<Backlog> {
  const row = await kysely
    .selectNoFrom((eb) =>
      ACTION_KINDS.flatMap((kind) => {
        const jobs = withTimes(eb, kind).jobs.where("next_run_at", "<=", now);
        const runs = withTimes(eb, kind).runs.where("due_at", "<=", now);
        const dueJobs = jobs.select("job_id").limit(MAX_COUNTED).as("own");
        const dueRuns = runs.select("run_id").limit(MAX_COUNTED).as("own");
        return [
          eb.selectFrom(dueJobs).select(eb.fn.countAll().as("n")).as(`count_jobs_${kind}`),
          eb.selectFrom(dueRuns).select(eb.fn.countAll().as("n")).as(`count_runs_${kind}`),
          minNextRunAt(jobs, kind),
          minDueAt(runs, kind),
        ];
      }),
    )
    .executeTakeFirstOrThrow();
  const counts = Object.entries(row).filter(([name]) => name.startsWith("count_"));
  return { depth: counts.reduce((sum, [, n]) => sum + Number(n), 0), oldestDueAt: earliestOf(row) };
}
