import { bytesOf, type StoredFact } from "./rules.ts";

const NEVER = Number.POSITIVE_INFINITY;

/** One user's facts by id and by age, with what they add up to. */
export interface SortedFacts {
  readonly byId: ReadonlyMap<string, StoredFact>;
  /** Oldest first. */
  readonly byAge: readonly StoredFact[];
  /** UTF-8 bytes of texts and tags. */
  readonly bytes: number;
  /** `fact` must be the newest. */
  put(fact: StoredFact): void;
  /** Resolves ids to the facts that were there, and takes them away. */
  remove(factIds: Iterable<string>): StoredFact[];
  /** Ids of the facts that have expired by `now`; cheap when there are none. */
  expiredBy(now: number): string[];
  /** Newest first, those before `position`. */
  page(position: number, limit: number): { facts: StoredFact[]; hasMore: boolean };
}

export function createSortedFacts(): SortedFacts {
  const byId = new Map<string, StoredFact>();
  let byAge: StoredFact[] = [];
  let bytes = 0;
  /** Never later than the first expiry, epoch ms. */
  let nextExpiryMs = NEVER;

  return {
    byId,
    get byAge() {
      return byAge;
    },
    get bytes() {
      return bytes;
    },
    put(fact) {
      byId.set(fact.factId, fact);
      byAge.push(fact);
      bytes += bytesOf(fact);
      nextExpiryMs = Math.min(nextExpiryMs, fact.expiresAt ?? NEVER);
    },
    remove(factIds) {
      const taken = [...factIds].map((id) => byId.get(id)).filter((fact) => fact !== undefined);
      for (const fact of taken) {
        if (byId.delete(fact.factId)) bytes -= bytesOf(fact);
      }
      if (taken.length > 0) byAge = byAge.filter(({ factId }) => byId.has(factId));
      return taken;
    },
    expiredBy(now) {
      if (now < nextExpiryMs) return [];
      const [gone = [], staying = []] = [true, false].map((isGone) =>
        byAge.filter(({ expiresAt = NEVER }) => expiresAt <= now === isGone),
      );
      nextExpiryMs = staying.reduce((next, { expiresAt = NEVER }) => Math.min(next, expiresAt), NEVER);
      return gone.map(({ factId }) => factId);
    },
    page(position, limit) {
      const end = firstFrom(byAge, position);
      const start = Math.max(0, end - limit);
      return { facts: byAge.slice(start, end).reverse(), hasMore: start > 0 };
    },
  };
}

export function compareAge(a: StoredFact, b: StoredFact): number {
  return a.position - b.position || (a.factId < b.factId ? -1 : 1);
}

/** Index of the first fact at or after `position`, by halving. */
function firstFrom(byAge: readonly StoredFact[], position: number): number {
  let low = 0;
  let high = byAge.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((byAge[middle]?.position ?? 0) < position) low = middle + 1;
    else high = middle;
  }
  return low;
}
