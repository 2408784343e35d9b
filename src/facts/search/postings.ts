import { createNumberList, type NumberList } from "./numbers.ts";
import { termsOf } from "./terms.ts";
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
  /** Slots in use and removed ones. */
  readonly slotCount: number;
  readonly liveDocuments: number;
  /** Terms in all live documents. */
  readonly liveTerms: number;
  /** Memory that this takes, in bytes. */
  readonly bytes: number;
  /** Undefined for a removed fact. */
  idAt(slot: number): string | undefined;
  /** Epoch ms. */
  createdAt(slot: number): number;
  /** How many terms the fact in `slot` has, repetitions included. */
  lengthOf(slot: number): number;
  /** The term at `index` of the fact in `slot`: in the order of its text, then of its tags. */
  termAt(slot: number, index: number): number;
  /** Calls `visit` for each live fact that has the term. */
  each(term: number, visit: (slot: number, count: number) => void): void;
  add(text: SearchableText): void;
  remove(id: string): void;
}

/** Removed slots are swept when they outnumber the live ones by this factor, and never for a handful. */
const SWEEP_FACTOR = 1;
const SWEEP_FLOOR = 64;
// Measured: the id in a list, its entry in a Map, and the time.
const BYTES_PER_SLOT = 72;
const NONE = -1;

/** All terms of all facts, one fact after the other. */
interface Documents {
  ids: (string | undefined)[];
  times: number[];
  readonly starts: NumberList;
  readonly lengths: NumberList;
  readonly terms: NumberList;
}

/** One entry for each pair of a term and a fact that has it; each term's entries are linked, newest first. */
interface Entries {
  /** By term. */
  readonly newest: NumberList;
  readonly slots: NumberList;
  readonly counts: NumberList;
  readonly older: NumberList;
}

export function createPostings(): Postings {
  const vocabulary = createVocabulary();
  const slotOf = new Map<string, number>();
  const documents: Documents = { ids: [], times: [], ...lists("starts", "lengths", "terms") };
  const entries: Entries = lists("newest", "slots", "counts", "older");
  let liveTerms = 0;

  /** Notes one occurrence in the newest fact. */
  function note(term: number, slot: number): void {
    const newest = entries.newest.at(term);
    if (newest !== NONE && entries.slots.at(newest) === slot) {
      entries.counts.set(newest, entries.counts.at(newest) + 1);
      return;
    }
    entries.newest.set(term, entries.slots.push(slot));
    entries.counts.push(1);
    entries.older.push(newest);
  }

  function has(term: number, slot: number): boolean {
    const newest = entries.newest.at(term);
    return newest !== NONE && entries.slots.at(newest) === slot;
  }

  function use(word: string, slot: number): number {
    const known = vocabulary.idOf(word);
    if (known !== NONE && has(known, slot)) return known;
    const term = vocabulary.use(word);
    if (term === entries.newest.length) entries.newest.push(NONE);
    return term;
  }

  function insert(id: string, createdAt: number, words: readonly string[]): void {
    const slot = documents.ids.push(id) - 1;
    documents.times.push(createdAt);
    documents.starts.push(documents.terms.length);
    documents.lengths.push(words.length);
    slotOf.set(id, slot);
    liveTerms += words.length;
    for (const word of words) {
      const term = use(word, slot);
      note(term, slot);
      documents.terms.push(term);
    }
  }

  /** Moves the live facts together. Words keep their numbers, so nothing is looked up. */
  function sweep(): void {
    const { ids, times } = documents;
    const starts = documents.starts.copy();
    const lengths = documents.lengths.copy();
    const terms = documents.terms.copy();
    documents.ids = [];
    documents.times = [];
    for (const list of [documents.starts, documents.lengths, documents.terms]) list.clear();
    for (const list of [entries.slots, entries.counts, entries.older]) list.clear();
    for (let term = 0; term < entries.newest.length; term++) entries.newest.set(term, NONE);
    for (const [oldSlot, id] of ids.entries()) {
      if (id === undefined) continue;
      const slot = documents.ids.push(id) - 1;
      slotOf.set(id, slot);
      documents.times.push(times[oldSlot] as number);
      documents.starts.push(documents.terms.length);
      documents.lengths.push(lengths[oldSlot] as number);
      const start = starts[oldSlot] as number;
      for (const term of terms.subarray(start, start + (lengths[oldSlot] as number))) {
        note(term, slot);
        documents.terms.push(term);
      }
    }
  }

  return {
    vocabulary,
    get slotCount() {
      return documents.ids.length;
    },
    get liveDocuments() {
      return slotOf.size;
    },
    get liveTerms() {
      return liveTerms;
    },
    get bytes() {
      const { starts, lengths, terms } = documents;
      const all = [starts, lengths, terms, ...Object.values(entries)];
      return all.reduce(
        (sum, list) => sum + list.bytes,
        vocabulary.bytes + documents.ids.length * BYTES_PER_SLOT,
      );
    },
    idAt: (slot) => documents.ids[slot],
    createdAt: (slot) => documents.times[slot] as number,
    lengthOf: (slot) => documents.lengths.at(slot),
    termAt: (slot, index) => documents.terms.at(documents.starts.at(slot) + index),
    each(term, visit) {
      for (let entry = entries.newest.at(term); entry !== NONE; entry = entries.older.at(entry)) {
        const slot = entries.slots.at(entry);
        if (documents.ids[slot] !== undefined) visit(slot, entries.counts.at(entry));
      }
    },
    add({ id, text, tags, createdAt }) {
      const words = termsOf(text);
      for (const tag of tags) words.push(...termsOf(tag));
      insert(id, createdAt, words);
    },
    remove(id) {
      const slot = slotOf.get(id);
      if (slot === undefined) return;
      documents.ids[slot] = undefined;
      slotOf.delete(id);
      const start = documents.starts.at(slot);
      const length = documents.lengths.at(slot);
      liveTerms -= length;
      const distinct = new Set<number>();
      for (let i = start; i < start + length; i++) distinct.add(documents.terms.at(i));
      for (const term of distinct) if (vocabulary.release(term)) entries.newest.set(term, NONE);
      if (documents.ids.length - slotOf.size > slotOf.size * SWEEP_FACTOR + SWEEP_FLOOR) sweep();
    },
  };
}

function lists<Name extends string>(...names: readonly Name[]): Record<Name, NumberList> {
  return Object.fromEntries(names.map((name) => [name, createNumberList()])) as Record<Name, NumberList>;
}
