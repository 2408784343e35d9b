import { COMPOUNDING, type Languages } from "./languages.ts";
import { termsOf, wordsOf } from "./terms.ts";
import { MIN_COMPOUND_CHARS, MIN_START_CHARS, type Vocabulary } from "./vocabulary.ts";
import { RELATED_WORDS } from "./words.ts";

/** The weight of each term of a query: 1 for a word of the query itself. */
export type WeightedTerms = Map<number, number>;

export interface ExpandedQuery {
  readonly weights: WeightedTerms;
  /** The terms of each word of the query that has several: the best of them counts. */
  readonly alternatives: readonly (readonly number[])[];
}

/** The words of a query, each as all the terms by which it may be found. */
export interface SearchQuery {
  /** All but the function words, or these too when it has nothing else. A match has one of them. */
  readonly content: readonly (readonly string[])[];
  /** The others, which only order the matches. */
  readonly functionWords: readonly (readonly string[])[];
  readonly isCompounding: boolean;
}

/** Each of the further terms of a word, when it has several. */
const ALTERNATIVE_WEIGHT = 0.7;
const RELATED_WEIGHT = 0.3;
const NEAR_WEIGHT = 0.6;
const COMPOUND_WEIGHT = 0.5;
/** Words of a query that are looked for: the rarest, which say most. */
const MAX_TERMS = 32;
/** Too many other words differ from a shorter one by one letter. */
const MIN_SLIP_CHARS = 5;
/** Bounds the work for a longer word: nobody types one and remembers all of it but a letter. */
const MAX_SLIP_CHARS = 24;
const MIN_PART_CHARS = 4;
const MAX_NEAR = 4;
/** Words of one query that no fact has and for which near ones are looked for. */
const MAX_UNKNOWN = 12;
/** Words with the same beginning or end that are looked at for one word, in alphabetical order. */
const MAX_VISITED = 64;
/** Between the parts of a German compound. */
const JOINTS = ["", "s", "n", "e", "en", "es", "er"];
const ASCII_LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** The part of a vocabulary that a query needs. */
export type KnownWords = Pick<Vocabulary, "idOf" | "factsWith" | "startingWith" | "endingWith">;

const QUESTION_WORDS = "what when where which who whom whose why how do does did be have";

let questionWords: ReadonlySet<string> | undefined;
let related: ReadonlyMap<string, ReadonlySet<string>> | undefined;

/** In a fact these words mean something else than in a question. */
function isQuestionWord(term = ""): boolean {
  questionWords ??= new Set(termsOf(QUESTION_WORDS));
  return questionWords.has(term);
}

/** `languages` are those of the facts. The query is stemmed in these too. */
export function parseQuery(text: string, languages: Languages = 0): SearchQuery {
  const { words, languages: guessed } = wordsOf(text, languages);
  const content = words.filter(({ isFunction }) => !isFunction);
  const distinct = (some: typeof words) => [...new Map(some.map(({ terms }) => [terms[0], terms])).values()];
  return {
    content: distinct(content.length > 0 ? content : words),
    functionWords:
      content.length > 0
        ? distinct(words.filter((word) => word.isFunction && !isQuestionWord(word.terms[0])))
        : [],
    isCompounding: ((guessed | languages) & COMPOUNDING) !== 0,
  };
}

/**
 * Returns the terms of this user's facts that a query asks for: its own, related everyday words at a lower weight and,
 * for a word that no fact has, words one slip away or with the same beginning. The number of words that are looked at
 * depends on the query alone, not on how many are stored.
 */
export function expandQuery({ content, isCompounding }: SearchQuery, words: KnownWords): ExpandedQuery {
  const weights: WeightedTerms = new Map();
  const alternatives: number[][] = [];
  const put = (term: string, weight: number) => {
    const id = words.idOf(term);
    if (id !== -1 && !weights.has(id)) weights.set(id, weight);
  };
  const asked = rarest(content, words);
  let unknown = 0;
  const isKnown = (term: string) => words.idOf(term) !== -1;
  for (const terms of asked) put(terms.find(isKnown) ?? "", 1);
  for (const terms of asked) {
    const known = terms.filter(isKnown);
    for (const term of known) put(term, ALTERNATIVE_WEIGHT);
    if (known.length > 1) alternatives.push(known.map((term) => words.idOf(term)));
    for (const term of terms) for (const other of relatedTo(term)) put(other, RELATED_WEIGHT);
    const [term = ""] = terms;
    if (isCompounding) for (const other of compoundsWith(term, words)) put(other, COMPOUND_WEIGHT);
    if (known.length > 0 || unknown++ >= MAX_UNKNOWN) continue;
    for (const near of nearTo(term, words)) put(near, NEAR_WEIGHT);
  }
  return { weights, alternatives };
}

/** The function words of a query that some fact has. */
export function knownFunctionWords({ functionWords }: SearchQuery, words: KnownWords): number[] {
  const ids = rarest(functionWords, words).map(([term = ""]) => words.idOf(term));
  return [...new Set(ids)].filter((id) => id !== -1);
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

/** Returns the words that fewest facts have, then unknown ones, in the order of the query. */
function rarest(asked: readonly (readonly string[])[], words: KnownWords): readonly (readonly string[])[] {
  if (asked.length <= MAX_TERMS) return asked;
  const rank = (terms: readonly string[]) => {
    const known = terms.map((term) => words.idOf(term)).filter((id) => id !== -1);
    return known.length === 0
      ? Number.POSITIVE_INFINITY
      : Math.min(...known.map((id) => words.factsWith(id)));
  };
  const ranks = new Map(asked.map((terms) => [terms, rank(terms)]));
  const chosen = new Set(
    asked.toSorted((a, b) => byOrder(ranks.get(a) ?? 0, ranks.get(b) ?? 0)).slice(0, MAX_TERMS),
  );
  return asked.filter((terms) => chosen.has(terms));
}

/** Yields Zahnarzttermin for Termin and for Zahnarzt, and Termin and Zahnarzt for Zahnarzttermin. */
function* compoundsWith(term: string, words: KnownWords): Generator<string> {
  if (term.length < MIN_PART_CHARS || term.length > MAX_SLIP_CHARS || !/^\p{L}+$/u.test(term)) return;
  yield* first(
    words.startingWith(term),
    (word) => word.length >= Math.max(MIN_COMPOUND_CHARS, term.length + MIN_PART_CHARS),
  );
  yield* first(words.endingWith(term), (word) => word.length >= term.length + MIN_PART_CHARS - 1);
  for (let i = MIN_PART_CHARS; i <= term.length - MIN_PART_CHARS; i++) {
    const tail = term.slice(i);
    if (words.idOf(tail) === -1) continue;
    const head = JOINTS.map((joint) =>
      term.slice(0, i).endsWith(joint) ? term.slice(0, i - joint.length) : "",
    );
    const known = head.find((part) => part.length >= MIN_PART_CHARS - 1 && words.idOf(part) !== -1);
    if (known !== undefined) yield* [known, tail];
  }
}

/** The first few, of a bounded number that is looked at. */
function first(words: Iterable<string>, isWanted: (word: string) => boolean): string[] {
  const found: string[] = [];
  let seen = 0;
  for (const word of words) {
    if (seen++ === MAX_VISITED || found.length === MAX_NEAR) break;
    if (isWanted(word)) found.push(word);
  }
  return found;
}

/** Only for words of letters: a number with another digit is another number. */
function nearTo(term: string, words: KnownWords): string[] {
  if (!/^\p{L}+$/u.test(term)) return [];
  const near = new Set([
    ...withSameBeginning(term, words),
    ...oneSlipFrom(term, words),
    ...(term.length >= MIN_SLIP_CHARS ? first(words.endingWith(term), (word) => word !== term) : []),
  ]);
  // In alphabetical order: any other would depend on facts that were forgotten, and results must not.
  return [...near].sort(byOrder).slice(0, MAX_NEAR);
}

/** Yields "educ", the stem of education, for "educaton": the stemmer does not cut the suffix of a misspelt word. */
function* withSameBeginning(term: string, words: KnownWords): Generator<string> {
  if (term.length < MIN_START_CHARS) return;
  for (let length = Math.max(MIN_START_CHARS, Math.ceil(term.length / 2)); length < term.length; length++) {
    const start = term.slice(0, length);
    if (words.idOf(start) !== -1) yield start;
  }
  yield* first(words.startingWith(term), (word) => word !== term && word.length <= term.length * 2);
}

/** One letter added, left out, replaced, or two neighbours swapped (optimal string alignment distance 1). */
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
  return block.filter((character) => /[\p{Ll}\p{Lo}\p{M}]/u.test(character));
}

function byOrder(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
