import type { FactsDatabase, Query } from "./database.ts";
import { createMutex, type Mutex } from "./mutex.ts";
import { type CachedFacts, createCachedFacts, resetCachedFacts, syncCachedFacts } from "./sync.ts";
import type { UserFacts } from "./user-facts.ts";
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
