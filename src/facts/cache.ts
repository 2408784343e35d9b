import { setImmediate } from "node:timers/promises";
import { createMutex, type Mutex } from "../async.ts";
import type { FactsDatabase, Query } from "./database.ts";
import type { StoredFact } from "./rules.ts";
import { compareAge, createUserFacts, type UserFacts } from "./user-facts.ts";
import type { Transaction } from "./write-queue.ts";

interface CacheEntry {
  readonly cached: CachedFacts;
  readonly mutex: Mutex;
  costBytes: number;
}

/** The copies of users' facts that are in memory: the most recently used, each for its own user only. */
export interface FactCache {
  /** Gives `use` the user's memory as of the last commit. Nothing changes it while `use` runs. */
  read<T>(userKey: string, use: (userFacts: UserFacts) => T): Promise<T>;
  /**
   * Gives `use` the user's memory inside a transaction. What `use` does to it is undone if the transaction is, and
   * readers of the same user wait for the end.
   */
  write<T>(userKey: string, transaction: Transaction, use: (cached: CachedFacts) => Promise<T>): Promise<T>;
}

/** `maxBytes` bounds all copies together; a single larger one is kept while it is the one in use. */
export function createFactCache(database: FactsDatabase, now: () => number, maxBytes: number): FactCache {
  /** Least recently used first. */
  const entries = new Map<string, CacheEntry>();
  /** Locked by a transaction that is open now: a user has one at a time. */
  const lockedEntries = new Map<string, CacheEntry>();
  let totalBytes = 0;

  function entryFor(userKey: string): CacheEntry {
    const entry = entries.get(userKey) ?? {
      cached: createCachedFacts(),
      mutex: createMutex(),
      costBytes: 0,
    };
    entries.delete(userKey);
    entries.set(userKey, entry);
    return entry;
  }

  function weigh(userKey: string, entry: CacheEntry): void {
    if (entries.get(userKey) !== entry) return;
    totalBytes += entry.cached.userFacts.costBytes - entry.costBytes;
    entry.costBytes = entry.cached.userFacts.costBytes;
    for (const [oldestKey, oldest] of entries) {
      if (totalBytes <= maxBytes || oldest === entry) break;
      entries.delete(oldestKey);
      totalBytes -= oldest.costBytes;
    }
  }

  async function lockEntry(userKey: string, transaction: Transaction): Promise<CacheEntry> {
    const entry = entryFor(userKey);
    const release = await entry.mutex.lock();
    lockedEntries.set(userKey, entry);
    transaction.onEnd((wasCommitted) => {
      if (!wasCommitted) resetCachedFacts(entry.cached);
      lockedEntries.delete(userKey);
      weigh(userKey, entry);
      release();
    });
    return entry;
  }

  async function refresh(userKey: string, { cached }: CacheEntry, query: Query): Promise<void> {
    const at = now();
    await syncCachedFacts(userKey, cached, { query, parse: database.parse, now: at });
    cached.userFacts.expire(at);
  }

  return {
    async read(userKey, use) {
      const entry = entryFor(userKey);
      const release = await entry.mutex.lock();
      try {
        await refresh(userKey, entry, database.read);
        return use(entry.cached.userFacts);
      } finally {
        weigh(userKey, entry);
        release();
      }
    },
    async write(userKey, transaction, use) {
      const entry = lockedEntries.get(userKey) ?? (await lockEntry(userKey, transaction));
      await refresh(userKey, entry, transaction.query);
      return use(entry.cached);
    },
  };
}

/** A copy of a user's facts and how far it has followed the database. `changes` is -1 before the first load. */
export interface CachedFacts {
  readonly userFacts: UserFacts;
  changes: number;
  removals: number;
  /** The highest row that was seen. */
  rowId: number;
}

interface Changes {
  readonly changes: number;
  readonly removals: number;
}
interface Row {
  readonly id: string;
  readonly rowId: number;
}
interface FullRow extends Row {
  readonly value: string;
}

/** A user's rows: from `<userKey>:` up to the next character after the colon. No pattern, so nothing is a wildcard. */
const RANGE = "key >= $1 || ':' AND key < $1 || ';'";
const COLUMNS = 'substr(key, 66) AS id, rowid AS "rowId"';

const ALL_ROWS = `SELECT ${COLUMNS}, value FROM keyv WHERE ${RANGE}`;

/** Indexing this much text takes about 10 ms, and 30 when every word of it is new. */
const SLICE_CHARS = 16_384;

const NOT_LOADED = { changes: -1, removals: 0, rowId: 0 };

export function createCachedFacts(): CachedFacts {
  return { userFacts: createUserFacts(), ...NOT_LOADED };
}

/** For a copy that may hold what was undone: the next look loads it anew. */
export function resetCachedFacts(cached: CachedFacts): void {
  cached.userFacts.clear();
  Object.assign(cached, NOT_LOADED);
}

/**
 * Brings a copy up to date with the least work: nothing when its user's counter has not moved, the new rows when
 * there are only new rows, else the difference of the ids. A fact that is saved again is deleted and written anew.
 */
export async function syncCachedFacts(
  userKey: string,
  cached: CachedFacts,
  { query, parse, now }: { query: Query; parse: FactsDatabase["parse"]; now: number },
): Promise<void> {
  // Read before the rows: they may be newer than it, which costs a second look, but never older.
  const current = await readChanges(userKey, query);
  if (current.changes === cached.changes) return;
  const take = async (rows: readonly FullRow[]) => {
    const facts: StoredFact[] = [];
    await inSlices(
      rows,
      ({ value }) => value.length,
      (slice) => {
        for (const { id, value } of slice) facts.push({ ...parse(value), factId: id });
      },
    );
    // In order before they are cut: a slice that is older than the one before would start the index again.
    facts.sort(compareAge);
    await inSlices(
      facts,
      ({ text }) => text.length,
      (slice) => cached.userFacts.add(slice, now),
    );
    for (const { rowId } of rows) cached.rowId = Math.max(cached.rowId, rowId);
  };
  if (cached.changes === -1) {
    await take(await query<FullRow>(ALL_ROWS, userKey));
  } else {
    // The plus keeps SQLite on the index of keys: by row number it would read everybody's new rows.
    const newRows = `SELECT ${COLUMNS}, value FROM keyv WHERE ${RANGE} AND +rowid > $2`;
    const added = await query<FullRow>(newRows, userKey, cached.rowId);
    const replaced = added.filter(({ id }) => cached.userFacts.facts.has(id)).length;
    await take(added);
    const removals = current.removals - cached.removals;
    const isComplete = removals === 0 && added.length >= current.changes - cached.changes;
    if (!isComplete)
      await take(await reconcile(userKey, cached.userFacts, { query, unseen: removals - replaced }));
  }
  Object.assign(cached, current);
}

/** Hands `items` to `work` in slices of about SLICE_CHARS, between which other users' calls get the thread. */
async function inSlices<T>(
  items: readonly T[],
  charsOf: (item: T) => number,
  work: (slice: readonly T[]) => void,
): Promise<void> {
  let start = 0;
  let chars = 0;
  for (const [i, item] of items.entries()) {
    chars += charsOf(item);
    if (chars < SLICE_CHARS) continue;
    work(items.slice(start, i + 1));
    start = i + 1;
    chars = 0;
    await setImmediate();
  }
  if (start < items.length) work(items.slice(start));
}

/** After a write inside its transaction: what it changed is known, and need not be looked for. */
export async function noteOwnWrite(
  userKey: string,
  cached: CachedFacts,
  query: Query,
  factId = "",
): Promise<void> {
  const [row] = await query<Changes & { rowId: number | null }>(
    `SELECT changes, removals, (SELECT rowid FROM keyv WHERE key = $1) AS "rowId" FROM fact_changes WHERE user_key = $2`,
    `${userKey}:${factId}`,
    userKey,
  );
  if (row === undefined) return;
  Object.assign(cached, {
    changes: row.changes,
    removals: row.removals,
    rowId: Math.max(cached.rowId, row.rowId ?? 0),
  });
}

async function readChanges(userKey: string, query: Query): Promise<Changes> {
  const [row] = await query<Changes>(
    "SELECT changes, removals FROM fact_changes WHERE user_key = $1",
    userKey,
  );
  return { changes: row?.changes ?? 0, removals: row?.removals ?? 0 };
}

/**
 * Removes what the database no longer has. Resolves to all rows when the memory lacks one, or when fewer went than
 * the `unseen` removals: a fact was saved again. Both are rare: the row's number was not above the highest seen, as
 * SQLite may use one again.
 */
async function reconcile(
  userKey: string,
  userFacts: UserFacts,
  { query, unseen }: { query: Query; unseen: number },
): Promise<FullRow[]> {
  const rows = await query<Row>(`SELECT ${COLUMNS} FROM keyv WHERE ${RANGE}`, userKey);
  const present = new Set(rows.map(({ id }) => id));
  const known = [...userFacts.facts.keys(), ...userFacts.expired];
  const gone = known.filter((id) => !present.has(id));
  userFacts.remove(gone);
  const isWhole = rows.every(({ id }) => userFacts.facts.has(id) || userFacts.expired.has(id));
  return isWhole && gone.length >= unseen ? [] : query<FullRow>(ALL_ROWS, userKey);
}
