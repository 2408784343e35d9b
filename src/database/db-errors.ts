import { NightshiftError } from "../errors.ts";

/** SQLite's primary result codes that we tell apart (https://sqlite.org/rescode.html). */
const BUSY = 5;
const LOCKED = 6;
const SENTENCES: Readonly<Record<number, string>> = {
  [BUSY]: "The jobs database is locked by another process; try again in a moment.",
  [LOCKED]: "The jobs database is locked by another process; try again in a moment.",
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
  return code === BUSY || code === LOCKED;
};

/** Turns what a person can do something about into DATA_UNAVAILABLE; anything else stays the surprise it is. */
export function toDataError(error: unknown): unknown {
  const sentence = SENTENCES[primaryCode(error) ?? -1];
  return sentence === undefined
    ? error
    : new NightshiftError("DATA_UNAVAILABLE", sentence, {}, { cause: error });
}
