import { backwards, type Posting, type Postings } from "./postings.ts";
import { slipsOf } from "./slips.ts";
import { termsOf } from "./terms.ts";
import { RELATED_WORDS } from "./words.ts";

/** The weight of each term of a query: 1 for a word of the query itself that is no stop word. */
export type WeightedTerms = Map<Posting, number>;

const RELATED_WEIGHT = 0.3;
const NEAR_WEIGHT = 0.6;
/** A stop word decides between facts that are alike otherwise: "on" and "off", gates A and B. */
const STOP_WEIGHT = 0.1;
/** Too many other words begin with a shorter one. */
const MIN_PREFIX_CHARS = 4;
const MAX_NEAR = 4;
/** Words that begin with one of the query and are looked at, in alphabetical order. */
const MAX_LONGER_VISITED = 64;
/** Words of a query that are looked for: the rarest, which say most. */
const MAX_QUERY_TERMS = 32;
/** With the related and the near ones. Each may stand in all facts. */
const MAX_ASKED_TERMS = 64;

/** A word of one character, which a text has in the terms of it and the next one. */
const CHARACTER = /^[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}]$/u;

export interface ExpandedQuery {
  /** All terms, stop words too. */
  readonly weights: WeightedTerms;
  /** A fact must have one of these. */
  readonly required: ReadonlySet<Posting>;
}

type Vocabulary = Pick<Postings, "vocabulary" | "sortedTerms" | "endings">;

let related: ReadonlyMap<string, ReadonlySet<string>> | undefined;

/**
 * Returns the terms of this user's facts that a query asks for: the query's own, related everyday words at a lower
 * weight and, for a word that no fact has, words one slip away or with the same beginning.
 */
export function expandQuery(
  terms: readonly string[],
  words: Vocabulary,
  stopTerms: readonly string[] = [],
): ExpandedQuery {
  const { vocabulary } = words;
  const weights: WeightedTerms = new Map();
  const chosen = chooseRarest(terms, vocabulary);
  const put = (posting: Posting | undefined, weight: number) => {
    if (posting !== undefined && !weights.has(posting) && weights.size < MAX_ASKED_TERMS)
      weights.set(posting, weight);
  };
  for (const term of chosen) put(vocabulary.get(term), 1);
  for (const term of chosen) {
    for (const other of relatedTo(term)) put(vocabulary.get(other), RELATED_WEIGHT);
    if (CHARACTER.test(term))
      for (const longer of words.sortedTerms.startingWith(term, MAX_LONGER_VISITED))
        put(vocabulary.get(longer), NEAR_WEIGHT);
    if (vocabulary.has(term)) continue;
    for (const posting of nearTo(term, words)) put(posting, NEAR_WEIGHT);
  }
  const required = new Set(weights.keys());
  for (const term of stopTerms) put(vocabulary.get(term), STOP_WEIGHT);
  return { weights, required };
}

/** The words that fewest facts have, then unknown ones, in the order of the query. */
function chooseRarest(terms: readonly string[], vocabulary: Vocabulary["vocabulary"]): readonly string[] {
  if (terms.length <= MAX_QUERY_TERMS) return terms;
  const factsWith = (term: string) => vocabulary.get(term)?.live ?? Number.POSITIVE_INFINITY;
  const rarest = terms.toSorted((a, b) => factsWith(a) - factsWith(b) || 0).slice(0, MAX_QUERY_TERMS);
  return terms.filter((term) => rarest.includes(term));
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

/**
 * Words one slip away, or with the same beginning: "educaton" and "educ", the stem of education, since the stemmer does
 * not cut the suffix of a misspelt word. Or compounds that end with it: "Zahnarzttermin" for "Termin". Only for words of letters: a number with another digit is another number.
 * Looks up spellings and visits a few neighbours, whatever the number of words that are stored.
 */
function nearTo(term: string, { vocabulary, sortedTerms, endings }: Vocabulary): Posting[] {
  if (!/^\p{L}+$/u.test(term)) return [];
  const near = new Set<string>();
  const isWord = (known: string) => vocabulary.get(known)?.isStop === false;
  for (const slip of slipsOf(term)) if (isWord(slip)) near.add(slip);
  for (let chars = Math.max(MIN_PREFIX_CHARS, Math.ceil(term.length / 2)); chars < term.length; chars++) {
    const beginning = term.slice(0, chars);
    if (isWord(beginning)) near.add(beginning);
  }
  if (term.length >= MIN_PREFIX_CHARS)
    for (const longer of sortedTerms.startingWith(term, MAX_LONGER_VISITED))
      if (longer.length <= term.length * 2 && isWord(longer)) near.add(longer);
  if (/^[a-z]{5,}$/.test(term))
    for (const ending of endings.startingWith(backwards(term), MAX_LONGER_VISITED))
      near.add(backwards(ending));
  // In alphabetical order: the order of the vocabulary depends on facts that were forgotten, and results must not.
  return [...near]
    .sort()
    .slice(0, MAX_NEAR)
    .map((known) => vocabulary.get(known) as Posting);
}
