import { isStopTerm, termsOf } from "./terms.ts";

/** The documents of one term. `slots` may name removed documents; `live` counts the others. */
export interface Posting {
  readonly term: string;
  /** A word like "the", which has no meaning of its own. */
  readonly isStop: boolean;
  /** Ascending. */
  readonly slots: number[];
  /** Occurrences in the document of the same index in `slots`. */
  readonly counts: number[];
  live: number;
}

export interface Document {
  readonly id: string;
  /** Epoch ms. */
  readonly createdAt: number;
  /** The terms of the text in order, with repetitions, then those of the tags. */
  readonly terms: readonly Posting[];
}

export interface SearchableText {
  readonly id: string;
  readonly text: string;
  readonly tags: readonly string[];
  readonly createdAt: number;
}

/** The inverted index of one user's facts. A document's slot grows with its age: higher is newer. */
export interface Postings {
  readonly documents: readonly (Document | undefined)[];
  readonly vocabulary: ReadonlyMap<string, Posting>;
  readonly liveDocuments: number;
  /** Number of terms in all live documents. */
  readonly liveTerms: number;
  add(text: SearchableText): void;
  remove(id: string): void;
}

/** Removed slots are swept when there are more of them than the live ones times the factor plus the floor. */
const SWEEP_FACTOR = 1;
const SWEEP_FLOOR = 64;

export function createPostings(): Postings {
  let documents: (Document | undefined)[] = [];
  let vocabulary = new Map<string, Posting>();
  let slotOf = new Map<string, number>();
  let liveTerms = 0;

  /** Counts one occurrence of `term` in the document of `slot`. */
  function count(term: string, slot: number): Posting {
    const posting = vocabulary.get(term);
    if (posting === undefined) {
      // Most terms occur once: arrays that are created with their element take no spare memory.
      const first: Posting = { term, isStop: isStopTerm(term), slots: [slot], counts: [1], live: 1 };
      vocabulary.set(term, first);
      return first;
    }
    const last = posting.slots.length - 1;
    if (posting.slots[last] === slot) {
      posting.counts[last] = (posting.counts[last] ?? 0) + 1;
    } else {
      posting.slots.push(slot);
      posting.counts.push(1);
      posting.live += 1;
    }
    return posting;
  }

  function insert(id: string, createdAt: number, terms: readonly string[]): void {
    const slot = documents.length;
    documents.push({ id, createdAt, terms: terms.map((term) => count(term, slot)) });
    slotOf.set(id, slot);
    liveTerms += terms.length;
  }

  /** Builds the index again without the removed documents. */
  function sweep(): void {
    const kept = documents.filter((document) => document !== undefined);
    documents = [];
    vocabulary = new Map();
    slotOf = new Map();
    liveTerms = 0;
    for (const { id, createdAt, terms } of kept)
      insert(
        id,
        createdAt,
        terms.map((posting) => posting.term),
      );
  }

  return {
    get documents() {
      return documents;
    },
    get vocabulary() {
      return vocabulary;
    },
    get liveDocuments() {
      return slotOf.size;
    },
    get liveTerms() {
      return liveTerms;
    },
    add({ id, text, tags, createdAt }) {
      const terms = termsOf(text);
      for (const tag of tags) terms.push(...termsOf(tag));
      insert(id, createdAt, terms);
    },
    remove(id) {
      const slot = slotOf.get(id);
      const document = slot === undefined ? undefined : documents[slot];
      if (slot === undefined || document === undefined) return;
      documents[slot] = undefined;
      slotOf.delete(id);
      liveTerms -= document.terms.length;
      for (const posting of new Set(document.terms)) {
        posting.live -= 1;
        if (posting.live === 0) vocabulary.delete(posting.term);
      }
      if (documents.length - slotOf.size > slotOf.size * SWEEP_FACTOR + SWEEP_FLOOR) sweep();
    },
  };
}
