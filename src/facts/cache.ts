import { setImmediate } from "node:timers/promises";
import { createKeyedLocks } from "../async.ts";
import type { FactsDatabase, Query } from "./database.ts";
import type { StoredFact } from "./rules.ts";
import { compareAge, createUserFacts, type UserFacts } from "./user-facts.ts";
import { createUserVectors, type UserVectors } from "./vectors.ts";
import type { Transaction } from "./write-queue.ts";

/** One user's facts in memory, and how far they have followed the database. */
export interface CacheEntry {
  readonly userFacts: UserFacts;
  readonly vectors: UserVectors;
  /** The user's counters in the database as of the last sync. `changes` is -1 before the first load. */
  changes: number;
  removals: number;
  /** The highest row that was read. */
  rowId: number;
  /** Its share of the cache's `maxBytes`. */
  costBytes: number;
}

/** The users' facts that are in memory: the most recently used, each for its own user only. */
export interface FactCache {
  /** Gives `use` the user's facts as of the last commit. Nothing changes them while `use` runs. */
  read<T>(userKey: string, use: (userFacts: UserFacts, vectors: UserVectors) => T | Promise<T>): Promise<T>;
  /**
   * Gives `use` the user's facts inside a transaction. What `use` does to them is undone if the transaction is, and
   * readers of the same user wait for its end.
   */
  write<T>(userKey: string, transaction: Transaction, use: (entry: CacheEntry) => Promise<T>): Promise<T>;
}

/** `maxBytes` bounds all entries together. A single larger one is kept while it is the one in use. */
export function createFactCache(database: FactsDatabase, now: () => number, maxBytes: number): FactCache {
  /** Least recently used first. */
  const entries = new Map<string, CacheEntry>();
  /** Those of users of whom a transaction is open now. Each user has one at a time. */
  const entriesInTransaction = new Map<string, CacheEntry>();
  const locks = createKeyedLocks();
  let totalBytes = 0;

  function entryFor(userKey: string): CacheEntry {
    const entry = entries.get(userKey) ?? createCacheEntry();
    entries.delete(userKey);
    entries.set(userKey, entry);
    return entry;
  }

  function updateCost(userKey: string, entry: CacheEntry): void {
    if (entries.get(userKey) !== entry) return;
    const costBytes = entry.userFacts.costBytes + entry.vectors.costBytes;
    totalBytes += costBytes - entry.costBytes;
    entry.costBytes = costBytes;
    for (const [oldestKey, oldest] of entries) {
      if (totalBytes <= maxBytes || oldest === entry) break;
      entries.delete(oldestKey);
      totalBytes -= oldest.costBytes;
    }
  }

  async function lockUntilEnd(userKey: string, transaction: Transaction): Promise<CacheEntry> {
    const release = await locks.lock(userKey);
    const entry = entryFor(userKey);
    entriesInTransaction.set(userKey, entry);
    transaction.onEnd((wasCommitted) => {
      if (!wasCommitted) reset(entry);
      entriesInTransaction.delete(userKey);
      updateCost(userKey, entry);
      release();
    });
    return entry;
  }

  async function refresh(userKey: string, entry: CacheEntry, query: Query): Promise<void> {
    const at = now();
    await syncEntry(userKey, entry, { query, parse: database.parse, now: at });
    entry.userFacts.expire(at);
  }

  return {
    read: (userKey, use) =>
      locks.run(userKey, async () => {
        const entry = entryFor(userKey);
        try {
          await refresh(userKey, entry, database.read);
          return await use(entry.userFacts, entry.vectors);
        } finally {
          updateCost(userKey, entry);
        }
      }),
    async write(userKey, transaction, use) {
      const entry = entriesInTransaction.get(userKey) ?? (await lockUntilEnd(userKey, transaction));
      await refresh(userKey, entry, transaction.query);
      return use(entry);
    },
  };
}

const NOT_LOADED = { changes: -1, removals: 0, rowId: 0 };

export const createCacheEntry = (): CacheEntry => ({
  userFacts: createUserFacts(),
  vectors: createUserVectors(),
  ...NOT_LOADED,
  costBytes: 0,
});

/** After a transaction was undone: the entry may hold what it wrote, so the next use loads it anew. */
function reset(entry: CacheEntry): void {
  entry.userFacts.clear();
  Object.assign(entry, NOT_LOADED);
}

interface ChangeCounters {
  readonly changes: number;
  readonly removals: number;
}
interface FactRow {
  readonly id: string;
  readonly rowId: number;
}
/** What a changed fact begins with, as Keyv writes it. */
const REVISION = /^\{"value":\{"revision":(\d+)/;
const revisionOf = (head: string): number => Number(REVISION.exec(head)?.[1] ?? 0);

interface FactRowWithValue extends FactRow {
  readonly value: string;
}

/** A user's rows: keys from `<userKey>:` up to the character after the colon. Not LIKE: no key is then a wildcard. */
const RANGE = "key >= $1 || ':' AND key < $1 || ';'";
const COLUMNS = 'substr(key, 66) AS id, rowid AS "rowId"';

const ALL_ROWS = `SELECT ${COLUMNS}, value FROM keyv WHERE ${RANGE}`;

/** Indexing this much text takes about 10 ms, and 30 when every word of it is new. */
const SLICE_CHARS = 16_384;

/**
 * Brings an entry up to date with the least work: nothing when its user's counter has not moved, the new rows when
 * there are only new rows, else the difference of the ids and revisions.
 */
export async function syncEntry(
  userKey: string,
  entry: CacheEntry,
  { query, parse, now }: { query: Query; parse: FactsDatabase["parse"]; now: number },
): Promise<void> {
  // Read before the rows: they may then be newer than the counters, which costs a second sync, but never older.
  const current = await readChanges(userKey, query);
  if (current.changes === entry.changes) return;
  const take = async (rows: readonly FactRowWithValue[]) => {
    const facts: StoredFact[] = [];
    await forSlices(
      rows,
      ({ value }) => value.length,
      (slice) => facts.push(...slice.map(({ id, value }) => ({ ...parse(value), factId: id }))),
    );
    // Sorted before they are sliced: a slice older than the one before would build the index again.
    facts.sort(compareAge);
    await forSlices(
      facts,
      ({ text }) => text.length,
      (slice) => entry.userFacts.add(slice, now),
    );
    for (const { rowId } of rows) entry.rowId = Math.max(entry.rowId, rowId);
  };
  if (entry.changes === -1) {
    await take(await query<FactRowWithValue>(ALL_ROWS, userKey));
  } else {
    // The plus keeps SQLite on the index of keys: by row number it would read everybody's new rows.
    const newRows = `SELECT ${COLUMNS}, value FROM keyv WHERE ${RANGE} AND +rowid > $2`;
    const added = await query<FactRowWithValue>(newRows, userKey, entry.rowId);
    await take(added);
    const isComplete = current.removals === entry.removals && added.length >= current.changes - entry.changes;
    if (!isComplete) await take(await reconcile(userKey, entry.userFacts, query));
  }
  Object.assign(entry, current);
}

/** Calls `use` with slices of about `sliceChars`. Between two of them other users' calls get the thread. */
export async function forSlices<T>(
  items: readonly T[],
  charsOf: (item: T) => number,
  use: (slice: readonly T[]) => void,
  sliceChars = SLICE_CHARS,
): Promise<void> {
  let start = 0;
  let chars = 0;
  for (const [i, item] of items.entries()) {
    chars += charsOf(item);
    if (chars < sliceChars) continue;
    use(items.slice(start, i + 1));
    start = i + 1;
    chars = 0;
    await setImmediate();
  }
  if (start < items.length) use(items.slice(start));
}

/** Takes over the counters after a write of our own: the entry has its change already, and no sync is needed. */
export async function noteOwnWrite(
  userKey: string,
  entry: CacheEntry,
  query: Query,
  factId = "",
): Promise<void> {
  const [row] = await query<ChangeCounters & { rowId: number | null }>(
    `SELECT changes, removals, (SELECT rowid FROM keyv WHERE key = $1) AS "rowId" FROM fact_changes WHERE user_key = $2`,
    `${userKey}:${factId}`,
    userKey,
  );
  if (row === undefined) return;
  Object.assign(entry, {
    changes: row.changes,
    removals: row.removals,
    rowId: Math.max(entry.rowId, row.rowId ?? 0),
  });
}

async function readChanges(userKey: string, query: Query): Promise<ChangeCounters> {
  const [row] = await query<ChangeCounters>(
    "SELECT changes, removals FROM fact_changes WHERE user_key = $1",
    userKey,
  );
  return { changes: row?.changes ?? 0, removals: row?.removals ?? 0 };
}

/**
 * Removes facts that the database no longer has, or has in another revision. Resolves to all rows when the entry lacks
 * one then. Its row number may not be above the highest seen, since SQLite may use a number again.
 */
async function reconcile(userKey: string, userFacts: UserFacts, query: Query): Promise<FactRowWithValue[]> {
  const sql = `SELECT ${COLUMNS}, substr(value, 1, 40) AS head FROM keyv WHERE ${RANGE}`;
  const rows = await query<FactRow & { head: string }>(sql, userKey);
  const revisions = new Map(rows.map(({ id, head }) => [id, revisionOf(head)]));
  userFacts.remove(
    userFacts.facts
      .values()
      .filter(({ factId, revision = 0 }) => revisions.get(factId) !== revision)
      .map(({ factId }) => factId)
      .toArray(),
  );
  const isWhole = rows.every(({ id }) => userFacts.facts.has(id) || userFacts.expired.has(id));
  return isWhole ? [] : query<FactRowWithValue>(ALL_ROWS, userKey);
}
