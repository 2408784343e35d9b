import { bytesOf, type StoredFact, toFact } from "./rules.ts";
import { createSearchIndex, type SearchIndex } from "./search.ts";
import type { RecalledFact } from "./store.ts";
import { foldText } from "./text.ts";

// Measured on facts of 90 bytes: 1.2 KB each among 10,000, 2.4 KB among 100, where fewer share their words.
const BYTES_PER_MEMORY = 16_000;
const BYTES_PER_FACT = 700;
const BYTES_PER_TEXT_BYTE = 15;

/** One user's facts in memory, searchable: a copy of what the database holds, never shared between users. */
export interface Memory {
  readonly facts: ReadonlyMap<string, StoredFact>;
  readonly kept: { readonly facts: number; readonly bytes: number };
  /** What this copy costs the process, in bytes, roughly. */
  readonly costBytes: number;
  readonly nextPosition: number;
  /** Facts that `facts` has already, or that expired, are left out. */
  add(facts: readonly StoredFact[], now: number): void;
  remove(factIds: Iterable<string>): void;
  /** Drops what has expired by `now`; `expired` names it until it is removed from the database as well. */
  expire(now: number): void;
  readonly expired: ReadonlySet<string>;
  /** The expired facts are gone from the database too. */
  forgetExpired(): void;
  clear(): void;
  findDuplicate(text: string): string | undefined;
  recall(query: string, limit: number, tags: readonly string[]): RecalledFact[];
  /** Newest first, those before `position`. */
  page(position: number, limit: number): { facts: StoredFact[]; hasMore: boolean };
}

export function createMemory(): Memory {
  let facts = new Map<string, StoredFact>();
  let index: SearchIndex = createSearchIndex();
  /** Oldest first. */
  let ordered: StoredFact[] = [];
  let bytes = 0;
  let nextExpiryMs = Number.POSITIVE_INFINITY;
  const expired = new Set<string>();
  /** By folded text; made for the first save, as most copies are only read. */
  let idByText: Map<string, string> | undefined;

  function append(fact: StoredFact): void {
    facts.set(fact.factId, fact);
    ordered.push(fact);
    index.add({ ...fact, id: fact.factId });
    bytes += bytesOf(fact);
    nextExpiryMs = Math.min(nextExpiryMs, fact.expiresAt ?? Number.POSITIVE_INFINITY);
    idByText?.set(foldText(fact.text), fact.factId);
  }

  function empty(): void {
    facts = new Map();
    index = createSearchIndex();
    ordered = [];
    bytes = 0;
    nextExpiryMs = Number.POSITIVE_INFINITY;
    idByText = undefined;
  }

  const memory: Memory = {
    get facts() {
      return facts;
    },
    get kept() {
      return { facts: facts.size, bytes };
    },
    get costBytes() {
      return BYTES_PER_MEMORY + facts.size * BYTES_PER_FACT + bytes * BYTES_PER_TEXT_BYTE;
    },
    get nextPosition() {
      return (ordered.at(-1)?.position ?? 0) + 1;
    },
    expired,

    add(more, now) {
      const added = more.filter(({ factId }) => !facts.has(factId) && !expired.has(factId)).sort(byAge);
      const [oldest] = added;
      const newest = ordered.at(-1);
      // Rows that nobody ordered, as after an import: the index wants its texts oldest first.
      const isLate = oldest !== undefined && newest !== undefined && byAge(oldest, newest) < 0;
      const all = isLate ? [...ordered, ...added].sort(byAge) : added;
      if (isLate) empty();
      for (const fact of all) append(fact);
      memory.expire(now);
    },
    remove(factIds) {
      const removed = new Set<string>();
      for (const factId of factIds) {
        const fact = facts.get(factId);
        if (fact === undefined) continue;
        removed.add(factId);
        facts.delete(factId);
        index.remove(factId);
        bytes -= bytesOf(fact);
        const folded = idByText && foldText(fact.text);
        if (folded !== undefined && idByText?.get(folded) === factId) idByText.delete(folded);
      }
      if (removed.size > 0) ordered = ordered.filter(({ factId }) => !removed.has(factId));
    },
    expire(now) {
      if (now < nextExpiryMs) return;
      const gone = ordered.filter(({ expiresAt = Number.POSITIVE_INFINITY }) => expiresAt <= now);
      for (const { factId } of gone) expired.add(factId);
      memory.remove(gone.map(({ factId }) => factId));
      nextExpiryMs = ordered.reduce(
        (next, { expiresAt }) => Math.min(next, expiresAt ?? next),
        Number.POSITIVE_INFINITY,
      );
    },
    forgetExpired: () => expired.clear(),
    clear() {
      empty();
      expired.clear();
    },
    findDuplicate(text) {
      // The first one's id: later entries of the same text give way.
      idByText ??= new Map(ordered.toReversed().map((fact) => [foldText(fact.text), fact.factId]));
      return idByText.get(foldText(text));
    },
    recall(query, limit, tags) {
      const accepts = acceptTagged(tags, facts);
      return index.search(query, limit, accepts).flatMap(({ id, score }) => {
        const fact = facts.get(id);
        return fact === undefined ? [] : [{ ...toFact(fact), score }];
      });
    },
    page(position, limit) {
      const end = firstFrom(ordered, position);
      const start = Math.max(0, end - limit);
      return { facts: ordered.slice(start, end).reverse(), hasMore: start > 0 };
    },
  };
  return memory;
}

function byAge(a: StoredFact, b: StoredFact): number {
  return a.position - b.position || (a.factId < b.factId ? -1 : 1);
}

function acceptTagged(tags: readonly string[], facts: ReadonlyMap<string, StoredFact>) {
  if (tags.length === 0) return undefined;
  const wanted = new Set(tags.map(foldText));
  return (factId: string) => wanted.isSubsetOf(new Set(facts.get(factId)?.tags.map(foldText)));
}

/** Index of the first fact at or after `position`, by halving. */
function firstFrom(ordered: readonly StoredFact[], position: number): number {
  let low = 0;
  let high = ordered.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ordered[middle]?.position ?? 0) < position) low = middle + 1;
    else high = middle;
  }
  return low;
}
