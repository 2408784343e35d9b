import { NightshiftError } from "../errors.ts";

/** SQLite's primary result codes that we tell apart (https://sqlite.org/rescode.html). */
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_SENTENCES: Readonly<Record<number, string>> = {
  [SQLITE_BUSY]: "The jobs database is locked by another process; try again in a moment.",
  [SQLITE_LOCKED]: "The jobs database is locked by another process; try again in a moment.",
  8: "The jobs database is read-only; give this process the right to write to the data folder.",
  10: "The jobs database could not be read or written; check the disk of the data folder.",
  11: "The jobs database is damaged; run `nightshift doctor`.",
  13: "The disk of the data folder is full; free some space and try again.",
  14: "The jobs database could not be opened; check that the data folder exists and may be written to.",
  26: "jobs.sqlite in the data folder is not a Nightshift database; move it away or choose another data folder.",
};

const primaryCode = (error: unknown): number | undefined => {
  const errcode = (error as { errcode?: unknown } | null)?.errcode;
  return typeof errcode === "number" ? errcode & 0xff : undefined;
};

/** True when another connection holds the lock that this one needs: worth another try. */
export const isLocked = (error: unknown): boolean => {
  const code = primaryCode(error);
  return code === SQLITE_BUSY || code === SQLITE_LOCKED;
};

/** Turns what a person can do something about into DATA_UNAVAILABLE; anything else stays the surprise it is. */
export function toDataError(error: unknown): unknown {
  const sentence = SQLITE_SENTENCES[primaryCode(error) ?? -1];
  return sentence === undefined
    ? error
    : new NightshiftError("DATA_UNAVAILABLE", sentence, {}, { cause: error });
}

const GONE = "Postgres could not be reached; check that it runs, and --database-url.";
const REFUSED = "Postgres refused this user or password; check --database-url.";
const BUSY = "Postgres is busy with other work on the same data; try again in a moment.";
const SLOW =
  "Postgres took too long to answer; try again in a moment, or raise NIGHTSHIFT_DATABASE_TIMEOUT_MS.";
const FULL = "Postgres has no room left (disk, memory or connections); see its log.";

/** By SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html), by its class, or by Node's code. */
const POSTGRES_SENTENCES: Readonly<Record<string, string>> = {
  "08": GONE,
  "57P01": GONE,
  "57P02": GONE,
  "57P03": "Postgres is starting or stopping; try again in a moment.",
  "57P05": GONE,
  "25P03": SLOW,
  "25P04": SLOW,
  "57014": SLOW,
  "55P03": BUSY,
  "40": BUSY,
  "28": REFUSED,
  "3D000": "Postgres has no database of this name; create it, or check --database-url.",
  "42501": "Postgres does not let this user do that; give it the rights that the README lists.",
  "25006": "Postgres is read-only here (a standby?); name the primary in --database-url.",
  "53": FULL,
  ECONNREFUSED: GONE,
  ECONNRESET: GONE,
  EPIPE: GONE,
  ETIMEDOUT: GONE,
  EHOSTUNREACH: GONE,
  ENETUNREACH: GONE,
  ENOTFOUND: GONE,
  EAI_AGAIN: GONE,
};

/** What node-postgres says itself, without a code. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [
    /timeout exceeded when trying to connect/i,
    "No connection to Postgres came free in time; try again in a moment.",
  ],
  [/connection timeout|connection terminated|client has encountered a connection error|not queryable/i, GONE],
  [/read timeout/i, SLOW],
  [
    /ssl|certificate/i,
    "The TLS connection to Postgres failed; check sslmode and the certificates in --database-url.",
  ],
  [/password must be a string|sasl/i, REFUSED],
];

const codeOf = (error: unknown): string => {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
};

/** True when the transaction was taken back because of another one: doing it again is right. */
export const isTakenBack = (error: unknown): boolean => /^40(?:001|P01)$/.test(codeOf(error));

/** True when the connection is of no use any more. */
export const isBroken = (error: unknown): boolean => {
  const sentence = sentenceOf(error);
  return sentence === GONE || /read timeout/i.test(String(error));
};

function sentenceOf(error: unknown): string | undefined {
  // Node tries several addresses, and hands over what became of each.
  if (error instanceof AggregateError && error.errors.length > 0) return sentenceOf(error.errors[0]);
  const code = codeOf(error);
  const known =
    POSTGRES_SENTENCES[code] ?? (code.length === 5 ? POSTGRES_SENTENCES[code.slice(0, 2)] : undefined);
  if (known || !(error instanceof Error)) return known;
  return WORDS.find(([pattern]) => pattern.test(error.message))?.[1];
}

/** Turns what a person can do something about into DATA_UNAVAILABLE; anything else stays the surprise it is. */
export function toPostgresError(error: unknown): unknown {
  const sentence = sentenceOf(error);
  return sentence === undefined
    ? error
    : new NightshiftError("DATA_UNAVAILABLE", sentence, {}, { cause: error });
}
