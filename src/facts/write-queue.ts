import { toFactsError } from "../database/db-errors.ts";
import { NightshiftError } from "../errors.ts";
import type { FactsDatabase, TransactionAccess } from "./database.ts";

/** Writes that came while the disk was busy share one transaction, and so one flush to the disk. */
const MAX_WRITES_PER_TRANSACTION = 64;

/** The transaction of a write, as seen by the write. */
export interface Transaction extends TransactionAccess {
  /** Called once, after the transaction has ended either way. */
  onEnd(callback: (wasCommitted: boolean) => void): void;
}

export interface WriteQueue {
  /**
   * Runs `work` in a transaction in which nobody else writes for this user, in this process or another. Resolves once
   * it is committed. A NightshiftError of `work` rejects this write alone, so it must be thrown before anything is
   * written. Any other failure undoes the whole transaction and rejects with DATA_UNAVAILABLE.
   */
  run<T>(userKey: string, work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** Resolves once no write is left. */
  drain(): Promise<void>;
}

interface QueuedWrite {
  /** Does the work. Resolves to a function that settles its caller's promise, for after the commit. */
  attempt(transaction: Transaction): Promise<() => void>;
  fail(error: unknown): void;
}

interface WriterQueue {
  readonly waiting: QueuedWrite[];
  /** Resolves once the queue is empty. */
  readonly working: Promise<void>;
}

export function createWriteQueue(database: FactsDatabase): WriteQueue {
  /** By lock key. A queue exists while it has writes. */
  const queues = new Map<string, WriterQueue>();

  async function processAll(lockKey: string, waiting: QueuedWrite[]): Promise<void> {
    while (waiting.length > 0) await writeBatch(lockKey, waiting, database);
    queues.delete(lockKey);
  }

  return {
    run(userKey, work) {
      const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<typeof work>>>();
      const write: QueuedWrite = {
        attempt: async (transaction) => {
          try {
            const result = await work(transaction);
            return () => resolve(result);
          } catch (error) {
            if (!(error instanceof NightshiftError)) throw error;
            return () => reject(error);
          }
        },
        fail: reject,
      };
      const lockKey = database.lockKey(userKey);
      const queue = queues.get(lockKey);
      if (queue) queue.waiting.push(write);
      else {
        const waiting = [write];
        queues.set(lockKey, { waiting, working: processAll(lockKey, waiting) });
      }
      return promise;
    },
    drain: async () => void (await Promise.all(queues.values().map(({ working }) => working))),
  };
}

/** Writes the first of `waiting` in one transaction. Never rejects: each caller gets its own result or error. */
async function writeBatch(lockKey: string, waiting: QueuedWrite[], database: FactsDatabase): Promise<void> {
  let batch: QueuedWrite[] = [];
  const endings: ((wasCommitted: boolean) => void)[] = [];
  const end = (wasCommitted: boolean) => {
    for (const ending of endings) ending(wasCommitted);
  };
  const settled: (() => void)[] = [];
  try {
    await database.transact(lockKey, async (access) => {
      batch = waiting.splice(0, MAX_WRITES_PER_TRANSACTION);
      const transaction = {
        ...access,
        onEnd: (ending: (wasCommitted: boolean) => void) => void endings.push(ending),
      };
      for (const write of batch) settled.push(await write.attempt(transaction));
    });
    end(true);
    for (const resolveWrite of settled) resolveWrite();
  } catch (error) {
    if (batch.length === 0) batch = waiting.splice(0);
    end(false);
    for (const write of batch) write.fail(toFactsError(error));
  }
}
