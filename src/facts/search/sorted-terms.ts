/** Distinct terms in code-unit order. */
export interface SortedTerms {
  add(term: string): void;
  remove(term: string): void;
  /** Returns the first terms that begin with `prefix`, `limit` at most. */
  startingWith(prefix: string, limit: number): string[];
}

/** A full block is split in two. Adding a term moves at most so many others. */
const MAX_BLOCK_TERMS = 512;

/** Blocks of terms: one sorted array of all would move half a vocabulary for each new word. */
export function createSortedTerms(): SortedTerms {
  const blocks: string[][] = [[]];

  /** The index of the last block that begins with `term` or a lower one, or of the first block. */
  const blockOf = (term: string): number =>
    Math.max(0, lowerBound(blocks, (block) => (block[0] ?? "") <= term) - 1);
  const placeIn = (block: readonly string[], term: string): number =>
    lowerBound(block, (other) => other < term);

  return {
    add(term) {
      const at = blockOf(term);
      const block = blocks[at] as string[];
      block.splice(placeIn(block, term), 0, term);
      if (block.length > MAX_BLOCK_TERMS) blocks.splice(at + 1, 0, block.splice(MAX_BLOCK_TERMS / 2));
    },
    remove(term) {
      const at = blockOf(term);
      const block = blocks[at] as string[];
      const place = placeIn(block, term);
      if (block[place] === term) block.splice(place, 1);
      if (block.length === 0 && blocks.length > 1) blocks.splice(at, 1);
    },
    startingWith(prefix, limit) {
      const found: string[] = [];
      let at = blockOf(prefix);
      let place = placeIn(blocks[at] as string[], prefix);
      while (found.length < limit && at < blocks.length) {
        const term = blocks[at]?.[place];
        if (term === undefined) {
          at += 1;
          place = 0;
        } else if (term.startsWith(prefix)) {
          found.push(term);
          place += 1;
        } else break;
      }
      return found;
    },
  };
}

/** The number of items at the beginning for which `isBefore` holds, by binary search. */
export function lowerBound<T>(items: readonly T[], isBefore: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(items[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}
