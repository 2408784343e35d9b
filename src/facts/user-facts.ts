import { bytesOf, type StoredFact, toFact } from "./rules.ts";
import { duplicateKeyOf, foldText } from "./search/fold.ts";
import { createSearchIndex, type SearchIndex } from "./search/index.ts";
import type { RecalledFact } from "./store.ts";

// Measured beside the index, which counts itself: objects and ids of a fact, and what finds duplicates.
const BYTES_PER_MEMORY = 4_000;
const BYTES_PER_FACT = 310;
const BYTES_PER_DUPLICATE_KEY = 90;

/** One user's facts in memory, searchable: a copy of what the database holds, never shared between users. */
export interface UserFacts {
  readonly facts: ReadonlyMap<string, StoredFact>;
  /** `words`: different ones, of texts and tags. */
  readonly kept: { readonly facts: number; readonly bytes: number; readonly words: number };
  /** What this copy costs the process, in bytes, within a quarter. */
  readonly costBytes: number;
  readonly nextPosition: number;
  /** Facts that are here already or that expired are left out, unless they have other tags or another expiry now. */
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
  page: SortedFacts["page"];
}

interface Contents {
  readonly sortedFacts: SortedFacts;
  readonly index: SearchIndex;
  /** Ids by folded text; made for the first save, as most copies are only read. */
  idByText?: Map<string, string>;
}

export function createUserFacts(): UserFacts {
  let contents = empty();
  const expired = new Set<string>();
  const expire = (now: number) => {
    const gone = contents.sortedFacts.expiredBy(now);
    for (const factId of gone) expired.add(factId);
    if (gone.length > 0) removeAll(contents, gone);
  };
  return {
    expired,
    expire,
    get facts() {
      return contents.sortedFacts.byId;
    },
    get kept() {
      const { sortedFacts, index } = contents;
      return { facts: sortedFacts.byId.size, bytes: sortedFacts.bytes, words: index.words };
    },
    get costBytes() {
      const { sortedFacts, index, idByText } = contents;
      const { byId, bytes } = sortedFacts;
      const keyBytes = idByText === undefined ? 0 : idByText.size * BYTES_PER_DUPLICATE_KEY + bytes;
      return BYTES_PER_MEMORY + byId.size * BYTES_PER_FACT + bytes + index.bytes + keyBytes;
    },
    get nextPosition() {
      return (contents.sortedFacts.byAge.at(-1)?.position ?? 0) + 1;
    },
    add(facts, now) {
      const isNew = (fact: StoredFact) => !contents.sortedFacts.byId.has(fact.factId);
      for (const fact of facts) if (!isNew(fact)) replaceIn(contents, fact);
      contents = addAll(
        contents,
        facts.filter((fact) => isNew(fact) && !expired.has(fact.factId)),
      );
      expire(now);
    },
    remove: (factIds) => removeAll(contents, factIds),
    forgetExpired: () => expired.clear(),
    clear() {
      contents = empty();
      expired.clear();
    },
    findDuplicate: (text) => idsByText(contents).get(duplicateKeyOf(text)),
    recall: (query, limit, tags) => recallFrom(contents, query, limit, tags),
    page: (position, limit) => contents.sortedFacts.page(position, limit),
  };
}

function empty(): Contents {
  return { sortedFacts: createSortedFacts(), index: createSearchIndex() };
}

function addAll(contents: Contents, added: readonly StoredFact[]): Contents {
  const sorted = added.toSorted(compareAge);
  const [oldest] = sorted;
  const newest = contents.sortedFacts.byAge.at(-1);
  // Rows that nobody ordered, as after an import: shelf and index want the oldest first, so they start again.
  if (oldest !== undefined && newest !== undefined && compareAge(oldest, newest) < 0) {
    return addAll(empty(), [...contents.sortedFacts.byAge, ...sorted]);
  }
  for (const fact of sorted) {
    contents.sortedFacts.put(fact);
    contents.index.add({ ...fact, id: fact.factId });
    contents.idByText?.set(duplicateKeyOf(fact.text), fact.factId);
  }
  return contents;
}

/** A fact that was saved again: its text, age and place stay. */
function replaceIn({ sortedFacts, index }: Contents, fact: StoredFact): void {
  const before = sortedFacts.byId.get(fact.factId);
  if (before === undefined || before.text !== fact.text) return;
  const hasSameTags = before.tags.join("\n") === fact.tags.join("\n");
  if (hasSameTags && before.expiresAt === fact.expiresAt) return;
  sortedFacts.replace(fact);
  if (!hasSameTags) index.replace({ ...fact, id: fact.factId });
}

function removeAll({ sortedFacts, index, idByText }: Contents, factIds: Iterable<string>): void {
  for (const { factId, text } of sortedFacts.remove(factIds)) {
    index.remove(factId);
    idByText?.delete(duplicateKeyOf(text));
  }
}

function idsByText(contents: Contents): ReadonlyMap<string, string> {
  // The first one's id: of two that read the same, as an import may bring, the older is put last.
  contents.idByText ??= new Map(
    contents.sortedFacts.byAge.toReversed().map((fact) => [duplicateKeyOf(fact.text), fact.factId]),
  );
  return contents.idByText;
}

function recallFrom(
  { sortedFacts, index }: Contents,
  query: string,
  limit: number,
  tags: readonly string[],
): RecalledFact[] {
  const wanted = new Set(tags.map(foldText));
  const hasTags = (factId: string) =>
    wanted.isSubsetOf(new Set(sortedFacts.byId.get(factId)?.tags.map(foldText)));
  return index.search(query, limit, wanted.size > 0 ? hasTags : undefined).flatMap(({ id, score }) => {
    const fact = sortedFacts.byId.get(id);
    return fact === undefined ? [] : [{ ...toFact(fact), score }];
  });
}

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
  /** Puts `fact` in the place of the one with its id, which is as old. */
  replace(fact: StoredFact): void;
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
    replace(fact) {
      const before = byId.get(fact.factId);
      if (before === undefined) return;
      byId.set(fact.factId, fact);
      byAge[byAge.indexOf(before)] = fact;
      bytes += bytesOf(fact) - bytesOf(before);
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
