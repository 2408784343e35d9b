import { randomBytes } from "node:crypto";
import { NightshiftError } from "../errors.ts";
import { foldCase, foldText } from "./search/fold.ts";
import type { Fact, FactLimits, NewFact } from "./store.ts";

const MS_PER_DAY = 24 * 60 * 60 * 1000;
/** The last moment that a Date can represent. */
const LAST_MS = 8.64e15;
const NEVER_MS = Number.POSITIVE_INFINITY;
const USER_KEY = /^[0-9a-f]{64}$/;
/** 96 bits, so that ids never collide. A guessed id is of no use without its owner's key. */
const FACT_ID_BYTES = 12;

/** New words that a fact may bring on average. Real ones bring fewer than five. */
const WORDS_PER_FACT = 25;
const MIN_MAX_WORDS = 100_000;

/** A fact as it is stored. `position` counts the facts of its user upwards, and orders those of one millisecond. */
export interface StoredFact extends Fact {
  readonly position: number;
  /** How often it was changed. It is stored in front, where `cache.ts` sees it without reading the rest. */
  readonly revision?: number;
}

export function toFact({ position: _, revision: __, ...fact }: StoredFact): Fact {
  return fact;
}

/** Throws INTERNAL for anything but 64 lower-case hex digits: a raw name in a key could reach another user's range. */
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

/** Throws FACT_EMPTY, FACT_TOO_LARGE or INVALID_ARGUMENTS for a fact that even an empty memory does not take. */
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

/** Throws FACT_LIMIT_REACHED when one more fact of `factBytes` would exceed the limits. */
export function checkRoom(
  kept: { facts: number; bytes: number; words: number },
  factBytes: number,
  limits: FactLimits,
): void {
  const { maxFacts, maxBytes } = limits;
  const maxWords = maxWordsFor(maxFacts);
  if (kept.facts + 1 > maxFacts) {
    throw new NightshiftError(
      "FACT_LIMIT_REACHED",
      `This memory is full: it holds ${kept.facts} facts of ${maxFacts}. Forget some first.`,
      { maxFacts },
    );
  }
  if (kept.bytes + factBytes > maxBytes) {
    throw new NightshiftError(
      "FACT_LIMIT_REACHED",
      `This memory is full: ${kept.bytes} bytes of ${maxBytes} are taken and this fact needs ${factBytes}. Forget some first.`,
      { maxBytes },
    );
  }
  if (kept.words >= maxWords) {
    throw new NightshiftError(
      "FACT_LIMIT_REACHED",
      `This memory is full: it holds ${kept.words} different words of ${maxWords}. Forget some first.`,
      { maxWords },
    );
  }
}

/** Different words that one user's facts may have in all: each takes memory in the index, however short it is. */
export function maxWordsFor(maxFacts: number): number {
  return Math.max(MIN_MAX_WORDS, maxFacts * WORDS_PER_FACT);
}

/** Letters that East Asian keyboards type in another width. */
const WIDTH_FORMS = /[\uff01-\uffee]+/g;
/** A number, or a capital letter after a small one: the word may be a password or a code. */
const CODE_LIKE = /\p{N}|\p{Ll}\p{Lu}/u;

/**
 * The same for two texts that are one fact: they differ at most in white space, in the width of letters, in how accents
 * are composed, and in the case of words that do not look like a code.
 */
export function textKeyOf(text: string): string {
  const narrow = text.replace(WIDTH_FORMS, (letters) => letters.normalize("NFKC")).normalize("NFC");
  const folded = CODE_LIKE.test(narrow)
    ? narrow.replace(/\S+/g, (word) => (CODE_LIKE.test(word) ? word : foldCase(word)))
    : foldCase(narrow);
  return folded.replace(/\s+/g, " ").trim();
}

/** Returns the fact with the tags and the later expiry of `again`, or undefined when these change nothing. */
export function mergeAgain(known: StoredFact, again: NewFact, now: number): StoredFact | undefined {
  const tags = uniqueTags([...known.tags, ...(again.tags ?? [])]);
  const { expiresAt: laterAt = NEVER_MS } = expiryOf(now, again.expiresInDays);
  const { revision = 0, expiresAt: knownAt = NEVER_MS, ...rest } = known;
  const expiresAt = Math.max(knownAt, laterAt);
  if (tags.length === known.tags.length && expiresAt === knownAt) return undefined;
  return { revision: revision + 1, ...rest, tags, ...(expiresAt < NEVER_MS && { expiresAt }) };
}

export function expiryOf(createdAt: number, expiresInDays: number | undefined): { expiresAt?: number } {
  if (expiresInDays === undefined) return {};
  return { expiresAt: Math.min(LAST_MS, Math.ceil(createdAt + expiresInDays * MS_PER_DAY)) };
}

/** Tags as they were given, without empty ones and without those that fold to the same text as an earlier one. */
export function uniqueTags(tags: readonly string[] = []): string[] {
  const seen = new Set([""]);
  return tags.filter((tag) => {
    const folded = foldText(tag);
    const isNew = !seen.has(folded);
    seen.add(folded);
    return isNew;
  });
}
