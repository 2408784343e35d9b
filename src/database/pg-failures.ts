import { NightshiftError } from "../errors.ts";

const GONE = "Postgres could not be reached; check that it runs, and --database-url.";
const REFUSED = "Postgres refused this user or password; check --database-url.";
const BUSY = "Postgres is busy with other work on the same data; try again in a moment.";
const SLOW =
  "Postgres took too long to answer; try again in a moment, or raise NIGHTSHIFT_DATABASE_TIMEOUT_MS.";
const FULL = "Postgres has no room left (disk, memory or connections); see its log.";

/** By SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html), by its class, or by Node's code. */
const SENTENCES: Readonly<Record<string, string>> = {
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
  const known = SENTENCES[code] ?? (code.length === 5 ? SENTENCES[code.slice(0, 2)] : undefined);
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
