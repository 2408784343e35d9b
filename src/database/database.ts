import type { Kysely, Transaction } from "kysely";
import type { Tables } from "./schema.ts";

/** The open jobs database, which the stores are built on. It knows no user. */
export interface Database {
  /** For single statements. */
  readonly kysely: Kysely<Tables>;
  /**
   * Runs `work` in a transaction, as the only writer in any process, or the only one of the same user's rows. Its writes
   * are all durable when this resolves, and all undone when it rejects. `work` must wait for nothing but its own
   * queries, and may be run again from its start.
   */
  transact<T>(
    work: (trx: Transaction<Tables>, users: UserLocks) => Promise<T>,
    options?: TransactOptions,
  ): Promise<T>;
  /** A number that changes soon after another process has committed. Costs microseconds. */
  dataVersion(): number;
  /** Calls `listener` when another process has committed. Absent where that is not reported. Returns a function that ends it. */
  onWrite?(listener: () => void): () => void;
  /** Rejects with DATA_UNAVAILABLE while the database cannot be read. */
  ping(): Promise<void>;
  /** Since when it cannot be reached, by `performance.now()`; null while it can. Absent where that is not watched. */
  unreachableSince?(): number | null;
  /** To the other processes that have the database open. Absent where there is no way to reach them. */
  readonly notifyChannel?: NotifyChannel;
  close(): Promise<void>;
}

/** Short messages between the processes that have the same database open. */
export interface NotifyChannel {
  /** `message` has up to 7,000 bytes. Sends soon and in order, retries while it fails, and drops the oldest first. */
  send(message: string): void;
  listen(listener: NotifyListener): void;
}

export interface NotifyListener {
  /** Called with each message of another process. */
  readonly onMessage: (message: string) => void;
  /** Called when messages sent since then (epoch ms, by the clock the database was opened with) may have been missed. */
  readonly onReconnect: (since: number) => void;
}

export interface TransactOptions {
  /**
   * The user whose rows `work` reads and writes; rows of other users may be written meanwhile. `null`: `work` locks
   * users itself, or needs no lock. Default: nobody else writes anything.
   */
  readonly of?: string | null;
}

/** Keeps other transactions off a user's rows until this one ends. Where there is only one writer, it does nothing. */
export interface UserLocks {
  /** Waits for the lock. Only for a transaction that holds none of a later key: else two may wait for each other. */
  take(userKey: string): Promise<void>;
  /** Resolves to false when another transaction has the lock. */
  tryTake(userKey: string): Promise<boolean>;
}
