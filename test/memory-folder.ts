import { statfsSync } from "node:fs";

/** Linux's file system in memory. */
const FOLDER = "/dev/shm";
const NEEDED_BYTES = 2 * 2 ** 30;

/**
 * A folder in memory for the tests' files, undefined where there is none or little room in it. A database of Postgres is
 * 300 files: on a disk, making and removing them takes longer than most tests.
 */
export function memoryFolder(): string | undefined {
  try {
    const { bavail, bsize } = statfsSync(FOLDER);
    return bavail * bsize >= NEEDED_BYTES ? FOLDER : undefined;
  } catch {
    return undefined;
  }
}
