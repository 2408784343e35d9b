import { toFactsError } from "../database/db-errors.ts";
import { NightshiftError } from "../errors.ts";
import type { FactsDatabase, Writing } from "./database.ts";

/** Writers that came while the disk was busy share one transaction, and so one flush to the disk. */
const MAX_WRITES_PER_TRANSACTION = 64;

/** What a write may do inside its transaction. */
export interface Transaction extends Writing {
  /** Called once, after the transaction has ended either way. */
  onEnd(callback: (wasCommitted: boolean) => void): void;
}

export interface WriteQueue {
  /**
   * Runs `work` in an exclusive transaction: no other writer of this user, in this process or in another, comes
   * between. Resolves once it is committed. A NightshiftError of `work` refuses this write alone, so it must be
   * thrown before anything is written; any other failure undoes the whole transaction and rejects with
   * DATA_UNAVAILABLE.
   */
  run<T>(userKey: string, work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** Resolves when nothing is under way any more. */
  drain(): Promise<void>;
}

interface Waiting {
  /** Does the work; resolves to what tells its caller once the transaction is committed. */
  attempt(transaction: Transaction): Promise<() => void>;
  fail(error: unknown): void;
}

interface WriterQueue {
  readonly waiting: Waiting[];
  /** Resolves when nobody waits in it any more. */
  readonly working: Promise<void>;
}

export function createWriteQueue(database: FactsDatabase): WriteQueue {
  /** Those in which somebody writes now. */
  const queues = new Map<string, WriterQueue>();

  async function workOff(name: string, waiting: Waiting[]): Promise<void> {
    while (waiting.length > 0) await transact(name, waiting, database);
    queues.delete(name);
  }

  return {
    run(userKey, work) {
      const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<typeof work>>>();
      const write: Waiting = {
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
      const name = database.lockKey(userKey);
      const lockKey = queues.get(name);
      if (lockKey) lockKey.waiting.push(write);
      else {
        const waiting = [write];
        queues.set(name, { waiting, working: workOff(name, waiting) });
      }
      return promise;
    },
    drain: async () => void (await Promise.all(queues.values().map(({ working }) => working))),
  };
}

/** Never rejects: every outcome goes to the writers it belongs to. */
async function transact(lockKey: string, waiting: Waiting[], database: FactsDatabase): Promise<void> {
  let batch: Waiting[] = [];
  const endings: ((wasCommitted: boolean) => void)[] = [];
  const end = (wasCommitted: boolean) => {
    for (const ending of endings) ending(wasCommitted);
  };
  const answers: (() => void)[] = [];
  try {
    await database.transact(lockKey, async (writing) => {
      batch = waiting.splice(0, MAX_WRITES_PER_TRANSACTION);
      const transaction = {
        ...writing,
        onEnd: (ending: (wasCommitted: boolean) => void) => void endings.push(ending),
      };
      for (const write of batch) answers.push(await write.attempt(transaction));
    });
    end(true);
    for (const answer of answers) answer();
  } catch (error) {
    if (batch.length === 0) batch = waiting.splice(0);
    end(false);
    for (const write of batch) write.fail(toFactsError(error));
  }
}
