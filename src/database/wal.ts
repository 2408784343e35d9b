import { open } from "node:fs/promises";
import { NightshiftError } from "../errors.ts";

/** node:sqlite waits for a lock with the event loop stopped, for so long at most. After that we wait outside of it. */
export const LOOP_BUSY_TIMEOUT_MS = 2;

/**
 * For each connection that writes. NORMAL and not FULL: with FULL, SQLite flushes the log in each commit with the event
 * loop stopped. `openWalFlush` flushes it outside of the loop before the caller is told, so that a power cut cannot undo
 * what a caller was told. A checkpoint stops the loop too; a larger log makes checkpoints rare.
 */
export const WAL_PRAGMAS = [
  "PRAGMA journal_mode = WAL",
  "PRAGMA synchronous = NORMAL",
  "PRAGMA wal_autocheckpoint = 4000",
  "PRAGMA journal_size_limit = 67108864",
] as const;

/** Resolves once everything that was committed before the call is on the disk. */
export type Flush = () => Promise<void>;

/**
 * Shares one `sync` among all callers that wait. A commit that happens during a sync may not be part of it, so its
 * caller waits for the next one, together with all that come until then.
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

export interface WalFlush {
  /** Rejects with DATA_UNAVAILABLE when the disk does not confirm. */
  readonly flush: Flush;
  close(): Promise<void>;
}

/**
 * Opens the write-ahead log of an open SQLite file, to flush it outside of the event loop: the file system may take a
 * tenth of a second, and SQLite itself would stop the loop for as long.
 */
export async function openWalFlush(file: string): Promise<WalFlush> {
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
