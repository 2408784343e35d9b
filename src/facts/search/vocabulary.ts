import { createNumberList } from "./number-list.ts";
import { createSortedWords } from "./sorted-words.ts";

/** One user's words, each with a number. A word is there while a fact that is kept has it. */
export interface Vocabulary {
  readonly size: number;
  /** Memory that the words take, in bytes. */
  readonly bytes: number;
  /** -1 for a word that no fact has. */
  idOf(word: string): number;
  wordOf(id: number): string;
  /** In how many facts the word is. */
  factsWith(id: number): number;
  /** Returns the number of a word that no other fact has. */
  add(word: string): number;
  /** Counts one fact more. */
  use(id: number): void;
  /** Counts one fact less. Returns true for the last one: the number may then name another word. */
  release(id: number): boolean;
  /** Longer words that begin with `start`, which has at least MIN_START_CHARS characters, by the alphabet. */
  startingWith(start: string): Iterable<string>;
  /** Words of at least MIN_COMPOUND_CHARS that end with `end`, by the alphabet from their end. */
  endingWith(end: string): Iterable<string>;
}

/** Nobody asks for words by a shorter start, so short words need no order. */
export const MIN_START_CHARS = 4;
/** A shorter word is no compound. */
export const MIN_COMPOUND_CHARS = 8;
// Measured in V8: an entry of a Map with its spare room, a string's header, and the lists' share.
const BYTES_PER_WORD = 72;
const HEADER_BYTES = 16;
/** From this length on, V8 keeps a part of a text as a view of the whole text. */
const MIN_VIEW_CHARS = 13;
const ASCII_ONLY = /^[\0-\x7f]*$/;

export function createVocabulary(): Vocabulary {
  const ids = new Map<string, number>();
  const words: string[] = [];
  const facts = createNumberList();
  const freeIds: number[] = [];
  const sorted = createSortedWords();
  const backwards = createSortedWords();
  let backwardsBytes = 0;
  let textBytes = 0;
  return {
    get size() {
      return ids.size;
    },
    get bytes() {
      return (
        textBytes +
        words.length * BYTES_PER_WORD +
        facts.bytes +
        sorted.bytes +
        backwards.bytes +
        backwardsBytes
      );
    },
    idOf: (word) => ids.get(word) ?? -1,
    wordOf: (id) => words[id] as string,
    factsWith: (id) => facts.at(id),
    add(word) {
      const own = ownString(word);
      const id = freeIds.pop() ?? facts.push(0);
      ids.set(own, id);
      words[id] = own;
      facts.set(id, 1);
      if (own.length > MIN_START_CHARS) sorted.add(own);
      if (isCompoundLike(own)) {
        backwards.add(reversed(own));
        backwardsBytes += HEADER_BYTES + bytesOfText(own);
      }
      textBytes += bytesOfText(own);
      return id;
    },
    use: (id) => facts.set(id, facts.at(id) + 1),
    release(id) {
      const left = facts.at(id) - 1;
      facts.set(id, left);
      if (left > 0) return false;
      const word = words[id] as string;
      ids.delete(word);
      sorted.remove(word);
      if (isCompoundLike(word)) {
        backwards.remove(reversed(word));
        backwardsBytes -= HEADER_BYTES + bytesOfText(word);
      }
      textBytes -= bytesOfText(word);
      words[id] = "";
      freeIds.push(id);
      return true;
    },
    startingWith: sorted.startingWith,
    *endingWith(end) {
      for (const word of backwards.startingWith(reversed(end))) yield reversed(word);
    },
  };
}

function isCompoundLike(word: string): boolean {
  return word.length >= MIN_COMPOUND_CHARS && /^\p{L}+$/u.test(word);
}

function reversed(word: string): string {
  return Array.from(word).reverse().join("");
}

/** A copy that keeps no longer text alive, of which `text` may be a view. */
export function ownString(text: string): string {
  if (text.length < MIN_VIEW_CHARS) return text;
  const encoding = ASCII_ONLY.test(text) ? "latin1" : "utf16le";
  return Buffer.from(text, encoding).toString(encoding);
}

function bytesOfText(text: string): number {
  return Math.ceil((text.length * (ASCII_ONLY.test(text) ? 1 : 2)) / 8) * 8;
}
