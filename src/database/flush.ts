import { open } from "node:fs/promises";
import { NightshiftError } from "../errors.ts";

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
