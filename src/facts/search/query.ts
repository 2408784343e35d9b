import { termsOf } from "./terms.ts";
import { MIN_START_CHARS, type Vocabulary } from "./vocabulary.ts";
import { RELATED_WORDS } from "./words.ts";

/** How much each term of a query counts; 1 for a word that was asked. */
export type WeightedTerms = Map<number, number>;

const RELATED_WEIGHT = 0.3;
const NEAR_WEIGHT = 0.6;
/** A longer query is asked by its rarest terms. */
const MAX_TERMS = 32;
/** A shorter word is one letter from too many others, and begins too many. */
const MIN_SLIP_CHARS = 5;
/** A longer one has too many words at one slip from it. */
const MAX_SLIP_CHARS = 24;
const MAX_NEAR = 4;
/** Words that begin alike and are looked at for one unknown word. */
const MAX_BEGINNINGS = 64;
const ASCII_LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** The part of a vocabulary that a query needs. Tests count how often it is asked. */
export type KnownWords = Pick<Vocabulary, "idOf" | "factsWith" | "startingWith">;

let related: ReadonlyMap<string, ReadonlySet<string>> | undefined;

/**
 * The terms of this user's facts that a query asks for: its own, related everyday words at a lower weight, and,
 * for a word that no fact has, those one slip away or that begin alike. How many words are looked at depends on the
 * query alone, never on how many are stored.
 */
export function expandQuery(terms: readonly string[], words: KnownWords): WeightedTerms {
  const weights: WeightedTerms = new Map();
  const asked = rarest(terms, words);
  for (const term of asked) {
    const id = words.idOf(term);
    if (id !== -1) weights.set(id, 1);
  }
  for (const term of asked) {
    for (const other of relatedTo(term)) {
      const id = words.idOf(other);
      if (id !== -1 && !weights.has(id)) weights.set(id, RELATED_WEIGHT);
    }
    if (words.idOf(term) !== -1) continue;
    for (const near of nearTo(term, words)) {
      const id = words.idOf(near);
      if (!weights.has(id)) weights.set(id, NEAR_WEIGHT);
    }
  }
  return weights;
}

/** In the order of the query. Words that no fact has come last: they may be anything. */
function rarest(terms: readonly string[], words: KnownWords): readonly string[] {
  if (terms.length <= MAX_TERMS) return terms;
  const rank = (term: string) => {
    const id = words.idOf(term);
    return id === -1 ? Number.POSITIVE_INFINITY : words.factsWith(id);
  };
  const ranks = new Map(terms.map((term) => [term, rank(term)]));
  const chosen = new Set(
    terms.toSorted((a, b) => compare(ranks.get(a) ?? 0, ranks.get(b) ?? 0)).slice(0, MAX_TERMS),
  );
  return terms.filter((term) => chosen.has(term));
}

function relatedTo(term: string): ReadonlySet<string> {
  related ??= relateAll();
  return related.get(term) ?? new Set();
}

function relateAll(): Map<string, Set<string>> {
  const all = new Map<string, Set<string>>();
  for (const group of RELATED_WORDS) {
    const stems = group.flatMap(termsOf);
    for (const stem of stems) {
      const others = all.get(stem) ?? new Set();
      for (const other of stems) if (other !== stem) others.add(other);
      all.set(stem, others);
    }
  }
  return all;
}

/** Letters only: a digit in another place is another number, not a slip. */
function nearTo(term: string, words: KnownWords): string[] {
  if (!/^\p{L}+$/u.test(term)) return [];
  const near = new Set([...beginAlike(term, words), ...oneSlipFrom(term, words)]);
  // By the alphabet: an order of its own would depend on what was forgotten, and answers must not.
  return [...near].sort(compare).slice(0, MAX_NEAR);
}

/** "educaton" and "educ", the stem of education: the stemmer cuts no suffix that it does not know. */
function* beginAlike(term: string, words: KnownWords): Generator<string> {
  if (term.length < MIN_START_CHARS) return;
  for (let length = Math.max(MIN_START_CHARS, Math.ceil(term.length / 2)); length < term.length; length++) {
    const start = term.slice(0, length);
    if (words.idOf(start) !== -1) yield start;
  }
  let seen = 0;
  let found = 0;
  for (const word of words.startingWith(term)) {
    if (seen++ === MAX_BEGINNINGS || found === MAX_NEAR) return;
    if (word === term || word.length > term.length * 2) continue;
    found += 1;
    yield word;
  }
}

/** One letter added, left out, replaced, or two neighbours swapped (optimal string alignment distance of 1). */
function* oneSlipFrom(term: string, words: KnownWords): Generator<string> {
  if (term.length < MIN_SLIP_CHARS || term.length > MAX_SLIP_CHARS) return;
  const letters = lettersLike(term);
  for (let i = 0; i <= term.length; i++) {
    const start = term.slice(0, i);
    const rest = term.slice(i + 1);
    const spellings = [start + rest, start + (term[i + 1] ?? "") + (term[i] ?? "") + term.slice(i + 2)];
    for (const letter of letters) spellings.push(start + letter + rest, start + letter + term.slice(i));
    for (const spelling of spellings) {
      if (spelling.length >= MIN_SLIP_CHARS && words.idOf(spelling) !== -1) yield spelling;
    }
  }
}

/** The letters of a word's script, or of the 128 characters of Unicode that its first letter is among. */
function lettersLike(term: string): Iterable<string> {
  const code = term.charCodeAt(0);
  if (code < 128) return ASCII_LETTERS;
  const block = Array.from({ length: 128 }, (_, i) => String.fromCharCode((code & ~127) + i));
  return block.filter((character) => /[\p{L}\p{M}]/u.test(character));
}

function compare(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
