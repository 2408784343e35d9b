import type { Kysely, Transaction } from "kysely";
import type { UserLocks } from "../database/database.ts";
import type { JobRow, RunRow, Tables, TurnRow } from "../database/schema.ts";
import { advanceUser, findUsersDue } from "./fair-order.ts";
import type { ClaimFilter } from "./run-queue.ts";

/** Something whose time has come: an occurrence of a job, or a run that was queued. */
export type DueItem = (
  | { readonly kind: "job"; readonly at: number; readonly row: JobRow }
  | { readonly kind: "run"; readonly at: number; readonly row: RunRow }
) & {
  /** What the queue knows it by that handed it out, where one did. */
  readonly ticket?: string;
};

/**
 * The earliest due time within reach. One seek in an index for each action kind and table, in one statement;
 * `kind in (…)` would make SQLite read and sort every due row instead.
 */
export async function nextDueAt(
  db: Kysely<Tables>,
  { kinds, userKey, runId }: ClaimFilter,
): Promise<number | null> {
  if (kinds.length === 0) return null;
  const row = await db
    .selectNoFrom((eb) =>
      kinds.flatMap((kind) => {
        let jobs = eb
          .selectFrom("jobs")
          .select((e) => e.fn.min("next_run_at").as("at"))
          .where("kind", "=", kind)
          .where("next_run_at", "is not", null);
        let runs = eb
          .selectFrom("runs")
          .select((e) => e.fn.min("due_at").as("at"))
          .where("kind", "=", kind)
          .where("due_at", "is not", null);
        if (userKey !== undefined) {
          jobs = jobs.where("user_key", "=", userKey);
          runs = runs.where("user_key", "=", userKey);
        }
        if (runId !== undefined) return [runs.where("run_id", "=", runId).as(`run_${kind}`)];
        return [jobs.as(`job_${kind}`), runs.as(`run_${kind}`)];
      }),
    )
    .executeTakeFirst();
  const times = Object.values(row ?? {}).filter((at) => at !== null);
  return times.length > 0 ? Math.min(...times.map(Number)) : null;
}

/** Due items, and what is to be done when they have been dealt with. */
export interface Due {
  readonly items: readonly DueItem[];
  /** `started`: the tickets of those of which a run was started. */
  readonly done: (started: ReadonlySet<string>) => Promise<void>;
  /** True when there may be more, and what was found needed no run. */
  readonly again?: boolean;
}

/** Where a claim gets its items from, held until its transaction ends. */
export type FindDue = (trx: Transaction<Tables>, users: UserLocks, wanted: Wanted) => Promise<Due>;

/** What a claim is to find. */
export interface Wanted {
  readonly filter: ClaimFilter;
  readonly now: number;
  readonly limit: number;
}

/** Users visited at once, at least: those of whom nothing is due after all cost little. */
const MIN_VISITS = 16;
const ROUNDS = 4;

/**
 * Up to `limit` due items, of as many users as there are, one of each in turn; within that oldest first. Reads no
 * more rows than a few times `limit`, whoever has how much due.
 */
export async function findDue(trx: Transaction<Tables>, users: UserLocks, wanted: Wanted): Promise<Due> {
  const { filter, now, limit } = wanted;
  const nothing = async () => {};
  if (limit < 1) return { items: [], done: nothing };
  if (filter.userKey !== undefined) {
    await users.take(filter.userKey);
    return { items: await findOldest(trx, filter, now, limit), done: nothing };
  }
  const holder = createHolder(users);
  for (let round = 0; round < ROUNDS && filter.runId === undefined; round++) {
    const dueUsers = await findUsersDue(trx, filter.kinds, now, Math.max(limit, MIN_VISITS));
    if (dueUsers.length === 0) break;
    const { items, done } = await pickFairly(trx, holder, dueUsers, wanted);
    if (items.length > 0) return { items, done };
    await done(new Set());
  }
  // Never needed where every due time was lined up; a file that was written to by hand is still served.
  const unqueued = await findOldest(trx, filter, now, limit);
  const queues = new Map(unqueued.map(({ row }) => [`${row.kind} ${row.user_key}`, row]));
  return pickFairly(trx, holder, [...queues.values()], wanted);
}

/** The users whose rows a claim holds. */
interface Holder {
  /** False when somebody else holds them: whoever holds some doesn't wait for others. */
  hold(userKey: string): Promise<boolean>;
  /** False, without having waited, when it holds some already. */
  waitFor(userKey: string): Promise<boolean>;
}

function createHolder(users: UserLocks): Holder {
  const held = new Set<string>();
  return {
    async hold(userKey) {
      if (!held.has(userKey) && (await users.tryTake(userKey))) held.add(userKey);
      return held.has(userKey);
    },
    async waitFor(userKey) {
      if (held.size > 0) return false;
      await users.take(userKey);
      held.add(userKey);
      return true;
    },
  };
}

type UserQueue = Pick<TurnRow, "user_key" | "kind"> & Partial<TurnRow>;

/**
 * The first item of each line, then the second, until there are enough. What is read is read while it is held. Users
 * of whom somebody else claims or changes something just now are left to them, unless there is nobody else.
 */
async function pickFairly(
  trx: Transaction<Tables>,
  holder: Holder,
  dueUsers: readonly UserQueue[],
  { filter, now, limit }: Wanted,
): Promise<Due> {
  const visited: UserQueue[] = [];
  const queues: DueItem[][] = [];
  // With few users each may fill the claim; with many, two of each do.
  const each = Math.min(limit, Math.ceil((2 * limit) / Math.min(dueUsers.length, limit)));
  const visit = async (user: UserQueue) => {
    visited.push(user);
    const own = { ...filter, kinds: [user.kind as ClaimFilter["kinds"][number]], userKey: user.user_key };
    const queue = await findOldest(trx, own, now, each);
    if (queue.length > 0) queues.push(queue);
  };
  for (const user of dueUsers) {
    if (queues.length >= limit) break;
    if (await holder.hold(user.user_key)) await visit(user);
  }
  const [first] = dueUsers;
  if (first && visited.length === 0 && (await holder.waitFor(first.user_key))) await visit(first);
  const items: DueItem[] = [];
  for (let place = 0; place < each && items.length < limit; place++)
    for (const queue of queues) {
      const item = queue[place];
      if (item && items.length < limit) items.push(item);
    }
  return {
    items: items.sort((a, b) => a.at - b.at),
    done: async () => {
      for (const user of visited)
        await advanceUser(trx, user, { now, wasServed: items.some(({ row }) => isOf(user, row)) });
    },
  };
}

const isOf = (user: UserQueue, row: JobRow | RunRow): boolean =>
  user.user_key === row.user_key && user.kind === row.kind;

/** Up to `limit` due items, oldest first; of the same moment, what a person asked for comes before the schedule. */
async function findOldest(
  trx: Transaction<Tables>,
  { kinds, userKey, runId }: ClaimFilter,
  now: number,
  limit: number,
): Promise<DueItem[]> {
  const items: DueItem[] = [];
  for (const kind of kinds) {
    let runs = trx.selectFrom("runs").selectAll().where("kind", "=", kind).where("due_at", "<=", now);
    let jobs = trx.selectFrom("jobs").selectAll().where("kind", "=", kind).where("next_run_at", "<=", now);
    if (userKey !== undefined) {
      runs = runs.where("user_key", "=", userKey);
      jobs = jobs.where("user_key", "=", userKey);
    }
    if (runId !== undefined) runs = runs.where("run_id", "=", runId);
    for (const row of await runs.orderBy("due_at").orderBy("run_id").limit(limit).execute()) {
      items.push({ kind: "run", at: row.due_at ?? now, row });
    }
    if (runId !== undefined) continue;
    for (const row of await jobs.orderBy("next_run_at").limit(limit).execute()) {
      items.push({ kind: "job", at: row.next_run_at ?? now, row });
    }
  }
  return items.sort((a, b) => a.at - b.at).slice(0, limit);
}
