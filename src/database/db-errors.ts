import { NightshiftError } from "../errors.ts";

const NOT_REACHED = "Postgres could not be reached; check that it runs, and --database-url.";
const TOO_SLOW =
  "Postgres took too long to answer; try again in a moment, or raise NIGHTSHIFT_DATABASE_TIMEOUT_MS.";
const NO_ROOM = "Postgres has no room left (disk, memory or connections); see its log.";

/** Sentences for the jobs database, by the kind of failure. */
const JOBS_SENTENCES = {
  fileLocked: "The jobs database is locked by another process; try again in a moment.",
  fileReadOnly: "The jobs database is read-only; give this process the right to write to the data folder.",
  fileUnreadable: "The jobs database could not be read or written; check the disk of the data folder.",
  fileDamaged: "The jobs database is damaged; run `nightshift doctor`.",
  fileDiskFull: "The disk of the data folder is full; free some space and try again.",
  fileNotOpened:
    "The jobs database could not be opened; check that the data folder exists and may be written to.",
  fileNotOurs:
    "jobs.sqlite in the data folder is not a Nightshift database; move it away or choose another data folder.",
  unreachable: NOT_REACHED,
  noAddress: NOT_REACHED,
  starting: "Postgres is starting or stopping; try again in a moment.",
  noFreeConnection: "No connection to Postgres came free in time; try again in a moment.",
  tooManyConnections: NO_ROOM,
  noTls: "The TLS connection to Postgres failed; check sslmode and the certificates in --database-url.",
  wrongUser: "Postgres refused this user or password; check --database-url.",
  noRight:
    "Postgres does not let this user do that; give it the rights that .github/OPERATIONS.md lists under Roles, and run nightshift migrate as the owner of the tables.",
  noDatabase: "Postgres has no database of this name; create it, or check --database-url.",
  readOnly: "Postgres is read-only here (a standby?); name the primary in --database-url.",
  locked: "Postgres is busy with other work on the same data; try again in a moment.",
  slow: TOO_SLOW,
  noAnswer: TOO_SLOW,
  wasIdle: TOO_SLOW,
  diskFull: NO_ROOM,
  noRoom: NO_ROOM,
} as const;

/** Failures of a database that a person, or another try, can do something about. */
type DbFailure = keyof typeof JOBS_SENTENCES;

const UNREACHABLE = "The database cannot be reached or has no free connection; try again in a moment.";
const REFUSED = "The database refuses its user; check the database URL and what that user may do.";
const UNKNOWN = "The memory could not be read or written; see the log.";

/** Sentences for the facts, by the kind of failure. */
const FACTS_SENTENCES: Readonly<Record<DbFailure, string>> = {
  fileLocked: "The memory file is locked by another program; try again in a moment.",
  fileReadOnly: "The memory file is read-only; give this process the right to write to the data folder.",
  fileUnreadable: "The memory file could not be read or written; check the disk of the data folder.",
  fileDamaged: "The memory file is damaged; run `nightshift doctor`.",
  fileDiskFull: "The disk of the data folder is full; free some space and try again.",
  fileNotOpened:
    "The memory file could not be opened; check that the data folder exists and may be written to.",
  fileNotOurs:
    "facts.sqlite in the data folder is not a database; move it away or choose another data folder.",
  unreachable: UNREACHABLE,
  noAddress: "The database's host has no address; check the database URL.",
  starting: UNREACHABLE,
  noFreeConnection: UNREACHABLE,
  tooManyConnections:
    "The database has no free connection; try again, or let it take more or each node use fewer.",
  noTls: UNREACHABLE,
  wrongUser: REFUSED,
  noRight: REFUSED,
  noDatabase: "The database does not exist; create it or check the database URL.",
  readOnly: "The database takes no writes; let the database URL name the primary server.",
  locked: "This memory is being written on another node; try again in a moment.",
  slow: "The database took too long; try again in a moment.",
  noAnswer: UNREACHABLE,
  wasIdle: UNREACHABLE,
  diskFull: "The disk of the database is full; free some space and try again.",
  noRoom: UNKNOWN,
};

/** Names of SQLite's primary result codes. The errors of node:sqlite have the number. */
const SQLITE_NAMES: Readonly<Record<number, string>> = {
  5: "SQLITE_BUSY",
  6: "SQLITE_LOCKED",
  8: "SQLITE_READONLY",
  10: "SQLITE_IOERR",
  11: "SQLITE_CORRUPT",
  13: "SQLITE_FULL",
  14: "SQLITE_CANTOPEN",
  26: "SQLITE_NOTADB",
};

/**
 * By the name of SQLite's code (https://sqlite.org/rescode.html), by Postgres's SQLSTATE or the class that it begins
 * with (https://www.postgresql.org/docs/current/errcodes-appendix.html), or by the code of Node's sockets.
 */
const BY_CODE: Readonly<Record<string, DbFailure>> = {
  SQLITE_BUSY: "fileLocked",
  SQLITE_LOCKED: "fileLocked",
  SQLITE_READONLY: "fileReadOnly",
  SQLITE_IOERR: "fileUnreadable",
  SQLITE_CORRUPT: "fileDamaged",
  SQLITE_FULL: "fileDiskFull",
  SQLITE_CANTOPEN: "fileNotOpened",
  SQLITE_NOTADB: "fileNotOurs",
  "08": "unreachable",
  "25006": "readOnly",
  "25P03": "wasIdle",
  "25P04": "wasIdle",
  "28": "wrongUser",
  "3D000": "noDatabase",
  "40": "locked",
  "42501": "noRight",
  "53": "noRoom",
  "53100": "diskFull",
  "53300": "tooManyConnections",
  "55P03": "locked",
  "57014": "slow",
  "57P01": "unreachable",
  "57P02": "unreachable",
  "57P03": "starting",
  "57P05": "unreachable",
  ECONNREFUSED: "unreachable",
  ECONNRESET: "unreachable",
  EPIPE: "unreachable",
  ETIMEDOUT: "unreachable",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  ENOTFOUND: "noAddress",
  EAI_AGAIN: "noAddress",
};

/** Errors that node-postgres makes itself have no code. */
const BY_MESSAGE: readonly (readonly [RegExp, DbFailure])[] = [
  [/timeout exceeded when trying to connect/i, "noFreeConnection"],
  [
    /connection timeout|timeout expired|connection terminated|client has encountered a connection error|not queryable/i,
    "unreachable",
  ],
  [/read timeout/i, "noAnswer"],
  [/ssl|certificate/i, "noTls"],
  [/password must be a string|sasl/i, "wrongUser"],
];

function failureOf(error: unknown): DbFailure | undefined {
  if (error instanceof NightshiftError) return undefined;
  // Node tries several addresses and hands over one error for each.
  if (error instanceof AggregateError && error.errors.length > 0) return failureOf(error.errors[0]);
  const { code, errcode } = (error ?? {}) as { code?: unknown; errcode?: unknown };
  if (typeof errcode === "number") return BY_CODE[SQLITE_NAMES[errcode & 0xff] ?? ""];
  const known = typeof code === "string" ? (BY_CODE[code] ?? byClass(code)) : undefined;
  if (known || !(error instanceof Error)) return known;
  return BY_MESSAGE.find(([pattern]) => pattern.test(error.message))?.[1];
}

const byClass = (code: string) => (code.length === 5 ? BY_CODE[code.slice(0, 2)] : undefined);

const isOneOf =
  (...failures: DbFailure[]) =>
  (error: unknown): boolean => {
    const failure = failureOf(error);
    return failure !== undefined && failures.includes(failure);
  };

/** True when another connection holds the lock on the file that this one needs. */
export const isFileLocked = isOneOf("fileLocked");

/** True when the connection is of no use any more. */
export const isConnectionLost = isOneOf("unreachable", "noAddress", "noAnswer");

/** True for a failure that passes by itself: a lock, a server that starts again, a connection that was cut. */
export const isTransient = isOneOf(
  "fileLocked",
  "unreachable",
  "starting",
  "noFreeConnection",
  "tooManyConnections",
  "noAnswer",
);

/** True when Postgres undid the transaction because of another one: doing it again is right. */
export const isRolledBack = (error: unknown): boolean =>
  /^40(?:001|P01)$/.test(String((error as { code?: unknown } | null)?.code));

/** Turns a failure that somebody can do something about into DATA_UNAVAILABLE, and leaves any other as it is. */
export function toJobsError(error: unknown): unknown {
  const failure = failureOf(error);
  return failure === undefined ? error : unavailable(JOBS_SENTENCES[failure], error);
}

/** Turns every failure into DATA_UNAVAILABLE, except one that is a NightshiftError already. */
export function toFactsError(error: unknown): NightshiftError {
  if (error instanceof NightshiftError) return error;
  const failure = failureOf(error);
  return unavailable(failure === undefined ? UNKNOWN : FACTS_SENTENCES[failure], error);
}

const unavailable = (sentence: string, cause: unknown): NightshiftError =>
  new NightshiftError("DATA_UNAVAILABLE", sentence, {}, { cause });
