import { createSortedTerms, lowerBound, type SortedTerms } from "./sorted-terms.ts";
import { capitalNamesOf, isStopTerm, termsOf } from "./terms.ts";

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
  /** The terms of `vocabulary`. */
  readonly sortedTerms: SortedTerms;
  /** The long ones spelt backwards, by which those with a common end are found. */
  readonly endings: SortedTerms;
  readonly liveDocuments: number;
  /** Number of terms in all live documents. */
  readonly liveTerms: number;
  /** The memory that the index takes, without the facts themselves. Held near the truth by a test. */
  readonly costBytes: number;
  add(text: SearchableText): void;
  remove(id: string): void;
  /** Puts a text into the place of the one with its id, which must be present. */
  replace(text: SearchableText): void;
}

/** Removed slots are swept when there are more of them than live ones and these. */
const SWEEP_FLOOR = 64;

// Measured on Node 24 for facts of many shapes: short and long, of few and of many words, in Latin letters and others.
const BYTES_PER_DOCUMENT = 150;
const BYTES_PER_DOCUMENT_TERM = 8;
const BYTES_PER_TERM = 230;
/** Both arrays grow by half and 16 places at a time. */
const BYTES_PER_REPEATED_TERM = 250;
const BYTES_PER_SLOT = 20;
const BYTES_PER_ENDING = 35;

export function createPostings(): Postings {
  let documents: (Document | undefined)[] = [];
  let vocabulary = new Map<string, Posting>();
  let sortedTerms = createSortedTerms();
  let endings = createSortedTerms();
  let slotOf = new Map<string, number>();
  let liveTerms = 0;
  /** Of the terms in `vocabulary`: bytes of their text, entries in `slots`, and how many have more than one of these. */
  let termBytes = 0;
  let slotCount = 0;
  let endingBytes = 0;
  let repeatedTerms = 0;

  /** Counts one occurrence of `term` in the document of `slot`. */
  function count(term: string, slot: number): Posting {
    const posting = vocabulary.get(term);
    if (posting === undefined) {
      // Most terms occur once: arrays that are created with their element take no spare memory.
      const first: Posting = { term, isStop: isStopTerm(term), slots: [slot], counts: [1], live: 1 };
      vocabulary.set(term, first);
      sortedTerms.add(term);
      if (isCompound(term)) {
        endings.add(backwards(term));
        endingBytes += BYTES_PER_ENDING + term.length;
      }
      termBytes += Buffer.byteLength(term);
      slotCount += 1;
      return first;
    }
    const index = indexIn(posting.slots, slot);
    if (posting.slots[index] === slot) {
      posting.counts[index] = (posting.counts[index] ?? 0) + 1;
    } else {
      insertAt(posting.slots, index, slot);
      insertAt(posting.counts, index, 1);
      posting.live += 1;
      slotCount += 1;
      if (posting.slots.length === 2) repeatedTerms += 1;
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
    sortedTerms = createSortedTerms();
    endings = createSortedTerms();
    endingBytes = 0;
    termBytes = 0;
    slotCount = 0;
    repeatedTerms = 0;
    slotOf = new Map();
    liveTerms = 0;
    for (const { id, createdAt, terms } of kept)
      insert(
        id,
        createdAt,
        terms.map((posting) => posting.term),
      );
  }

  /** Takes the document of `slot` out of a posting. */
  function uncount(posting: Posting, slot: number): void {
    posting.live -= 1;
    if (posting.live === 0) {
      drop(posting);
      return;
    }
    const index = indexIn(posting.slots, slot);
    if (posting.slots.length === 2) repeatedTerms -= 1;
    posting.slots.splice(index, 1);
    posting.counts.splice(index, 1);
    slotCount -= 1;
  }

  function drop(posting: Posting): void {
    vocabulary.delete(posting.term);
    sortedTerms.remove(posting.term);
    if (isCompound(posting.term)) {
      endings.remove(backwards(posting.term));
      endingBytes -= BYTES_PER_ENDING + posting.term.length;
    }
    termBytes -= Buffer.byteLength(posting.term);
    slotCount -= posting.slots.length;
    if (posting.slots.length > 1) repeatedTerms -= 1;
  }

  return {
    get documents() {
      return documents;
    },
    get vocabulary() {
      return vocabulary;
    },
    get endings() {
      return endings;
    },
    get sortedTerms() {
      return sortedTerms;
    },
    get costBytes() {
      return (
        documents.length * BYTES_PER_DOCUMENT +
        liveTerms * BYTES_PER_DOCUMENT_TERM +
        vocabulary.size * BYTES_PER_TERM +
        repeatedTerms * BYTES_PER_REPEATED_TERM +
        slotCount * BYTES_PER_SLOT +
        endingBytes +
        termBytes
      );
    },
    get liveDocuments() {
      return slotOf.size;
    },
    get liveTerms() {
      return liveTerms;
    },
    add: (text) => insert(text.id, text.createdAt, allTermsOf(text)),
    replace(text) {
      const slot = slotOf.get(text.id) as number;
      const { id, createdAt, terms } = documents[slot] as Document;
      for (const posting of new Set(terms)) uncount(posting, slot);
      const counted = allTermsOf(text).map((term) => count(term, slot));
      documents[slot] = { id, createdAt, terms: counted };
      liveTerms += counted.length - terms.length;
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
        if (posting.live === 0) drop(posting);
      }
      if (documents.length - slotOf.size > slotOf.size + SWEEP_FLOOR) sweep();
    },
  };
}

function allTermsOf({ text, tags }: SearchableText): string[] {
  return [...termsOf(text), ...tags.flatMap(termsOf), ...capitalNamesOf(text, true)];
}

/** The index of `slot` in ascending slots, or where it would be: most often at the end. */
function indexIn(slots: readonly number[], slot: number): number {
  const last = slots.length - 1;
  if ((slots[last] ?? -1) < slot) return slots.length;
  return lowerBound(slots, (other) => other < slot);
}

function insertAt(numbers: number[], index: number, number: number): void {
  if (index === numbers.length) numbers.push(number);
  else numbers.splice(index, 0, number);
}

/** Shorter words of Latin letters are seldom made of two. */
const isCompound = (term: string): boolean => /^[a-z]{9,}$/.test(term);

export function backwards(term: string): string {
  let reversed = "";
  for (let i = term.length - 1; i >= 0; i--) reversed += term[i];
  // In one piece: a string that was put together keeps its parts until it is read.
  return Buffer.from(reversed).toString();
}
