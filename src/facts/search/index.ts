import {
  createPostings,
  type Document,
  type Posting,
  type Postings,
  type SearchableText,
} from "./postings.ts";
import { expandQuery, type WeightedTerms } from "./query.ts";
import { splitQuery } from "./terms.ts";

interface Match {
  readonly id: string;
  /** 1 for the best match of this result, the others in proportion. Four decimals. */
  readonly score: number;
}

/** Ranks ONE user's facts. Scores depend on these alone, so that they tell nothing about other users. */
export interface SearchIndex {
  /** Texts must be added oldest first. The order breaks ties (newer first) and decides which facts are neighbours. */
  add(text: SearchableText): void;
  remove(id: string): void;
  /** Puts a text into the place of the one with its id. */
  replace(text: SearchableText): void;
  /** The memory that the index takes, in bytes. */
  readonly costBytes: number;
  /** Returns matches, best first. Each has a word of the query or a related one. */
  search(query: string, limit: number, accepts?: (id: string) => boolean): readonly Match[];
}

// BM25+ (Lv and Zhai 2011). Facts are short and similar in length, hence a low k1 and b. Delta keeps a long fact that
// has the word above one that has not.
const K1 = 1;
const B = 0.45;
const DELTA = 0.5;
/** A sentence is most often about its first word ("Melanie plays the violin"), so a match there counts more. */
const SUBJECT_BONUS = 0.7;
/** Facts saved one after the other are often about the same thing: each adds a share of its score to its neighbours. */
const BEFORE_SHARE = 0.4;
const AFTER_SHARE = 0.3;
/** Facts further apart in time are not neighbours. */
const MAX_NEIGHBOUR_MS = 60 * 60 * 1000;
/** Pseudo relevance feedback (RM3): rare words of the best few facts are added to the query. */
const FEEDBACK_FACTS = 5;
const FEEDBACK_TERMS = 10;
const FEEDBACK_WEIGHT = 0.3;

export function createSearchIndex(): SearchIndex {
  const postings = createPostings();
  return {
    add: postings.add,
    remove: postings.remove,
    replace: postings.replace,
    get costBytes() {
      return postings.costBytes;
    },
    search(query, limit, accepts) {
      const { terms, stopTerms } = splitQuery(query);
      const { weights: asked, required } = expandQuery(terms, postings, stopTerms);
      if (required.size === 0) return [];
      const first = onlyMatches(required, rank(asked, asked, postings));
      const widened = widen(asked, topSlots(first, FEEDBACK_FACTS, postings), first, postings);
      // Feedback only reorders the matches of the query: a fact without any word of the query stays out.
      const scores = onlyMatches(required, rank(widened, asked, postings));
      const best = topSlots(scores, limit, postings, accepts);
      const bestScore = scores[best[0] ?? 0] || 1;
      return best.map((slot) => ({
        id: (postings.documents[slot] as Document).id,
        score: Math.round(((scores[slot] ?? 0) / bestScore) * 10_000) / 10_000,
      }));
    },
  };
}

/** Returns the scores of facts that have a `required` term, and 0 for the others. */
function onlyMatches(required: ReadonlySet<Posting>, scores: Float64Array): Float64Array {
  const kept = new Float64Array(scores.length);
  for (const { slots } of required) for (const slot of slots) kept[slot] = scores[slot] as number;
  return kept;
}

/** Returns a score for each slot, 0 for a fact without any of `terms`. */
function rank(terms: WeightedTerms, asked: WeightedTerms, postings: Postings): Float64Array {
  const { documents, liveDocuments, liveTerms } = postings;
  const scores = new Float64Array(documents.length);
  const averageLength = liveTerms / Math.max(1, liveDocuments);
  for (const [posting, weight] of terms) {
    const gain = weight * idf(posting, liveDocuments);
    for (let i = 0; i < posting.slots.length; i++) {
      const slot = posting.slots[i] as number;
      const document = documents[slot];
      if (document === undefined) continue;
      const count = posting.counts[i] as number;
      const length = 1 - B + (B * document.terms.length) / averageLength;
      scores[slot] = (scores[slot] as number) + gain * (DELTA + (count * (K1 + 1)) / (count + K1 * length));
    }
  }
  for (let slot = 0; slot < scores.length; slot++) {
    const subject = documents[slot]?.terms[0];
    if (subject !== undefined && asked.get(subject) === 1)
      scores[slot] = (scores[slot] as number) + SUBJECT_BONUS;
  }
  return shareWithNeighbours(scores, documents);
}

/** Inverse document frequency. Never negative, so that a word of most facts still counts a little. */
function idf(posting: Posting, liveDocuments: number): number {
  return Math.log(1 + (liveDocuments - posting.live + 0.5) / (posting.live + 0.5));
}

/** Adds the shares of neighbours. A fact without a score of its own gets none. */
function shareWithNeighbours(own: Float64Array, documents: Postings["documents"]): Float64Array {
  const shared = own.slice();
  let before = -1;
  for (let slot = 0; slot < own.length; slot++) {
    const document = documents[slot];
    if (document === undefined) continue;
    const older = documents[before];
    if (older !== undefined && document.createdAt - older.createdAt <= MAX_NEIGHBOUR_MS) {
      if (own[slot]) shared[slot] = (shared[slot] as number) + BEFORE_SHARE * (own[before] as number);
      if (own[before]) shared[before] = (shared[before] as number) + AFTER_SHARE * (own[slot] as number);
    }
    before = slot;
  }
  return shared;
}

/** Adds the feedback terms of the `best` facts to the query. */
function widen(
  asked: WeightedTerms,
  best: readonly number[],
  scores: Float64Array,
  postings: Postings,
): WeightedTerms {
  let total = 0;
  for (const slot of best) total += scores[slot] ?? 0;
  const found: WeightedTerms = new Map();
  for (const slot of best) {
    const { terms } = postings.documents[slot] as Document;
    const share = (scores[slot] ?? 0) / total / terms.length;
    for (const posting of new Set(terms)) {
      if (posting.isStop || asked.has(posting)) continue;
      found.set(posting, (found.get(posting) ?? 0) + share * idf(posting, postings.liveDocuments));
    }
  }
  const chosen = [...found]
    .sort((a, b) => b[1] - a[1] || (a[0].term < b[0].term ? -1 : 1))
    .slice(0, FEEDBACK_TERMS);
  const chosenSum = chosen.reduce((sum, [, weight]) => sum + weight, 0);
  const askedSum = asked.values().reduce((sum, weight) => sum + weight, 0);
  const widened = new Map(asked);
  for (const [posting, weight] of chosen)
    widened.set(posting, (FEEDBACK_WEIGHT * askedSum * weight) / chosenSum);
  return widened;
}

/** Returns the slots of the highest scores above 0, best first, newer first among equals. */
function topSlots(
  scores: Float64Array,
  limit: number,
  { documents }: Postings,
  accepts?: (id: string) => boolean,
): number[] {
  const top: number[] = [];
  for (let slot = scores.length - 1; slot >= 0; slot--) {
    const score = scores[slot] as number;
    if (score === 0 || (top.length === limit && score <= (scores[top[limit - 1] as number] as number)))
      continue;
    const document = documents[slot];
    if (document === undefined || (accepts !== undefined && !accepts(document.id))) continue;
    let at = top.length;
    while (at > 0 && (scores[top[at - 1] as number] as number) < score) at--;
    top.splice(at, 0, slot);
    if (top.length > limit) top.pop();
  }
  return top;
}
