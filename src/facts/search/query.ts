import type { Posting, Postings } from "./postings.ts";
import { termsOf } from "./terms.ts";
import { RELATED_WORDS } from "./words.ts";

/** The weight of each term of a query: 1 for a word of the query itself. */
export type WeightedTerms = Map<Posting, number>;

const RELATED_WEIGHT = 0.3;
const NEAR_WEIGHT = 0.6;
/** Too many other words differ from a shorter one by one letter, or begin with it. */
const MIN_TYPO_CHARS = 5;
const MIN_PREFIX_CHARS = 4;
const MAX_NEAR = 4;

let related: ReadonlyMap<string, ReadonlySet<string>> | undefined;

/**
 * Returns the terms of this user's facts that a query asks for: the query's own, related everyday words at a lower
 * weight and, for a word that no fact has, words one typo away or with the same beginning.
 */
export function expandQuery(terms: readonly string[], { vocabulary }: Postings): WeightedTerms {
  const weights: WeightedTerms = new Map();
  for (const term of terms) {
    const posting = vocabulary.get(term);
    if (posting !== undefined) weights.set(posting, 1);
  }
  for (const term of terms) {
    for (const other of relatedTo(term)) {
      const posting = vocabulary.get(other);
      if (posting !== undefined && !weights.has(posting)) weights.set(posting, RELATED_WEIGHT);
    }
    if (vocabulary.has(term)) continue;
    for (const posting of nearTo(term, vocabulary)) {
      if (!weights.has(posting)) weights.set(posting, NEAR_WEIGHT);
    }
  }
  return weights;
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

/** Only for words of letters: a number with another digit is another number, not a typo. */
function nearTo(term: string, vocabulary: ReadonlyMap<string, Posting>): Posting[] {
  if (!/^\p{L}+$/u.test(term)) return [];
  const near: Posting[] = [];
  for (const [known, posting] of vocabulary) {
    if (isPrefixOfOther(term, known) || isOneTypoAway(term, known)) near.push(posting);
  }
  // In alphabetical order: the order of the vocabulary depends on facts that were forgotten, and results must not.
  return near.sort((a, b) => (a.term < b.term ? -1 : 1)).slice(0, MAX_NEAR);
}

/** True for "educaton" and "educ", the stem of education: the stemmer does not cut the suffix of a misspelt word. */
function isPrefixOfOther(a: string, b: string): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return short.length >= MIN_PREFIX_CHARS && short.length * 2 >= long.length && long.startsWith(short);
}

/** True for one letter added, left out or replaced, or two neighbours swapped (optimal string alignment distance 1). */
function isOneTypoAway(a: string, b: string): boolean {
  if (Math.min(a.length, b.length) < MIN_TYPO_CHARS || Math.abs(a.length - b.length) > 1) return false;
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  const restMatches = (fromA: number, fromB: number) => a.slice(i + fromA) === b.slice(i + fromB);
  if (restMatches(1, 1) || restMatches(1, 0) || restMatches(0, 1)) return true;
  return a[i] === b[i + 1] && a[i + 1] === b[i] && restMatches(2, 2);
}
