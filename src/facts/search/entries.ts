import { createNumberList } from "./number-list.ts";

/** For each pair of a term and a fact that has it, an entry. Each term's entries are linked, the latest first. */
export interface Entries {
  /** The memory that they take, in bytes. */
  readonly costBytes: number;
  /** Counts an occurrence in the fact that was written last. Returns true for the first one of the term in this fact. */
  count(term: number, slot: number): boolean;
  /** Counts an occurrence in a fact that has an entry, from 1 when it is the first one. */
  recount(term: number, slot: number, isFirst: boolean): void;
  push(term: number, slot: number): void;
  remove(term: number, slot: number): void;
  /** Removes all entries of a term. */
  drop(term: number): void;
  clear(): void;
  /** Calls `visit` for each entry whose slot has an id. */
  each(
    term: number,
    ids: readonly (string | undefined)[],
    visit: (slot: number, count: number) => void,
  ): void;
}

const NONE = -1;

export function createEntries(): Entries {
  /** By term. */
  const latest = createNumberList();
  const slots = createNumberList();
  const counts = createNumberList();
  const earlier = createNumberList();
  const lists = [latest, slots, counts, earlier];

  function push(term: number, slot: number): void {
    if (term === latest.length) latest.push(NONE);
    const before = latest.at(term);
    latest.set(term, slots.push(slot));
    counts.push(1);
    earlier.push(before);
  }

  function find(term: number, slot: number): number {
    let entry = latest.at(term);
    while (slots.at(entry) !== slot) entry = earlier.at(entry);
    return entry;
  }

  return {
    get costBytes() {
      return lists.reduce((sum, list) => sum + list.bytes, 0);
    },
    push,
    count(term, slot) {
      const entry = latest.at(term);
      if (entry === NONE || slots.at(entry) !== slot) {
        push(term, slot);
        return true;
      }
      counts.set(entry, counts.at(entry) + 1);
      return false;
    },
    recount(term, slot, isFirst) {
      const entry = find(term, slot);
      counts.set(entry, isFirst ? 1 : counts.at(entry) + 1);
    },
    remove: (term, slot) => slots.set(find(term, slot), NONE),
    drop: (term) => latest.set(term, NONE),
    clear() {
      for (let term = 0; term < latest.length; term++) latest.set(term, NONE);
      for (const list of [slots, counts, earlier]) list.clear();
    },
    each(term, ids, visit) {
      const slotOf = slots.numbers;
      const countOf = counts.numbers;
      const earlierOf = earlier.numbers;
      for (let entry = latest.at(term); entry !== NONE; entry = earlierOf[entry] as number) {
        const slot = slotOf[entry] as number;
        if (ids[slot] !== undefined) visit(slot, countOf[entry] as number);
      }
    },
  };
}
