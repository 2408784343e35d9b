import { createPostings, type Postings, type SearchableText } from "./postings.ts";
import {
  type ExpandedQuery,
  expandQuery,
  knownFunctionWords,
  parseQuery,
  type SearchQuery,
  type WeightedTerms,
} from "./query.ts";

interface Match {
  readonly id: string;
  /** 1 for the best match of this result, the others in proportion. Four decimals. */
  readonly score: number;
}

/** Ranks ONE user's facts. Scores depend on these alone, so that they tell nothing about other users. */
export interface SearchIndex {
  /** Texts must be added oldest first. The order breaks ties (newer first) and decides which facts are neighbours. */
  add(text: SearchableText): void;
  /** Puts a text into the place of the one with its id. */
  replace(text: SearchableText): void;
  remove(id: string): void;
  /** Different words of all texts and tags. */
  readonly words: number;
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
/** The bonus is at most this times the word's own weight. Otherwise it would decide alone among few facts. */
const MAX_SUBJECT_SHARE = 1.5;
/** Facts saved one after the other are often about the same thing: each adds a share of its score to its neighbours. */
const BEFORE_SHARE = 0.4;
const AFTER_SHARE = 0.3;
/** A share closes at most this part of the distance to the neighbour's score, so that the order of the two stays. */
const MAX_CLOSED_DISTANCE = 0.9;
/** Facts further apart in time are not neighbours. */
const MAX_NEIGHBOUR_MS = 60 * 60 * 1000;
/** The part of its score that all function words of a query together can add to a fact. */
const FUNCTION_WORD_SHARE = 0.3;
/** Pseudo relevance feedback (RM3): rare words of the best few facts are added to the query. */
const FEEDBACK_FACTS = 5;
/** No feedback from fewer matches: there the other words of one fact would decide. */
const MIN_FEEDBACK_MATCHES = 10;
const FEEDBACK_TERMS = 10;
const FEEDBACK_WEIGHT = 0.3;

export function createSearchIndex(): SearchIndex {
  const postings = createPostings();
  return {
    add: postings.add,
    replace: postings.replace,
    remove: postings.remove,
    get words() {
      return postings.vocabulary.size;
    },
    get costBytes() {
      return postings.costBytes;
    },
    search(query, limit, accepts) {
      const parsed = parseQuery(query, postings.languages());
      const asked = expandQuery(parsed, postings.vocabulary);
      if (asked.weights.size === 0) return [];
      const fixed = weighFacts(parsed, asked, postings);
      const first = rank(asked.weights, asked, fixed, postings);
      const matches = first.reduce((count, score) => count + (score > 0 ? 1 : 0), 0);
      const scores = matches < MIN_FEEDBACK_MATCHES ? first.slice() : rerank(first, asked, fixed, postings);
      // Feedback only reorders the matches of the query: a fact without any word of the query stays out.
      for (let slot = 0; slot < scores.length; slot++) if (first[slot] === 0) scores[slot] = 0;
      const best = topSlots(scores, limit, postings, accepts);
      const bestScore = scores[best[0] ?? 0] || 1;
      return best.map((slot) => ({
        id: postings.ids[slot] as string,
        score: Math.round(((scores[slot] ?? 0) / bestScore) * 10_000) / 10_000,
      }));
    },
  };
}

/** Figures by slot that are the same in both rankings. */
interface FactWeights {
  /** How much a fact's length weakens a repeated word. */
  readonly lengths: Float64Array;
  readonly subjectBonus: Float64Array;
  /** The share of the query's function words that a fact has, weighted by `idf`; 0 to 1. */
  readonly functionWords: Float64Array;
}

function weighFacts(query: SearchQuery, { weights }: ExpandedQuery, postings: Postings): FactWeights {
  const { ids, wordCounts, vocabulary } = postings;
  const averageLength = postings.liveTerms / Math.max(1, postings.liveDocuments);
  const lengths = new Float64Array(ids.length);
  for (let slot = 0; slot < ids.length; slot++)
    lengths[slot] = K1 * (1 - B + (B * (wordCounts[slot] as number)) / averageLength);
  const subjectBonus = new Float64Array(ids.length);
  for (const [term, weight] of weights) {
    if (weight !== 1) continue;
    const bonus = Math.min(SUBJECT_BONUS, MAX_SUBJECT_SHARE * idf(term, postings));
    postings.each(term, (slot) => {
      const isSubject = postings.lengthOf(slot) > 0 && postings.termAt(slot, 0) === term;
      if (isSubject && !postings.isFunctionAt(slot, 0)) subjectBonus[slot] = bonus;
    });
  }
  const functionWords = new Float64Array(ids.length);
  const known = knownFunctionWords(query, vocabulary);
  const total = known.reduce((sum, term) => sum + idf(term, postings), 0);
  for (const term of known) {
    const share = idf(term, postings) / total;
    postings.each(term, (slot) => {
      functionWords[slot] = (functionWords[slot] as number) + share;
    });
  }
  return { lengths, subjectBonus, functionWords };
}

/** Returns a score for each slot, 0 for a fact without any of `terms`. */
function rank(
  terms: WeightedTerms,
  asked: ExpandedQuery,
  fixed: FactWeights,
  postings: Postings,
): Float64Array {
  const { lengths, subjectBonus, functionWords } = fixed;
  const scores = subjectBonus.slice();
  const scoreOf = (slot: number, count: number) =>
    DELTA + (count * (K1 + 1)) / (count + (lengths[slot] as number));
  const grouped = new Set(asked.alternatives.flat());
  for (const [term, weight] of terms) {
    if (grouped.has(term)) continue;
    const gain = weight * idf(term, postings);
    postings.each(term, (slot, count) => {
      scores[slot] = (scores[slot] as number) + gain * scoreOf(slot, count);
    });
  }
  for (const group of asked.alternatives) {
    const rarity = Math.min(...group.map((term) => idf(term, postings)));
    const best = new Float64Array(scores.length);
    for (const term of group) {
      const gain = (terms.get(term) ?? 0) * rarity;
      postings.each(term, (slot, count) => {
        best[slot] = Math.max(best[slot] as number, gain * scoreOf(slot, count));
      });
    }
    for (let slot = 0; slot < best.length; slot++)
      scores[slot] = (scores[slot] as number) + (best[slot] as number);
  }
  const shared = shareWithNeighbours(scores, postings);
  for (let slot = 0; slot < shared.length; slot++)
    shared[slot] = (shared[slot] as number) * (1 + FUNCTION_WORD_SHARE * (functionWords[slot] as number));
  return shared;
}

/** Ranks again, with rare words of the best facts added to the query. */
function rerank(
  first: Float64Array,
  asked: ExpandedQuery,
  fixed: FactWeights,
  postings: Postings,
): Float64Array {
  const best = topSlots(first, FEEDBACK_FACTS, postings);
  return rank(widen(asked.weights, best, first, postings), asked, fixed, postings);
}

/** Inverse document frequency. Never negative, so that a word of most facts still counts a little. */
function idf(term: number, { vocabulary, liveDocuments }: Postings): number {
  const facts = vocabulary.factsWith(term);
  return Math.log(1 + (liveDocuments - facts + 0.5) / (facts + 0.5));
}

/** Adds the shares of neighbours. A fact without a score of its own gets none. */
function shareWithNeighbours(own: Float64Array, postings: Postings): Float64Array {
  const { ids, times } = postings;
  const shared = own.slice();
  let before = 0;
  let older = 0;
  for (let slot = 0; slot < own.length; slot++) {
    if (ids[slot] === undefined) continue;
    const newer = own[slot] as number;
    const isNear =
      (older > 0 || newer > 0) && (times[slot] as number) - (times[before] as number) <= MAX_NEIGHBOUR_MS;
    if (isNear && newer > 0) shared[slot] = (shared[slot] as number) + share(BEFORE_SHARE, older, newer);
    if (isNear && older > 0) shared[before] = (shared[before] as number) + share(AFTER_SHARE, newer, older);
    before = slot;
    older = newer;
  }
  return shared;
}

/** What a fact gets from the score of a neighbour. */
function share(part: number, neighbour: number, own: number): number {
  return Math.min(part * neighbour, MAX_CLOSED_DISTANCE * Math.max(0, neighbour - own));
}

/** Adds the feedback terms of the `best` facts to the query. */
function widen(
  asked: WeightedTerms,
  best: readonly number[],
  scores: Float64Array,
  postings: Postings,
): WeightedTerms {
  const { vocabulary } = postings;
  let total = 0;
  for (const slot of best) total += scores[slot] ?? 0;
  const found: WeightedTerms = new Map();
  for (const slot of best) {
    const length = postings.lengthOf(slot);
    const share = (scores[slot] ?? 0) / total / length;
    const terms = new Set<number>();
    for (let i = 0; i < length; i++) if (!postings.isFunctionAt(slot, i)) terms.add(postings.termAt(slot, i));
    for (const term of terms) {
      if (asked.has(term)) continue;
      found.set(term, (found.get(term) ?? 0) + share * idf(term, postings));
    }
  }
  const chosen = [...found]
    .sort((a, b) => b[1] - a[1] || (vocabulary.wordOf(a[0]) < vocabulary.wordOf(b[0]) ? -1 : 1))
    .slice(0, FEEDBACK_TERMS);
  const chosenSum = chosen.reduce((sum, [, weight]) => sum + weight, 0);
  const askedSum = asked.values().reduce((sum, weight) => sum + weight, 0);
  const widened = new Map(asked);
  for (const [term, weight] of chosen) widened.set(term, (FEEDBACK_WEIGHT * askedSum * weight) / chosenSum);
  return widened;
}

/** Returns the slots of the highest scores above 0, best first, newer first among equals. */
function topSlots(
  scores: Float64Array,
  limit: number,
  { ids }: Postings,
  accepts?: (id: string) => boolean,
): number[] {
  const top: number[] = [];
  for (let slot = scores.length - 1; slot >= 0; slot--) {
    const score = scores[slot] as number;
    if (score === 0 || (top.length === limit && score <= (scores[top[limit - 1] as number] as number)))
      continue;
    const id = ids[slot];
    if (id === undefined || (accepts !== undefined && !accepts(id))) continue;
    let at = top.length;
    while (at > 0 && (scores[top[at - 1] as number] as number) < score) at--;
    top.splice(at, 0, slot);
    if (top.length > limit) top.pop();
  }
  return top;
}
