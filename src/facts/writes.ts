import { NightshiftError } from "../errors.ts";
import { toDataError, whileLocked } from "./failures.ts";
import type { Query } from "./sqlite.ts";

/** Writers that came while the disk was busy share one transaction, and so one flush to the disk. */
const MAX_WRITES_PER_TRANSACTION = 64;

/** What a write may do inside its transaction. */
export interface Transaction {
  /** Called once, after the transaction has ended either way. */
  onEnd(callback: (wasCommitted: boolean) => void): void;
}

export interface Writes {
  /**
   * Runs `work` in an exclusive transaction: no other writer, of this process or of another, comes between.
   * Resolves once it is committed. A NightshiftError of `work` refuses this write alone, so it must be thrown
   * before anything is written; any other failure undoes the whole transaction and rejects with DATA_UNAVAILABLE.
   */
  run<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** Resolves when nothing is under way any more. */
  drain(): Promise<void>;
}

interface Waiting {
  /** Does the work; resolves to what tells its caller once the transaction is committed. */
  attempt(transaction: Transaction): Promise<() => void>;
  fail(error: unknown): void;
}

export function createWrites(query: Query, patienceMs: number): Writes {
  const waiting: Waiting[] = [];
  let working: Promise<void> | undefined;

  async function workOff(): Promise<void> {
    while (waiting.length > 0) await transact(waiting, query, patienceMs);
    working = undefined;
  }

  return {
    run(work) {
      const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<typeof work>>>();
      waiting.push({
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
      });
      working ??= workOff();
      return promise;
    },
    drain: async () => working,
  };
}

/** Never rejects: every outcome goes to the writers it belongs to. */
async function transact(waiting: Waiting[], query: Query, patienceMs: number): Promise<void> {
  let batch: Waiting[] = [];
  const endings: ((wasCommitted: boolean) => void)[] = [];
  const end = (wasCommitted: boolean) => {
    for (const ending of endings) ending(wasCommitted);
  };
  try {
    await whileLocked(patienceMs, () => query("BEGIN IMMEDIATE"));
    batch = waiting.splice(0, MAX_WRITES_PER_TRANSACTION);
    const answers: (() => void)[] = [];
    for (const write of batch) answers.push(await write.attempt({ onEnd: (ending) => endings.push(ending) }));
    await query("COMMIT");
    end(true);
    for (const answer of answers) answer();
  } catch (error) {
    if (batch.length === 0) batch = waiting.splice(0);
    // Fails when the transaction was never begun or SQLite has undone it already: both are what is wanted.
    await query("ROLLBACK").catch(() => {});
    end(false);
    for (const write of batch) write.fail(toDataError(error));
  }
}
