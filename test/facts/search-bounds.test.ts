import { describe, expect, it } from "vitest";
import { createSearchIndex } from "../../src/facts/search/index.ts";
import { expandQuery, type KnownWords, type SearchQuery } from "../../src/facts/search/query.ts";
import { createSortedWords } from "../../src/facts/search/sorted-words.ts";
import { termsOf } from "../../src/facts/search/terms.ts";
import { createVocabulary } from "../../src/facts/search/vocabulary.ts";
import { wordOf } from "./words.ts";

function vocabularyOf(words: Iterable<string>) {
  const vocabulary = createVocabulary();
  for (const word of words) vocabulary.add(word);
  return vocabulary;
}

const queryOf = (terms: readonly string[], isCompounding = false): SearchQuery => ({
  content: terms.map((term) => [term]),
  functionWords: [],
  isCompounding,
});

/** How many words a query looks at. */
function visitsOf(terms: readonly string[], vocabulary: KnownWords, isCompounding = false): number {
  let visits = 0;
  const counting: KnownWords = {
    idOf: (word) => {
      visits += 1;
      return vocabulary.idOf(word);
    },
    factsWith: (id) => vocabulary.factsWith(id),
    startingWith: (start) => counted(vocabulary.startingWith(start)),
    endingWith: (end) => counted(vocabulary.endingWith(end)),
  };
  function* counted(words: Iterable<string>) {
    for (const word of words) {
      visits += 1;
      yield word;
    }
  }
  expandQuery(queryOf(terms, isCompounding), counting);
  return visits;
}

describe("a query looks at", () => {
  const unknown = Array.from({ length: 40 }, (_, i) => `zq${wordOf(i * 7_919)}`);

  it("as many words among 150,000 as among 1,000, when it knows none of them", () => {
    const few = visitsOf(unknown, vocabularyOf(Array.from({ length: 1_000 }, (_, i) => wordOf(i))));
    const many = visitsOf(unknown, vocabularyOf(Array.from({ length: 150_000 }, (_, i) => wordOf(i))));
    expect(many).toBe(few);
    expect(many).toBeLessThan(12 * 800);
  });

  it("few of the words that begin as an unknown one does", () => {
    const alike = vocabularyOf(Array.from({ length: 50_000 }, (_, i) => `begin${wordOf(i)}`));
    expect(visitsOf(["begin"], alike)).toBeLessThan(500);
    expect(visitsOf(["begin"], alike, true)).toBeLessThan(600);
  });

  it("few of the words that end as a German one does", () => {
    const alike = vocabularyOf(Array.from({ length: 50_000 }, (_, i) => `${wordOf(i)}termin`));
    expect(visitsOf(["termin"], alike, true)).toBeLessThan(1_000);
  });

  it("at most 32 terms, the rarest that are known", () => {
    const vocabulary = vocabularyOf(Array.from({ length: 100 }, (_, i) => `word${i}`));
    for (let i = 0; i < 20; i++) vocabulary.use(vocabulary.idOf(`word${i}`));
    const { weights: asked } = expandQuery(
      queryOf([...unknown, ...Array.from({ length: 40 }, (_, i) => `word${i}`)]),
      vocabulary,
    );
    expect(asked.size).toBe(32);
    for (let i = 20; i < 40; i++) expect(asked.get(vocabulary.idOf(`word${i}`))).toBe(1);
  });

  it.each([
    ["very long words", "x".repeat(64), 64],
    ["letters beyond ASCII", "программирование", 5_000],
  ])("a bounded number of spellings of %s", (_what, word, most) => {
    expect(visitsOf([word], vocabularyOf(["known"]))).toBeLessThan(most);
  });
});

describe("words in order", () => {
  it("are those that were added and not removed, whatever came when", () => {
    const sorted = createSortedWords();
    const all = Array.from({ length: 10_000 }, (_, i) => `a${wordOf((i * 7_919) % 10_000)}`);
    for (const [i, word] of all.entries()) {
      sorted.add(word);
      if (i % 3 === 0) sorted.remove(word);
      if (i === 5_000) expect([...sorted.startingWith("aet")].length).toBeGreaterThan(0);
    }
    const left = all.filter((_, i) => i % 3 !== 0).sort();
    expect([...sorted.startingWith("a")]).toEqual(left);
    expect([...sorted.startingWith("aeta")]).toEqual(left.filter((word) => word.startsWith("aeta")));
    for (const word of left) sorted.remove(word);
    expect([...sorted.startingWith("a")]).toEqual([]);
    expect(sorted.bytes).toBe(0);
  });

  it("give the same answers to an unknown word when others were forgotten", () => {
    const words = ["gardener", "gardens", "gardenia", "garde", "gardenparty", "gardenhouse"];
    const plain = vocabularyOf(words);
    const worn = createVocabulary();
    for (let i = 0; i < 5_000; i++) worn.add(`garden${wordOf(i)}`);
    for (const word of words.toReversed()) worn.add(word);
    for (let i = 0; i < 5_000; i++) worn.release(worn.idOf(`garden${wordOf(i)}`));
    const named = (vocabulary: typeof plain) =>
      [...expandQuery(queryOf(["garden"]), vocabulary).weights].map(([id, weight]) => [
        vocabulary.wordOf(id),
        weight,
      ]);
    expect(named(worn)).toEqual(named(plain));
    expect(named(plain)).toHaveLength(4);
  });
});

describe("words near to one that no fact has", () => {
  it.each([
    ["a letter that is too many", "keybooard", "keyboard"],
    ["a letter that is missing", "keybord", "keyboard"],
    ["another letter", "keyboerd", "keyboard"],
    ["two that are swapped", "kyeboard", "keyboard"],
    ["two that are swapped at the end", "keyboadr", "keyboard"],
    ["a Russian letter", "клавиотура", "клавиатура"],
    ["a beginning", "keybo", "keyboard"],
    ["a longer word", "keyboardist", "keyboard"],
    ["an end", "board", "keyboard"],
  ])("are found by %s", (_what, query, stored) => {
    const index = createSearchIndex();
    for (const [i, text] of [stored, "anything else"].entries())
      index.add({ id: text, text, tags: [], createdAt: i * 1e8 });
    expect(index.search(query, 10).map(({ id }) => id)).toEqual([stored]);
  });
});

describe("the words of a text", () => {
  it.each([
    ["an identifier as long as the longest fact", "aB".repeat(524_288), 524_290],
    ["names only, however many", "said Us ".repeat(131_072), 393_216],
    ["a letter and zeros without end", `a${"0".repeat(1_000_000)}x`, 1],
    ["one endless word", "x".repeat(1_000_000), 1],
  ])("are found in %s", (_what, text, count) => {
    expect(termsOf(text)).toHaveLength(count);
  });
});
