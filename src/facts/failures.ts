import { setTimeout as sleep } from "node:timers/promises";
import { NightshiftError } from "../errors.ts";

const FIRST_WAIT_MS = 2;
const LONGEST_WAIT_MS = 40;

const LOCKED = new Set(["SQLITE_BUSY", "SQLITE_LOCKED"]);
/** By the code that the sqlite3 package puts on its errors (https://sqlite.org/rescode.html). */
const SENTENCES: Readonly<Record<string, string>> = {
  SQLITE_BUSY: "The memory file is locked by another program; try again in a moment.",
  SQLITE_LOCKED: "The memory file is locked by another program; try again in a moment.",
  SQLITE_READONLY: "The memory file is read-only; give this process the right to write to the data folder.",
  SQLITE_FULL: "The disk of the data folder is full; free some space and try again.",
  SQLITE_CANTOPEN:
    "The memory file could not be opened; check that the data folder exists and may be written to.",
  SQLITE_CORRUPT: "The memory file is damaged; run `nightshift doctor`.",
  SQLITE_NOTADB:
    "facts.sqlite in the data folder is not a database; move it away or choose another data folder.",
};

/**
 * Does `work` again while another connection holds the lock, waiting between tries. Only for work that leaves
 * nothing behind when it is refused. Rejects with DATA_UNAVAILABLE once `patienceMs` is over.
 */
export async function whileLocked<T>(patienceMs: number, work: () => Promise<T>): Promise<T> {
  const endsAtMs = performance.now() + patienceMs;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!LOCKED.has(codeOf(error)) || performance.now() >= endsAtMs) throw toDataError(error);
    }
    // Random, so that two processes that were refused together don't come back together for ever.
    await sleep(waitMs * (0.5 + Math.random() / 2));
  }
}

/** Every failure of the file is DATA_UNAVAILABLE, with a sentence about what can be done. */
export function toDataError(error: unknown): NightshiftError {
  if (error instanceof NightshiftError) return error;
  const sentence = SENTENCES[codeOf(error)] ?? "The memory file could not be read or written; see the log.";
  return new NightshiftError("DATA_UNAVAILABLE", sentence, {}, { cause: error });
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}
