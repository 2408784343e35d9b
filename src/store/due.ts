import type { Transaction } from "kysely";
import type { UserLocks } from "../database/database.ts";
import type { JobRow, RunRow, Tables } from "../database/schema.ts";
import { advanceUser, findUsersDue, type UserQueue } from "./fair-order.ts";
import { type OpenPlaces, openPlaces, type UserPlaces } from "./places.ts";
import type { ClaimFilter } from "./run-queue.ts";

/** A job or a queued run whose time has come. */
export type DueItem = (
  | { readonly kind: "job"; readonly at: number; readonly row: JobRow }
  | { readonly kind: "run"; readonly at: number; readonly row: RunRow }
) & {
  /** The id that an external queue handed it out under. */
  readonly ticket?: string;
};

export interface DueItems {
  readonly items: readonly DueItem[];
  /** Called after the items were handled, with the tickets of those that were started, and of those left to others. */
  readonly done: (started: ReadonlySet<string>, left?: ReadonlySet<string>) => Promise<void>;
  /** True when nothing that was found needs a run, and there may be more. */
  readonly again?: boolean;
}

/** Finds due items and locks their users until the transaction ends. */
export type FindDue = (trx: Transaction<Tables>, users: UserLocks, wanted: Wanted) => Promise<DueItems>;

export interface Wanted {
  readonly filter: ClaimFilter;
  readonly now: number;
  readonly limit: number;
  readonly places?: UserPlaces;
}

/** Minimum users to look at per round. Looking at one with nothing due is cheap. */
const MIN_USERS = 16;
const MAX_ROUNDS = 4;

/**
 * Up to `limit` due items in fair order: one of each user, then the next of each, each user's oldest first. Reads at
 * most a few times `limit` rows, however many are due.
 */
export async function findDue(trx: Transaction<Tables>, users: UserLocks, wanted: Wanted): Promise<DueItems> {
  const { filter, now, limit } = wanted;
  const nothing = async () => {};
  if (limit < 1) return { items: [], done: nothing };
  if (filter.userKey !== undefined) {
    await users.take(filter.userKey);
    return { items: await findOldest(trx, filter, now, limit), done: nothing };
  }
  const locks = createClaimLocks(users);
  const places = openPlaces(wanted.places);
  const except = [...places.full];
  for (let round = 0; round < MAX_ROUNDS && filter.runId === undefined; round++) {
    const dueUsers = await findUsersDue(
      trx,
      { kinds: filter.kinds, except },
      now,
      Math.max(limit, MIN_USERS),
    );
    if (dueUsers.length === 0) break;
    const { items, done } = await pickFairly(trx, { locks, places }, dueUsers, wanted);
    if (items.length > 0) return { items, done };
    await done(new Set());
    // What they have due is left to other processes.
    if (filter.left) except.push(...dueUsers.map(({ user_key }) => user_key));
  }
  // What follows would find only what those users have due.
  if (except.length > 0) return { items: [], done: nothing };
  // Finds nothing where every item has its row in the fair order; a file that was edited by hand may lack some.
  const unqueued = await findOldest(trx, filter, now, limit);
  const queues = new Map(unqueued.map(({ row }) => [`${row.kind} ${row.user_key}`, row]));
  return pickFairly(trx, { locks, places }, [...queues.values()], wanted);
}

/** The users that one claim has locked. */
interface ClaimLocks {
  /** Locks a user without waiting; false when another transaction has the lock. */
  tryLock(userKey: string): Promise<boolean>;
  /** Waits for the lock. False where this claim has locked others already: waiting then could end in a deadlock. */
  waitForFirst(userKey: string): Promise<boolean>;
}

function createClaimLocks(users: UserLocks): ClaimLocks {
  const locked = new Set<string>();
  return {
    async tryLock(userKey) {
      if (!locked.has(userKey) && (await users.tryTake(userKey))) locked.add(userKey);
      return locked.has(userKey);
    },
    async waitForFirst(userKey) {
      if (locked.size > 0) return false;
      await users.take(userKey);
      locked.add(userKey);
      return true;
    },
  };
}

/**
 * The first item of each user, then the second, until there are enough, all read under the user's lock. Users that
 * another transaction has locked are left to it, unless there is nobody else.
 */
async function pickFairly(
  trx: Transaction<Tables>,
  { locks, places }: { locks: ClaimLocks; places: OpenPlaces },
  dueUsers: readonly UserQueue[],
  { filter, now, limit }: Wanted,
): Promise<DueItems> {
  const visited: UserQueue[] = [];
  const queues: DueItem[][] = [];
  // Up to two of each user when there are enough users to fill the claim, more when there are fewer.
  const maxEach = Math.min(limit, Math.ceil((2 * limit) / Math.min(dueUsers.length, limit)));
  const visit = async (user: UserQueue) => {
    visited.push(user);
    const own = { ...filter, kinds: [user.kind as ClaimFilter["kinds"][number]], userKey: user.user_key };
    const queue = await findOldest(trx, own, now, maxEach);
    if (queue.length > 0) queues.push(queue);
  };
  for (const user of dueUsers) {
    if (queues.length >= limit) break;
    if (await locks.tryLock(user.user_key)) await visit(user);
  }
  const [first] = dueUsers;
  if (first && visited.length === 0 && (await locks.waitForFirst(first.user_key))) await visit(first);
  const items: DueItem[] = [];
  for (let index = 0; index < maxEach && items.length < limit; index++)
    for (const queue of queues) {
      const item = queue[index];
      if (!item || items.length >= limit || places.left(item.row.user_key) < 1) continue;
      places.take(item.row.user_key);
      items.push(item);
    }
  return {
    items: items.sort((a, b) => a.at - b.at),
    done: async () => {
      for (const user of visited) {
        const { user_key, kind } = user;
        const wasServed = items.some(({ row }) => row.user_key === user_key && row.kind === kind);
        await advanceUser(trx, user, { now, wasServed });
      }
    },
  };
}

/** Up to `limit` due items, oldest first; at the same time, queued runs come before jobs. */
async function findOldest(
  trx: Transaction<Tables>,
  { kinds, userKey, runId, left }: ClaimFilter,
  now: number,
  limit: number,
): Promise<DueItem[]> {
  const items: DueItem[] = [];
  const leftIds = left?.ids() ?? [];
  for (const kind of kinds) {
    let runs = trx.selectFrom("runs").selectAll().where("kind", "=", kind).where("due_at", "<=", now);
    let jobs = trx.selectFrom("jobs").selectAll().where("kind", "=", kind).where("next_run_at", "<=", now);
    if (leftIds.length > 0) {
      runs = runs.where("job_id", "not in", leftIds);
      jobs = jobs.where("job_id", "not in", leftIds);
    }
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
