import type { FactsDatabase, Query } from "./database.ts";
import type { Memory } from "./memory.ts";
import { createMutex, type Mutex } from "./mutex.ts";
import { type Copy, createCopy, resetCopy, syncCopy } from "./sync.ts";
import type { Transaction } from "./writes.ts";

interface Slot {
  readonly copy: Copy;
  readonly mutex: Mutex;
  costBytes: number;
}

/** The copies of users' facts that are in memory: the most recently used, each for its own user only. */
export interface Users {
  /** Gives `use` the user's memory as of the last commit. Nothing changes it while `use` runs. */
  read<T>(userKey: string, use: (memory: Memory) => T): Promise<T>;
  /**
   * Gives `use` the user's memory inside a transaction. What `use` does to it is undone if the transaction is, and
   * readers of the same user wait for the end.
   */
  write<T>(userKey: string, transaction: Transaction, use: (copy: Copy) => Promise<T>): Promise<T>;
}

/** `maxBytes` bounds all copies together; a single larger one is kept while it is the one in use. */
export function createUsers(database: FactsDatabase, clock: () => number, maxBytes: number): Users {
  /** Least recently used first. */
  const slots = new Map<string, Slot>();
  /** Locked by a transaction that is open now: a user has one at a time. */
  const held = new Map<string, Slot>();
  let totalBytes = 0;

  function slotFor(userKey: string): Slot {
    const slot = slots.get(userKey) ?? {
      copy: createCopy(),
      mutex: createMutex(),
      costBytes: 0,
    };
    slots.delete(userKey);
    slots.set(userKey, slot);
    return slot;
  }

  function weigh(userKey: string, slot: Slot): void {
    if (slots.get(userKey) !== slot) return;
    totalBytes += slot.copy.memory.costBytes - slot.costBytes;
    slot.costBytes = slot.copy.memory.costBytes;
    for (const [oldestKey, oldest] of slots) {
      if (totalBytes <= maxBytes || oldest === slot) break;
      slots.delete(oldestKey);
      totalBytes -= oldest.costBytes;
    }
  }

  async function hold(userKey: string, transaction: Transaction): Promise<Slot> {
    const slot = slotFor(userKey);
    const release = await slot.mutex.lock();
    held.set(userKey, slot);
    transaction.onEnd((wasCommitted) => {
      if (!wasCommitted) resetCopy(slot.copy);
      held.delete(userKey);
      weigh(userKey, slot);
      release();
    });
    return slot;
  }

  async function refresh(userKey: string, { copy }: Slot, query: Query): Promise<void> {
    const now = clock();
    await syncCopy(userKey, copy, { query, parse: database.parse, now });
    copy.memory.expire(now);
  }

  return {
    async read(userKey, use) {
      const slot = slotFor(userKey);
      const release = await slot.mutex.lock();
      try {
        await refresh(userKey, slot, database.read);
        return use(slot.copy.memory);
      } finally {
        weigh(userKey, slot);
        release();
      }
    },
    async write(userKey, transaction, use) {
      const slot = held.get(userKey) ?? (await hold(userKey, transaction));
      await refresh(userKey, slot, transaction.query);
      return use(slot.copy);
    },
  };
}
