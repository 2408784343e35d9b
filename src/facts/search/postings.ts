import { createEntries } from "./entries.ts";
import { ENGLISH, type Languages } from "./languages.ts";
import { createNumberList, type NumberList } from "./number-list.ts";
import { wordsOf } from "./terms.ts";
import { createVocabulary, type Vocabulary } from "./vocabulary.ts";

export interface SearchableText {
  readonly id: string;
  readonly text: string;
  readonly tags: readonly string[];
  readonly createdAt: number;
}

/** The inverted index of one user's facts. A fact's slot grows with its age: higher is newer. */
export interface Postings {
  readonly vocabulary: Vocabulary;
  readonly liveDocuments: number;
  /** Terms in all live documents. */
  readonly liveTerms: number;
  /** The memory that the index takes, without the facts themselves. Held near the truth by a test. */
  readonly costBytes: number;
  /** By slot; undefined for a removed fact. */
  readonly ids: readonly (string | undefined)[];
  /** By slot, epoch ms. */
  readonly times: readonly number[];
  /** By slot, for loops: `lengthOf` of each. */
  readonly wordCounts: Int32Array;
  /** How many words the fact in `slot` has, repetitions included. */
  lengthOf(slot: number): number;
  /** The term that stands for the word at `index` of the fact in `slot`: in the order of its text, then of its tags. */
  termAt(slot: number, index: number): number;
  /** True for a word like "the", which has no meaning of its own. */
  isFunctionAt(slot: number, index: number): boolean;
  /** Languages that facts are in, the most frequent first. */
  languages(): Languages;
  /** Calls `visit` for each live fact that has the term. */
  each(term: number, visit: (slot: number, count: number) => void): void;
  add(text: SearchableText): void;
  /** Puts a text into the slot of the one with its id. */
  replace(text: SearchableText): void;
  remove(id: string): void;
}

/** Removed slots, and places of replaced terms, are swept when there are more of them than live ones and these. */
const SWEEP_FLOOR = 64;
const SWEEP_FLOOR_TERMS = 4_096;
// Measured: the id in a list, its entry in a Map, and the time.
const BYTES_PER_SLOT = 64;
/** A query is stemmed as in so many of the languages of its user's facts. */
const MAX_LANGUAGES = 4;
const NONE = -1;

/**
 * All terms of all facts, one fact after the other: of each its words, a bit after the term telling function words,
 * and then the other terms by which it is found.
 */
interface Documents {
  ids: (string | undefined)[];
  times: number[];
  readonly starts: NumberList;
  readonly lengths: NumberList;
  readonly totals: NumberList;
  readonly languages: NumberList;
  readonly terms: NumberList;
}

const SLOT_LISTS = ["starts", "lengths", "totals", "languages"] as const;

export function createPostings(): Postings {
  const vocabulary = createVocabulary();
  const slotOf = new Map<string, number>();
  const documents: Documents = { ids: [], times: [], ...lists(...SLOT_LISTS, "terms") };
  const entries = createEntries();
  let liveTerms = 0;
  /** Places in `documents.terms` that a live fact has. */
  let livePlaces = 0;
  /** By the language's bit. */
  const languageCounts = new Map<Languages, number>();

  function countLanguages(languages: Languages, change: 1 | -1): void {
    for (let set = languages & ~ENGLISH; set !== 0; set &= set - 1)
      languageCounts.set(set & -set, (languageCounts.get(set & -set) ?? 0) + change);
  }

  /** Counts one occurrence of a word in the newest fact. */
  function countWord(word: string, slot: number): number {
    const known = vocabulary.idOf(word);
    if (known === NONE) return addTerm(word, slot);
    if (entries.count(known, slot)) vocabulary.use(known);
    return known;
  }

  function addTerm(word: string, slot: number): number {
    const term = vocabulary.add(word);
    entries.push(term, slot);
    return term;
  }

  function insert({ id, text, tags, createdAt }: SearchableText): void {
    const slot = documents.ids.push(id) - 1;
    documents.times.push(createdAt);
    for (const name of SLOT_LISTS) documents[name].push(0);
    slotOf.set(id, slot);
    write(slot, text, tags, (word) => countWord(word, slot));
  }

  /** Writes a fact's terms behind all others. */
  function write(
    slot: number,
    text: string,
    tags: readonly string[],
    termOf: (word: string) => number,
  ): void {
    const { words, languages } = wordsOf(text);
    const all = tags.length === 0 ? words : [...words, ...tags.flatMap((tag) => wordsOf(tag).words)];
    const start = documents.terms.length;
    for (const word of all)
      if (word.isWhole) documents.terms.push(termOf(word.terms[0] as string) * 2 + (word.isFunction ? 1 : 0));
    const length = documents.terms.length - start;
    for (const word of all) {
      const first = word.isWhole ? 1 : 0;
      for (let i = first; i < word.terms.length; i++)
        documents.terms.push(termOf(word.terms[i] as string) * 2);
    }
    documents.starts.set(slot, start);
    documents.lengths.set(slot, length);
    documents.totals.set(slot, documents.terms.length - start);
    documents.languages.set(slot, languages);
    countLanguages(languages, 1);
    liveTerms += length;
    livePlaces += documents.terms.length - start;
  }

  /** Takes back what `write` counted, and returns the fact's different terms. */
  function unwrite(slot: number): Set<number> {
    countLanguages(documents.languages.at(slot), -1);
    liveTerms -= documents.lengths.at(slot);
    livePlaces -= documents.totals.at(slot);
    const start = documents.starts.at(slot);
    const distinct = new Set<number>();
    for (let i = start; i < start + documents.totals.at(slot); i++) distinct.add(documents.terms.at(i) >> 1);
    return distinct;
  }

  function replace({ id, text, tags }: SearchableText): void {
    const slot = slotOf.get(id);
    if (slot === undefined) return;
    const before = unwrite(slot);
    const after = new Set<number>();
    write(slot, text, tags, (word) => {
      const known = vocabulary.idOf(word);
      const isPresent = before.has(known) || after.has(known);
      const term = known === NONE ? addTerm(word, slot) : known;
      if (isPresent) entries.recount(term, slot, !after.has(term));
      else if (known !== NONE) {
        vocabulary.use(term);
        entries.push(term, slot);
      }
      after.add(term);
      return term;
    });
    for (const term of before.difference(after)) {
      entries.remove(term, slot);
      release(term);
    }
    sweepIfNeeded();
  }

  /** Counts one fact less with the term. */
  function release(term: number): void {
    if (vocabulary.release(term)) entries.drop(term);
  }

  function sweepIfNeeded(): void {
    const unusedSlots = documents.ids.length - slotOf.size;
    const unusedPlaces = documents.terms.length - livePlaces;
    if (unusedSlots > slotOf.size + SWEEP_FLOOR || unusedPlaces > livePlaces + SWEEP_FLOOR_TERMS) sweep();
  }

  /** Moves the live facts together. Words keep their numbers, so nothing is looked up. */
  function sweep(): void {
    const { ids, times } = documents;
    const old = SLOT_LISTS.map((name) => documents[name].copy());
    const terms = documents.terms.copy();
    documents.ids = [];
    documents.times = [];
    for (const name of SLOT_LISTS) documents[name].clear();
    documents.terms.clear();
    entries.clear();
    for (const [oldSlot, id] of ids.entries()) {
      if (id === undefined) continue;
      const slot = documents.ids.push(id) - 1;
      slotOf.set(id, slot);
      documents.times.push(times[oldSlot] as number);
      const [start = 0, length = 0, total = 0, languages = 0] = old.map((list) => list[oldSlot]);
      documents.starts.push(documents.terms.length);
      documents.lengths.push(length);
      documents.totals.push(total);
      documents.languages.push(languages);
      for (const term of terms.subarray(start, start + total)) {
        entries.count(term >> 1, slot);
        documents.terms.push(term);
      }
    }
  }

  return {
    vocabulary,
    get liveDocuments() {
      return slotOf.size;
    },
    get liveTerms() {
      return liveTerms;
    },
    get costBytes() {
      const lists = [documents.terms, ...SLOT_LISTS.map((name) => documents[name])];
      return lists.reduce(
        (sum, list) => sum + list.bytes,
        vocabulary.bytes + entries.costBytes + documents.ids.length * BYTES_PER_SLOT,
      );
    },
    get ids() {
      return documents.ids;
    },
    get times() {
      return documents.times;
    },
    get wordCounts() {
      return documents.lengths.numbers;
    },
    lengthOf: (slot) => documents.lengths.at(slot),
    termAt: (slot, index) => documents.terms.at(documents.starts.at(slot) + index) >> 1,
    isFunctionAt: (slot, index) => (documents.terms.at(documents.starts.at(slot) + index) & 1) === 1,
    languages() {
      const frequent = [...languageCounts]
        .filter(([, count]) => count > 0)
        .sort((a, b) => b[1] - a[1] || a[0] - b[0]);
      return frequent.slice(0, MAX_LANGUAGES).reduce((set, [language]) => set | language, 0);
    },
    each: (term, visit) => entries.each(term, documents.ids, visit),
    add: insert,
    replace,
    remove(id) {
      const slot = slotOf.get(id);
      if (slot === undefined) return;
      documents.ids[slot] = undefined;
      slotOf.delete(id);
      for (const term of unwrite(slot)) release(term);
      sweepIfNeeded();
    },
  };
}

function lists<Name extends string>(...names: readonly Name[]): Record<Name, NumberList> {
  return Object.fromEntries(names.map((name) => [name, createNumberList()])) as Record<Name, NumberList>;
}
