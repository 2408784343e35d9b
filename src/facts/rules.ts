import { randomBytes } from "node:crypto";
import { NightshiftError } from "../errors.ts";
import { foldText } from "./search/fold.ts";
import type { Fact, FactLimits, NewFact } from "./store.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** The last moment that a Date can name. */
const LAST_MS = 8.64e15;
const USER_KEY = /^[0-9a-f]{64}$/;
/** 96 bits: nobody meets a fact by guessing, though guessing would not help without its owner's key either. */
const FACT_ID_BYTES = 12;

/** New words a fact may bring, on average; real ones bring fewer than five. */
const WORDS_PER_FACT = 25;
const MIN_MAX_WORDS = 100_000;

/** A fact as it is kept. `position` counts up with every fact of its user: it orders facts of one millisecond. */
export interface StoredFact extends Fact {
  readonly position: number;
}

export function toFact({ position: _, ...fact }: StoredFact): Fact {
  return fact;
}

/** Throws INTERNAL for anything but 64 lower-case hex digits: a raw name in a key could reach another's range. */
export function assertUserKey(userKey: string): void {
  if (typeof userKey === "string" && USER_KEY.test(userKey)) return;
  throw new NightshiftError("INTERNAL", "A memory can only be opened with a user key of 64 hex digits.");
}

export function newFactId(): string {
  return `fact_${randomBytes(FACT_ID_BYTES).toString("hex")}`;
}

/** UTF-8 bytes of a fact's text and tags: what counts against its user's `maxBytes`. */
export function bytesOf(fact: Pick<Fact, "text" | "tags">): number {
  return fact.tags.reduce((bytes, tag) => bytes + Buffer.byteLength(tag), Buffer.byteLength(fact.text));
}

/** Rejects what no memory takes, however empty it is: FACT_EMPTY, FACT_TOO_LARGE, INVALID_ARGUMENTS. */
export function checkNewFact({ text, expiresInDays }: NewFact, { maxFactBytes }: FactLimits): void {
  if (/^[\s\p{Cc}\p{Cf}]*$/u.test(text)) {
    throw new NightshiftError("FACT_EMPTY", "A fact needs at least one visible character.");
  }
  const factBytes = Buffer.byteLength(text);
  if (factBytes > maxFactBytes) {
    throw new NightshiftError(
      "FACT_TOO_LARGE",
      `This fact has ${factBytes} bytes and ${maxFactBytes} are allowed; save it as several shorter facts.`,
      { factBytes, maxFactBytes },
    );
  }
  if (expiresInDays !== undefined && !(expiresInDays > 0)) {
    throw new NightshiftError("INVALID_ARGUMENTS", "A fact expires in a number of days above 0.");
  }
}

/** Throws FACT_LIMIT_REACHED when one more fact of `factBytes` would not fit beside what is kept. */
export function checkRoom(
  kept: { facts: number; bytes: number; words: number },
  factBytes: number,
  limits: FactLimits,
): void {
  const { maxFacts } = limits;
  const maxWords = maxWordsFor(maxFacts);
  if (kept.facts + 1 > maxFacts) {
    throw new NightshiftError(
      "FACT_LIMIT_REACHED",
      `This memory is full: it holds ${kept.facts} facts of ${maxFacts}. Forget some first.`,
      { maxFacts },
    );
  }
  checkMoreBytes(kept, factBytes, limits);
  if (kept.words >= maxWords) {
    throw new NightshiftError(
      "FACT_LIMIT_REACHED",
      `This memory is full: it holds ${kept.words} different words of ${maxWords}. Forget some first.`,
      { maxWords },
    );
  }
}

/** Throws FACT_LIMIT_REACHED when `moreBytes` would not fit beside what is kept. */
export function checkMoreBytes(
  kept: { bytes: number },
  moreBytes: number,
  { maxBytes }: Pick<FactLimits, "maxBytes">,
): void {
  if (kept.bytes + moreBytes <= maxBytes) return;
  throw new NightshiftError(
    "FACT_LIMIT_REACHED",
    `This memory is full: ${kept.bytes} bytes of ${maxBytes} are taken and this fact needs ${moreBytes}. Forget some first.`,
    { maxBytes },
  );
}

/** Different words that one user's facts may have in all: each costs memory in the index, however short it is. */
export function maxWordsFor(maxFacts: number): number {
  return Math.max(MIN_MAX_WORDS, maxFacts * WORDS_PER_FACT);
}

export function expiryOf(createdAt: number, expiresInDays: number | undefined): { expiresAt?: number } {
  if (expiresInDays === undefined) return {};
  return { expiresAt: Math.min(LAST_MS, Math.ceil(createdAt + expiresInDays * DAY_MS)) };
}

/** The later expiry; a fact without one stays for good. */
export function laterExpiry(a: { expiresAt?: number }, b: { expiresAt?: number }): { expiresAt?: number } {
  if (a.expiresAt === undefined || b.expiresAt === undefined) return {};
  return { expiresAt: Math.max(a.expiresAt, b.expiresAt) };
}

/** Tags as they were given, without empty ones and those that read the same as an earlier one. */
export function uniqueTags(tags: readonly string[] = []): string[] {
  const seen = new Set([""]);
  return tags.filter((tag) => {
    const folded = foldText(tag);
    const isNew = !seen.has(folded);
    seen.add(folded);
    return isNew;
  });
}
