import type { Kysely, Transaction } from "kysely";
import type { Tables } from "./schema.ts";

/** The jobs database, open. What stores are built on; it knows no user. */
export interface Database {
  /** For single statements. */
  readonly kysely: Kysely<Tables>;
  /**
   * Runs `work` as the only writer of all processes, or of those that write to the same user's rows: everything it
   * writes is durable when this resolves, and nothing of it when it rejects. `work` waits for nothing but its own
   * queries, and may be run again from its start.
   */
  transact<T>(
    work: (trx: Transaction<Tables>, users: UserLocks) => Promise<T>,
    options?: TransactOptions,
  ): Promise<T>;
  /** A number that changes soon after another process has committed. Costs microseconds. */
  dataVersion(): number;
  /** Calls `listener` when another process has committed; absent where nobody says so. Returns what ends it. */
  onWrite?(listener: () => void): () => void;
  /** Rejects with DATA_UNAVAILABLE while the database cannot be read. */
  ping(): Promise<void>;
  /** To the other processes that have it open; absent where they don't hear of each other. */
  readonly notifyChannel?: NotifyChannel;
  close(): Promise<void>;
}

/** Short messages between the processes that have the same database open. */
export interface NotifyChannel {
  /** Up to 7,000 bytes. Sent soon and in order, again and again while it can't be; the oldest are given up first. */
  send(message: string): void;
  /**
   * `onMessage` is told what others send. `onReconnect` is told when messages may have been missed: what was sent since `since`
   * (epoch ms, by the clock that the database was opened with). Returns what ends it.
   */
  listen(listener: NotifyListener): () => void;
}

export interface NotifyListener {
  readonly onMessage: (message: string) => void;
  readonly onReconnect: (since: number) => void;
}

export interface TransactOptions {
  /**
   * The user whose rows `work` reads and writes: those of others are written at the same time where the database can
   * do that. `null`: it takes users as it goes, or needs to keep nobody off. Default: nobody else writes anything.
   */
  readonly of?: string | null;
}

/** Keeps other transactions off a user's rows until this one ends. Where there is one writer they are its own. */
export interface UserLocks {
  /** Waits for it. Only by a transaction that has none yet, or none of a later key: else two may wait for each other. */
  take(userKey: string): Promise<void>;
  /** False when another transaction has it. */
  tryTake(userKey: string): Promise<boolean>;
}
