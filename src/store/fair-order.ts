import type { Kysely, Transaction } from "kysely";
import type { Database } from "../database/database.ts";
import type { Tables, TurnRow } from "../database/schema.ts";
import { sendPipelined } from "../database/sql.ts";
import type { Action } from "../jobs/job.ts";

/*
 * Whose turn it is. Each user with something to run has a row for each kind of it: when their earliest is due, or,
 * while they have more due than was claimed, when they were served last. Taking rows in that order serves the users
 * in turn, however much one of them has due, and finds them by index. A time may be too early (what was due has been
 * paused since): whoever visits the row puts it right. It is never too late.
 */

type UserQueue = Pick<TurnRow, "user_key" | "kind">;

/** Says that something of the user's is due at `at`. In the transaction that makes it so. */
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

/** Those whose turn has come, in their order. */
export async function findUsersDue(
  trx: Transaction<Tables>,
  kinds: readonly string[],
  now: number,
  limit: number,
): Promise<TurnRow[]> {
  const [first, ...others] = kinds.map((kind) => {
    const own = trx
      .selectFrom("turns")
      .selectAll()
      .where("kind", "=", kind)
      .where("turn_at", "<=", now)
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

/** Gives a user who was visited their next turn: behind the others when they were served and have more that is due. */
export async function advanceUser(
  trx: Transaction<Tables>,
  queue: UserQueue & Partial<TurnRow>,
  { now, wasServed }: { now: number; wasServed: boolean },
): Promise<void> {
  const due = await earliest(trx, queue);
  const old = queue.turn_no === undefined ? await readTurn(trx, queue) : queue;
  const isBehind = wasServed && due !== null && due <= now;
  const user = {
    turn_at: isBehind ? now : due,
    // Within one millisecond, too, or while the clock stands still: behind those who were not served yet.
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

async function earliest(db: Kysely<Tables>, { user_key, kind }: UserQueue): Promise<number | null> {
  const row = await db
    .selectNoFrom((eb) => [
      eb
        .selectFrom("jobs")
        .select((e) => e.fn.min("next_run_at").as("at"))
        .where("user_key", "=", user_key)
        .where("kind", "=", kind)
        .where("next_run_at", "is not", null)
        .as("job"),
      eb
        .selectFrom("runs")
        .select((e) => e.fn.min("due_at").as("at"))
        .where("user_key", "=", user_key)
        .where("kind", "=", kind)
        .where("due_at", "is not", null)
        .as("run"),
    ])
    .executeTakeFirst();
  const times = [row?.job, row?.run].filter((at) => at !== null && at !== undefined);
  return times.length > 0 ? Math.min(...times.map(Number)) : null;
}

/** What is due and was not started yet: of everybody, on all nodes. */
export interface Backlog {
  /** Jobs and queued runs, counted up to 10,000 of each. */
  readonly depth: number;
  /** Epoch ms; null when nothing is due. */
  readonly oldestDueAt: number | null;
}

const KINDS = ["prompt", "tool", "code"] as const satisfies readonly Action["kind"][];
const MOST = 10_000;

/** By the indexes of what is due, in one statement, whatever the number of jobs. */
export async function readBacklog({ kysely }: Database, now: number): Promise<Backlog> {
  const row = await kysely
    .selectNoFrom((eb) =>
      KINDS.flatMap((kind) => {
        const jobs = eb
          .selectFrom("jobs")
          .where("kind", "=", kind)
          .where("next_run_at", "is not", null)
          .where("next_run_at", "<=", now);
        const runs = eb
          .selectFrom("runs")
          .where("kind", "=", kind)
          .where("due_at", "is not", null)
          .where("due_at", "<=", now);
        const dueJobs = jobs.select("job_id").limit(MOST).as("own");
        const dueRuns = runs.select("run_id").limit(MOST).as("own");
        return [
          eb.selectFrom(dueJobs).select(eb.fn.countAll().as("n")).as(`count_job_${kind}`),
          eb.selectFrom(dueRuns).select(eb.fn.countAll().as("n")).as(`count_run_${kind}`),
          jobs.select((e) => e.fn.min("next_run_at").as("at")).as(`at_job_${kind}`),
          runs.select((e) => e.fn.min("due_at").as("at")).as(`at_run_${kind}`),
        ];
      }),
    )
    .executeTakeFirstOrThrow();
  const columns = Object.entries(row);
  const counts = columns.filter(([name]) => name.startsWith("count")).map(([, n]) => Number(n));
  const times = columns.flatMap(([name, at]) => (name.startsWith("at") && at !== null ? [Number(at)] : []));
  return {
    depth: counts.reduce((sum, n) => sum + n, 0),
    oldestDueAt: times.length > 0 ? Math.min(...times) : null,
  };
}
