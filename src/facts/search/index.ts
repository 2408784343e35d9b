import { createPostings, type Postings, type SearchableText } from "./postings.ts";
import {
  type Expanded,
  expandQuery,
  knownSlight,
  parseQuery,
  type SearchQuery,
  type WeightedTerms,
} from "./query.ts";

export interface Match {
  readonly id: string;
  /** 1 for the best match of this answer, the others in proportion; four decimals. */
  readonly score: number;
}

/** Ranks ONE user's facts: every figure in a score comes from them alone, so nobody else's writes can show in it. */
export interface SearchIndex {
  /** Texts must come oldest first: the order breaks ties (newer first) and says which facts are neighbours. */
  add(text: SearchableText): void;
  /** Gives a fact that is there another text or other tags. */
  replace(text: SearchableText): void;
  remove(id: string): void;
  /** Different words of all texts and tags. */
  readonly words: number;
  /** Memory that the index takes, in bytes. */
  readonly bytes: number;
  /** Best first. Every match has a word of the query, or one related to it. Empty when nothing has. */
  search(query: string, limit: number, accepts?: (id: string) => boolean): readonly Match[];
}

// BM25+ (Lv and Zhai 2011). Facts are short and of much the same length, so a low k1 and b; delta keeps a long
// fact that has the word above any that has not.
const K1 = 1;
const B = 0.45;
const DELTA = 0.5;
/** A sentence is most often about its first word ("Melanie plays the violin"), so a match there counts more. */
const SUBJECT_BONUS = 0.7;
/** No more than this part of what the word itself counts, or it would decide alone in a small memory. */
const SUBJECT_SHARE = 1.5;
/** Facts saved one after the other speak of the same thing: each lends its neighbours a share of its score. */
const BEFORE_SHARE = 0.4;
const AFTER_SHARE = 0.3;
const MAX_APPROACH = 0.9;
/** Neighbours further apart in time were not said in one sitting. */
const SITTING_MS = 60 * 60 * 1000;
/** How much all of a query's function words together can add to a fact's score. */
const SLIGHT_SHARE = 0.3;
/** Pseudo relevance feedback (RM3): the telling words of the best few facts join the query. */
const FEEDBACK_FACTS = 5;
/** Among fewer facts that were found, what one of them says beside the query would decide. */
const MIN_FEEDBACK_FACTS = 10;
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
    get bytes() {
      return postings.bytes;
    },
    search(query, limit, accepts) {
      const parsed = parseQuery(query, postings.languages());
      const asked = expandQuery(parsed, postings.vocabulary);
      if (asked.weights.size === 0) return [];
      const fixed = weighFacts(parsed, asked, postings);
      const first = rank(asked.weights, asked, fixed, postings);
      const found = first.reduce((count, score) => count + (score > 0 ? 1 : 0), 0);
      const scores = found < MIN_FEEDBACK_FACTS ? first.slice() : rerank(first, asked, fixed, postings);
      // Feedback reorders what the query found; it never brings in a fact that has no word of it.
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

/** What is the same in both rankings, by slot. */
interface FactWeights {
  /** How much a fact's length weakens a repeated word. */
  readonly lengths: Float64Array;
  readonly subjectBonus: Float64Array;
  /** The share of the query's function words that a fact has, the rarer ones counting more; 0 to 1. */
  readonly slight: Float64Array;
}

function weighFacts(query: SearchQuery, { weights }: Expanded, postings: Postings): FactWeights {
  const { ids, wordCounts, vocabulary } = postings;
  const averageLength = postings.liveTerms / Math.max(1, postings.liveDocuments);
  const lengths = new Float64Array(ids.length);
  for (let slot = 0; slot < ids.length; slot++)
    lengths[slot] = K1 * (1 - B + (B * (wordCounts[slot] as number)) / averageLength);
  const subjectBonus = new Float64Array(ids.length);
  for (const [term, weight] of weights) {
    if (weight !== 1) continue;
    const bonus = Math.min(SUBJECT_BONUS, SUBJECT_SHARE * idf(term, postings));
    postings.each(term, (slot) => {
      const isSubject = postings.lengthOf(slot) > 0 && postings.termAt(slot, 0) === term;
      if (isSubject && !postings.isFunctionAt(slot, 0)) subjectBonus[slot] = bonus;
    });
  }
  const slight = new Float64Array(ids.length);
  const known = knownSlight(query, vocabulary);
  const total = known.reduce((sum, term) => sum + idf(term, postings), 0);
  for (const term of known) {
    const share = idf(term, postings) / total;
    postings.each(term, (slot) => {
      slight[slot] = (slight[slot] as number) + share;
    });
  }
  return { lengths, subjectBonus, slight };
}

/** A score for each slot; 0 for a fact without any of `terms`. */
function rank(terms: WeightedTerms, asked: Expanded, fixed: FactWeights, postings: Postings): Float64Array {
  const { lengths, subjectBonus, slight } = fixed;
  const scores = subjectBonus.slice();
  const scoreOf = (slot: number, count: number) =>
    DELTA + (count * (K1 + 1)) / (count + (lengths[slot] as number));
  const grouped = new Set(asked.sameWord.flat());
  for (const [term, weight] of terms) {
    if (grouped.has(term)) continue;
    const gain = weight * idf(term, postings);
    postings.each(term, (slot, count) => {
      scores[slot] = (scores[slot] as number) + gain * scoreOf(slot, count);
    });
  }
  for (const group of asked.sameWord) {
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
    shared[slot] = (shared[slot] as number) * (1 + SLIGHT_SHARE * (slight[slot] as number));
  return shared;
}

/** With the telling words of the best facts. */
function rerank(first: Float64Array, asked: Expanded, fixed: FactWeights, postings: Postings): Float64Array {
  const best = topSlots(first, FEEDBACK_FACTS, postings);
  return rank(widen(asked.weights, best, first, postings), asked, fixed, postings);
}

/** Never negative, so that a word which most facts have still counts a little. */
function idf(term: number, { vocabulary, liveDocuments }: Postings): number {
  const facts = vocabulary.factsWith(term);
  return Math.log(1 + (liveDocuments - facts + 0.5) / (facts + 0.5));
}

/** Only a fact with a score of its own gets a share. */
function shareWithNeighbours(own: Float64Array, postings: Postings): Float64Array {
  const { ids, times } = postings;
  const shared = own.slice();
  let before = 0;
  let older = 0;
  for (let slot = 0; slot < own.length; slot++) {
    if (ids[slot] === undefined) continue;
    const newer = own[slot] as number;
    const isNear =
      (older > 0 || newer > 0) && (times[slot] as number) - (times[before] as number) <= SITTING_MS;
    if (isNear && newer > 0) shared[slot] = (shared[slot] as number) + share(BEFORE_SHARE, older, newer);
    if (isNear && older > 0) shared[before] = (shared[before] as number) + share(AFTER_SHARE, newer, older);
    before = slot;
    older = newer;
  }
  return shared;
}

/** What a fact gets from a neighbour: never so much that it comes to stand above it. */
function share(part: number, lender: number, own: number): number {
  return Math.min(part * lender, MAX_APPROACH * Math.max(0, lender - own));
}

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

/** The slots of the highest scores above 0, best first, newer first among equals. */
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
