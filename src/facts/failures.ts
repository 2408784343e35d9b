import { setTimeout as sleep } from "node:timers/promises";
import { NightshiftError } from "../errors.ts";

const FIRST_WAIT_MS = 2;
const LONGEST_WAIT_MS = 40;

const UNREACHED = "The database cannot be reached or has no free connection; try again in a moment.";
const DENIED = "The database refuses its user; check the database URL and what that user may do.";

/** What passes by itself: a lock, a server that starts again, a connection that was cut. */
const PASSING: ReadonlySet<string> = new Set([
  ...["SQLITE_BUSY", "SQLITE_LOCKED"],
  ...["ECONNREFUSED", "ECONNRESET", "EPIPE", "08006", "53300", "57P01", "57P02", "57P03"],
]);

/**
 * By the code that the sqlite3 package (https://sqlite.org/rescode.html), Postgres
 * (https://www.postgresql.org/docs/current/errcodes-appendix.html) or Node's sockets put on their errors.
 */
const SENTENCES: Readonly<Record<string, string>> = {
  SQLITE_BUSY: "The memory file is locked by another program; try again in a moment.",
  SQLITE_LOCKED: "The memory file is locked by another program; try again in a moment.",
  SQLITE_READONLY: "The memory file is read-only; give this process the right to write to the data folder.",
  SQLITE_IOERR: "The memory file could not be read or written; check the disk of the data folder.",
  SQLITE_FULL: "The disk of the data folder is full; free some space and try again.",
  SQLITE_CANTOPEN:
    "The memory file could not be opened; check that the data folder exists and may be written to.",
  SQLITE_CORRUPT: "The memory file is damaged; run `nightshift doctor`.",
  SQLITE_NOTADB:
    "facts.sqlite in the data folder is not a database; move it away or choose another data folder.",
  ...same(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "08006", "25P03"], UNREACHED),
  ...same(["57P01", "57P02", "57P03"], UNREACHED),
  ...same(["ENOTFOUND", "EAI_AGAIN"], "The database's host has no address; check the database URL."),
  ...same(["28000", "28P01", "42501"], DENIED),
  "3D000": "The database does not exist; create it or check the database URL.",
  "25006": "The database takes no writes; let the database URL name the primary server.",
  "53100": "The disk of the database is full; free some space and try again.",
  "53300": "The database has no free connection; try again, or let it take more or each node use fewer.",
  "55P03": "This memory is being written on another node; try again in a moment.",
  "57014": "The database took too long; try again in a moment.",
};

function same(codes: readonly string[], sentence: string): Record<string, string> {
  return Object.fromEntries(codes.map((code) => [code, sentence]));
}

/**
 * Does `work` again while the database is locked or comes back, waiting between tries. Only for work that leaves
 * nothing behind when it is refused. Rejects with DATA_UNAVAILABLE once `lockTimeoutMs` is over.
 */
export async function whileBusy<T>(lockTimeoutMs: number, work: () => Promise<T>): Promise<T> {
  const endsAtMs = performance.now() + lockTimeoutMs;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!PASSING.has(codeOf(error)) || performance.now() >= endsAtMs) throw toDataError(error);
    }
    // Random, so that two processes that were refused together don't come back together for ever.
    await sleep(waitMs * (0.5 + Math.random() / 2));
  }
}

/** Every failure of the database is DATA_UNAVAILABLE, with a sentence about what can be done. */
export function toDataError(error: unknown): NightshiftError {
  if (error instanceof NightshiftError) return error;
  const sentence = SENTENCES[codeOf(error)] ?? "The memory could not be read or written; see the log.";
  return new NightshiftError("DATA_UNAVAILABLE", sentence, {}, { cause: error });
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}
