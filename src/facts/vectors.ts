import { setImmediate } from "node:timers/promises";

const MAX_DIMENSIONS = 4_096;
/** Comparing so many numbers takes about 2 ms. Then other calls get the thread. */
const STEP_NUMBERS = 1_000_000;
const MAX_CACHED_QUERIES = 32;
// Measured on Node 24: the id in a Map, and the typed array beside its numbers.
const BYTES_PER_VECTOR = 300;
/** How much the nearest fact gets for its meaning, where 1 is the score of the best match by words. */
const MEANING_WEIGHT = 0.5;
/** A fact without a word of the query must be nearer to it than this, where 0 is the average and 1 the nearest fact. */
const MIN_NEARNESS = 0.5;
/** Matches by words that are blended with those by meaning. */
export const MAX_BLENDED = 100;

/** Seven bits and a sign for each number. Only directions are compared, so the length is left out. */
export type Vector = Int8Array;

/** Stands in memory for the vector of a text that the provider refused, so that it is not sent again and again. */
export const NO_VECTOR: Vector = new Int8Array(0);

/** Returns NO_VECTOR for what has no direction, or too many numbers. */
export function toVector(numbers: readonly number[]): Vector {
  const largest = numbers.reduce((most, number) => Math.max(most, Math.abs(number)), 0);
  if (!(largest > 0 && largest < Number.POSITIVE_INFINITY) || numbers.length > MAX_DIMENSIONS)
    return NO_VECTOR;
  return Int8Array.from(numbers, (number) => Math.round((number / largest) * 127));
}

/** One user's vectors in memory: of the facts, and of the last queries. */
export interface UserVectors {
  readonly size: number;
  /** The memory that they take, in bytes, roughly. */
  readonly costBytes: number;
  /** The highest row that was read. */
  rowId: number;
  /** `UserFacts.version` when `keep` was last called. */
  version: number;
  readonly queries: { get(query: string): Vector | undefined; set(query: string, vector: Vector): void };
  has(factId: string): boolean;
  set(factId: string, vector: Vector): void;
  /** Drops the vectors of facts that are not in `facts`. */
  keep(facts: ReadonlyMap<string, unknown>): void;
  /** Resolves to the cosines between `query` and each fact, by fact id, without vectors of another length. */
  compare(query: Vector): Promise<ReadonlyMap<string, number>>;
}

export function createUserVectors(): UserVectors {
  const ofFacts = new Map<string, Vector>();
  /** The least recently asked first. */
  const ofQueries = new Map<string, Vector>();
  let bytes = 0;
  const put = (all: Map<string, Vector>, key: string, vector: Vector | undefined) => {
    const before = all.get(key);
    if (before !== undefined && all.delete(key))
      bytes -= before.byteLength + BYTES_PER_VECTOR + 2 * key.length;
    if (vector === undefined) return;
    all.set(key, vector);
    bytes += vector.byteLength + BYTES_PER_VECTOR + 2 * key.length;
  };
  return {
    get size() {
      return ofFacts.size;
    },
    get costBytes() {
      return bytes;
    },
    rowId: 0,
    version: -1,
    queries: {
      get: (query) => ofQueries.get(query),
      set(query, vector) {
        put(ofQueries, query, vector);
        const [oldest] = ofQueries.keys();
        if (ofQueries.size > MAX_CACHED_QUERIES && oldest !== undefined) put(ofQueries, oldest, undefined);
      },
    },
    has: (factId) => ofFacts.has(factId),
    set: (factId, vector) => put(ofFacts, factId, vector),
    keep(facts) {
      for (const factId of ofFacts.keys()) if (!facts.has(factId)) put(ofFacts, factId, undefined);
    },
    async compare(query) {
      const cosines = new Map<string, number>();
      let numbers = 0;
      for (const [factId, vector] of ofFacts) {
        if (vector.length !== query.length) continue;
        cosines.set(factId, cosine(query, vector));
        numbers += vector.length;
        if (numbers < STEP_NUMBERS) continue;
        numbers = 0;
        await setImmediate();
      }
      return cosines;
    },
  };
}

function cosine(a: Vector, b: Vector): number {
  let product = 0;
  let squaresOfA = 0;
  let squaresOfB = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as number;
    const y = b[i] as number;
    product += x * y;
    squaresOfA += x * x;
    squaresOfB += y * y;
  }
  return product / Math.sqrt(squaresOfA * squaresOfB);
}

interface Match {
  readonly id: string;
  readonly score: number;
}

/**
 * Adds what facts are worth by meaning to what they are worth by words, and returns the best. Cosines of different
 * models lie in different ranges, so a fact counts by where it lies between the average and the nearest fact.
 */
export function blend(
  byWords: readonly Match[],
  cosines: ReadonlyMap<string, number>,
  { limit, accepts }: { limit: number; accepts: (id: string) => boolean },
): Match[] {
  const scores = new Map(byWords.map(({ id, score }) => [id, score]));
  let sum = 0;
  let nearest = -1;
  for (const value of cosines.values()) {
    sum += value;
    nearest = Math.max(nearest, value);
  }
  const average = sum / cosines.size;
  for (const [id, value] of cosines) {
    const nearness = nearest > average ? (value - average) / (nearest - average) : 1;
    const score = scores.get(id);
    if (nearness <= 0 || (score === undefined && (nearness < MIN_NEARNESS || !accepts(id)))) continue;
    scores.set(id, (score ?? 0) + MEANING_WEIGHT * nearness);
  }
  const best = [...scores].sort((a, b) => b[1] - a[1]).slice(0, limit);
  const [, bestScore = 1] = best[0] ?? [];
  return best.map(([id, score]) => ({ id, score: Math.round((score / bestScore) * 10_000) / 10_000 }));
}
