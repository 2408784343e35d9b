import { type StoredFact, toFact } from "./rules.ts";
import { createSearchIndex, type SearchIndex } from "./search/index.ts";
import { foldText } from "./search/terms.ts";
import { compareAge, createSortedFacts, type SortedFacts } from "./shelf.ts";
import type { RecalledFact } from "./store.ts";

// Measured on facts of 90 bytes: 1.2 KB each among 10,000, 2.4 KB among 100, where fewer share their words.
const BYTES_PER_MEMORY = 16_000;
const BYTES_PER_FACT = 700;
const BYTES_PER_TEXT_BYTE = 15;

/** One user's facts in memory, searchable: a copy of what the database holds, never shared between users. */
export interface UserFacts {
  readonly facts: ReadonlyMap<string, StoredFact>;
  readonly kept: { readonly facts: number; readonly bytes: number };
  /** What this copy costs the process, in bytes, roughly. */
  readonly costBytes: number;
  readonly nextPosition: number;
  /** Facts that are here already, or that expired, are left out. */
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
      return { facts: contents.sortedFacts.byId.size, bytes: contents.sortedFacts.bytes };
    },
    get costBytes() {
      const { byId, bytes } = contents.sortedFacts;
      return BYTES_PER_MEMORY + byId.size * BYTES_PER_FACT + bytes * BYTES_PER_TEXT_BYTE;
    },
    get nextPosition() {
      return (contents.sortedFacts.byAge.at(-1)?.position ?? 0) + 1;
    },
    add(facts, now) {
      const { byId } = contents.sortedFacts;
      contents = addAll(
        contents,
        facts.filter(({ factId }) => !byId.has(factId) && !expired.has(factId)),
      );
      expire(now);
    },
    remove: (factIds) => removeAll(contents, factIds),
    forgetExpired: () => expired.clear(),
    clear() {
      contents = empty();
      expired.clear();
    },
    findDuplicate: (text) => idsByText(contents).get(foldText(text)),
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
    contents.idByText?.set(foldText(fact.text), fact.factId);
  }
  return contents;
}

function removeAll({ sortedFacts, index, idByText }: Contents, factIds: Iterable<string>): void {
  for (const { factId, text } of sortedFacts.remove(factIds)) {
    index.remove(factId);
    idByText?.delete(foldText(text));
  }
}

function idsByText(contents: Contents): ReadonlyMap<string, string> {
  // The first one's id: of two that read the same, as an import may bring, the older is put last.
  contents.idByText ??= new Map(
    contents.sortedFacts.byAge.toReversed().map((fact) => [foldText(fact.text), fact.factId]),
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
