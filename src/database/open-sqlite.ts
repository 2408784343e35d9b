import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import type { Kysely, Transaction } from "kysely";
import { NightshiftError } from "../errors.ts";
import type { Tables } from "./schema.ts";
import { backUpSqlite, openSqlite } from "./sqlite-driver.ts";

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

const ALONE: UserLocks = { take: async () => {}, tryTake: async () => true };

export interface OpenOptions {
  /** Path of the SQLite file; it and its folder are made, for this account only, when absent. */
  readonly file: string;
  /** Epoch ms. */
  readonly now: () => number;
  /** How long a query waits for the lock of another process, in ms, before DATA_UNAVAILABLE; default 10,000. */
  readonly lockTimeoutMs?: number;
}

/**
 * Opens the jobs database and brings its tables up to date, with a copy of an older file beside it (`….v1.bak`).
 * Rejects with DATA_UNAVAILABLE.
 */
export async function openDatabase({ file, now, lockTimeoutMs = 10_000 }: OpenOptions): Promise<Database> {
  prepareFile(file);
  // Kysely takes a noticeable part of a cold start, so it is loaded here and imported as types everywhere else.
  const [{ Kysely }, { migrate }] = await Promise.all([import("kysely"), import("./migrations.ts")]);
  const sqlite = await openSqlite(file, lockTimeoutMs);
  const kysely = new Kysely<Tables>({ dialect: sqlite.dialect });
  try {
    await migrate(kysely, now(), {
      backUp: (version) => backUpSqlite(file, `${file}.v${version}.bak`),
    });
    const wal = await openWalFlush(file);
    return {
      kysely,
      async transact(work) {
        const result = await kysely.transaction().execute((trx) => work(trx, ALONE));
        await wal?.flush();
        return result;
      },
      dataVersion: sqlite.dataVersion,
      ping: async () => void sqlite.dataVersion(),
      async close() {
        await kysely.destroy();
        await wal?.close();
      },
    };
  } catch (error) {
    sqlite.close();
    throw error;
  }
}

/** Made before SQLite does, which would let everybody read it. Its write-ahead log gets the same mode. */
function prepareFile(file: string): void {
  if (file === ":memory:") return;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    // Never opened when it is there: closing it again would take SQLite's locks on it from the rest of this process.
    closeSync(openSync(file, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST" && existsSync(file)) return;
    throw new NightshiftError(
      "DATA_UNAVAILABLE",
      "The jobs database could not be created; check that the data folder exists and may be written to.",
      { reason: (error as NodeJS.ErrnoException).code ?? "unknown" },
      { cause: error },
    );
  }
}

/** Waits until everything that was committed before the call is on the disk. */
export type Flush = () => Promise<void>;

/**
 * Shares one `sync` among all who wait. What was committed while one is under way may not be in it: that waits for the
 * next, together with all that comes until then.
 */
export function shareFlushes(sync: Flush): Flush {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const start = () => {
    running = sync().finally(() => {
      running = undefined;
    });
    return running;
  };
  return () => {
    if (!running) return start();
    next ??= running
      .catch(() => {})
      .then(() => {
        next = undefined;
        return start();
      });
    return next;
  };
}

/**
 * Flushes the write-ahead log of a SQLite file, outside of the event loop: the file system may take a tenth of a second
 * for it, and SQLite's own way would hold up every live call for as long. Resolves to undefined where there is no such
 * file (a database in memory).
 */
export async function openWalFlush(
  file: string,
): Promise<{ flush: Flush; close(): Promise<void> } | undefined> {
  if (file === ":memory:") return undefined;
  const wal = await open(`${file}-wal`, "r+");
  const sync = () => wal.datasync().catch((error: unknown) => Promise.reject(unconfirmed(error)));
  return { flush: shareFlushes(sync), close: () => wal.close() };
}

const unconfirmed = (cause: unknown): NightshiftError =>
  new NightshiftError(
    "DATA_UNAVAILABLE",
    "The disk of the data folder did not confirm a write: look whether it was made before you try again, and check the disk.",
    {},
    { cause },
  );
