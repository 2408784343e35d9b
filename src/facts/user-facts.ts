import { bytesOf, type StoredFact, textKeyOf, toFact } from "./rules.ts";
import { foldText } from "./search/fold.ts";
import { createSearchIndex, type SearchIndex } from "./search/index.ts";
import { lowerBound } from "./search/sorted-words.ts";
import type { RecalledFact } from "./store.ts";
import { blend, MAX_BLENDED } from "./vectors.ts";

// Measured on Node 24. The search index counts its own.
const BYTES_PER_USER = 4_000;
const BYTES_PER_FACT = 310;
const BYTES_PER_TEXT_KEY = 90;

/** One user's facts in memory, searchable: a copy of what the database holds, never shared between users. */
export interface UserFacts {
  readonly facts: ReadonlyMap<string, StoredFact>;
  /** `words`: different ones, of texts and tags. */
  readonly kept: { readonly facts: number; readonly bytes: number; readonly words: number };
  /** The memory that it takes, in bytes, roughly. */
  readonly costBytes: number;
  readonly nextPosition: number;
  /** Another number whenever facts have come or gone. */
  readonly version: number;
  /** Leaves out facts that are present or have expired. */
  add(facts: readonly StoredFact[], now: number): void;
  remove(factIds: Iterable<string>): void;
  /** Takes over the tags and the expiry of a fact that is present with the same text, place and age. */
  replace(fact: StoredFact): void;
  /** Drops facts that have expired by `now`. Their ids stay in `expired` until `forgetExpired`. */
  expire(now: number): void;
  readonly expired: ReadonlySet<string>;
  /** Clears `expired`, once these facts are deleted from the database too. */
  forgetExpired(): void;
  clear(): void;
  findDuplicate(text: string): StoredFact | undefined;
  /** `cosines` tell by fact id how near facts are to the query by meaning. */
  recall(
    query: string,
    limit: number,
    tags: readonly string[],
    cosines?: ReadonlyMap<string, number>,
  ): RecalledFact[];
  /** Returns the facts before `position`, newest first. */
  page: SortedFacts["page"];
}

interface Contents {
  readonly sortedFacts: SortedFacts;
  readonly index: SearchIndex;
  /** Ids by `textKeyOf`. Built for the first save: most entries are only read. */
  idByText?: Map<string, string>;
}

export function createUserFacts(): UserFacts {
  let contents = empty();
  const expired = new Set<string>();
  let version = 0;
  const remove = (factIds: Iterable<string>) => {
    version += 1;
    removeAll(contents, factIds);
  };
  const expire = (now: number) => {
    const gone = contents.sortedFacts.expiredBy(now);
    for (const factId of gone) expired.add(factId);
    if (gone.length > 0) remove(gone);
  };
  return {
    expired,
    expire,
    remove,
    get version() {
      return version;
    },
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
      const keyBytes = idByText === undefined ? 0 : idByText.size * BYTES_PER_TEXT_KEY + bytes;
      return BYTES_PER_USER + byId.size * BYTES_PER_FACT + bytes + index.costBytes + keyBytes;
    },
    get nextPosition() {
      return (contents.sortedFacts.byAge.at(-1)?.position ?? 0) + 1;
    },
    add(facts, now) {
      const { byId } = contents.sortedFacts;
      version += 1;
      contents = addAll(
        contents,
        facts.filter(({ factId }) => !byId.has(factId) && !expired.has(factId)),
      );
      expire(now);
    },
    forgetExpired: () => expired.clear(),
    clear() {
      version += 1;
      contents = empty();
      expired.clear();
    },
    replace(fact) {
      contents.sortedFacts.replace(fact);
      contents.index.replace({ ...fact, id: fact.factId });
    },
    findDuplicate: (text) => contents.sortedFacts.byId.get(idsByText(contents).get(textKeyOf(text)) ?? ""),
    recall: (query, limit, tags, cosines) => recallFrom(contents, { query, limit, tags, cosines }),
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
  // Rows that came out of order, as after an import. The list and the index take the oldest first, so they are rebuilt.
  if (oldest !== undefined && newest !== undefined && compareAge(oldest, newest) < 0) {
    return addAll(empty(), [...contents.sortedFacts.byAge, ...sorted]);
  }
  for (const fact of sorted) {
    contents.sortedFacts.put(fact);
    contents.index.add({ ...fact, id: fact.factId });
    contents.idByText?.set(textKeyOf(fact.text), fact.factId);
  }
  return contents;
}

function removeAll({ sortedFacts, index, idByText }: Contents, factIds: Iterable<string>): void {
  for (const { factId, text } of sortedFacts.remove(factIds)) {
    index.remove(factId);
    idByText?.delete(textKeyOf(text));
  }
}

function idsByText(contents: Contents): ReadonlyMap<string, string> {
  // Of two with the same text, as an import may bring, the older comes last here, so that its id is kept.
  contents.idByText ??= new Map(
    contents.sortedFacts.byAge.toReversed().map((fact) => [textKeyOf(fact.text), fact.factId]),
  );
  return contents.idByText;
}

interface Recall {
  readonly query: string;
  readonly limit: number;
  readonly tags: readonly string[];
  readonly cosines: ReadonlyMap<string, number> | undefined;
}

function recallFrom(
  { sortedFacts, index }: Contents,
  { query, limit, tags, cosines }: Recall,
): RecalledFact[] {
  const wanted = new Set(tags.map(foldText));
  const hasTags = (factId: string) =>
    wanted.isSubsetOf(new Set(sortedFacts.byId.get(factId)?.tags.map(foldText)));
  const search = (most: number) => index.search(query, most, wanted.size > 0 ? hasTags : undefined);
  const accepts = (factId: string) => sortedFacts.byId.has(factId) && hasTags(factId);
  const matches = cosines
    ? blend(search(Math.max(limit, MAX_BLENDED)), cosines, { limit, accepts })
    : search(limit);
  return matches.flatMap(({ id, score }) => {
    const fact = sortedFacts.byId.get(id);
    return fact === undefined ? [] : [{ ...toFact(fact), score }];
  });
}

const NEVER = Number.POSITIVE_INFINITY;

/** One user's facts by id and by age, and their total size. */
interface SortedFacts {
  readonly byId: ReadonlyMap<string, StoredFact>;
  /** Oldest first. */
  readonly byAge: readonly StoredFact[];
  /** UTF-8 bytes of texts and tags. */
  readonly bytes: number;
  /** Adds a fact, which must be the newest. */
  put(fact: StoredFact): void;
  /** Puts a fact into the place of the present one with its id. */
  replace(fact: StoredFact): void;
  /** Removes the facts with these ids and returns those that were present. */
  remove(factIds: Iterable<string>): StoredFact[];
  /** Returns the ids of facts that have expired by `now`. Cheap when there are none. */
  expiredBy(now: number): string[];
  /** Returns the facts before `position`, newest first. */
  page(position: number, limit: number): { facts: StoredFact[]; hasMore: boolean };
}

function createSortedFacts(): SortedFacts {
  const byId = new Map<string, StoredFact>();
  let byAge: StoredFact[] = [];
  let bytes = 0;
  /** Epoch ms, never later than the first expiry. */
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
      const known = byId.get(fact.factId);
      if (known === undefined) return;
      byId.set(fact.factId, fact);
      byAge[byAge.indexOf(known)] = fact;
      bytes += bytesOf(fact) - bytesOf(known);
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
      const end = lowerBound(byAge, (fact) => fact.position < position);
      const start = Math.max(0, end - limit);
      return { facts: byAge.slice(start, end).reverse(), hasMore: start > 0 };
    },
  };
}

/** Oldest first. */
export function compareAge(a: StoredFact, b: StoredFact): number {
  return a.position - b.position || (a.factId < b.factId ? -1 : 1);
}
