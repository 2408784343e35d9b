/** Words by the alphabet (by their UTF-16 codes). Finding, adding and removing one looks at few others. */
export interface SortedWords {
  /** Memory for the order, without the words themselves. */
  readonly bytes: number;
  add(word: string): void;
  remove(word: string): void;
  /** Words that begin with `start`, ascending. */
  startingWith(start: string): Iterable<string>;
}

const MAX_BLOCK = 512;
/** New words are put in order together, when somebody looks or when there are this many. */
const MAX_UNSORTED = 4_096;
const BYTES_PER_SORTED = 12;
const BYTES_PER_UNSORTED = 40;

export function createSortedWords(): SortedWords {
  /** Each ascending and not empty; the last word of a block is below the first of the next. */
  const blocks: string[][] = [];
  const unsorted = new Set<string>();
  let count = 0;

  function sort(): void {
    for (const word of [...unsorted].sort()) insert(word);
    unsorted.clear();
  }

  function insert(word: string): void {
    count += 1;
    const at = blockOf(blocks, word);
    const block = blocks[at];
    if (block === undefined) {
      blocks.push([word]);
      return;
    }
    block.splice(firstAtOrAfter(block, word), 0, word);
    if (block.length > MAX_BLOCK) blocks.splice(at + 1, 0, block.splice(block.length >>> 1));
  }

  return {
    get bytes() {
      return count * BYTES_PER_SORTED + unsorted.size * BYTES_PER_UNSORTED;
    },
    add(word) {
      unsorted.add(word);
      if (unsorted.size >= MAX_UNSORTED) sort();
    },
    remove(word) {
      if (unsorted.delete(word)) return;
      const at = blockOf(blocks, word);
      const block = blocks[at];
      const index = block === undefined ? -1 : firstAtOrAfter(block, word);
      if (block?.[index] !== word) return;
      count -= 1;
      block.splice(index, 1);
      if (block.length === 0) blocks.splice(at, 1);
    },
    *startingWith(start) {
      sort();
      let at = blockOf(blocks, start);
      let index = firstAtOrAfter(blocks[at] ?? [], start);
      for (; at < blocks.length; at++, index = 0) {
        const block = blocks[at] as string[];
        for (; index < block.length; index++) {
          const word = block[index] as string;
          if (!word.startsWith(start)) return;
          yield word;
        }
      }
    },
  };
}

/** The last block whose first word is not above `word`; 0 when there is none. */
const blockOf = (blocks: readonly (readonly string[])[], word: string): number =>
  Math.max(0, lowerBound(blocks, (block) => (block[0] as string) <= word) - 1);

const firstAtOrAfter = (block: readonly string[], word: string): number =>
  lowerBound(block, (other) => other < word);

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
