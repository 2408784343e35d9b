import { isStopTerm, termsOf } from "./terms.ts";

/** Where one term occurs. `slots` may name removed documents; `live` counts the others. */
export interface Posting {
  readonly term: string;
  /** Carries no meaning of its own, as "the". */
  readonly isStop: boolean;
  /** Ascending. */
  readonly slots: number[];
  /** How often, beside `slots`. */
  readonly counts: number[];
  live: number;
}

export interface Document {
  readonly id: string;
  /** Epoch ms. */
  readonly createdAt: number;
  /** In the order of the text, repetitions included; then the tags' terms. */
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
  /** Terms in all live documents. */
  readonly liveTerms: number;
  add(text: SearchableText): void;
  remove(id: string): void;
}

/** Removed slots are swept when they outnumber the live ones by this factor, and never for a handful. */
const SWEEP_FACTOR = 1;
const SWEEP_FLOOR = 64;

export function createPostings(): Postings {
  let documents: (Document | undefined)[] = [];
  let vocabulary = new Map<string, Posting>();
  let slotOf = new Map<string, number>();
  let liveTerms = 0;

  /** Counts one occurrence. */
  function occur(term: string, slot: number): Posting {
    const posting = vocabulary.get(term);
    if (posting === undefined) {
      // Most terms of a memory occur once: arrays that start with their element have no room to spare.
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
    documents.push({ id, createdAt, terms: terms.map((term) => occur(term, slot)) });
    slotOf.set(id, slot);
    liveTerms += terms.length;
  }

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
