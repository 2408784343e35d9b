import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { checkRoom, maxWordsFor } from "../../src/facts/rules.ts";
import { createSearchIndex } from "../../src/facts/search/index.ts";
import { expandQuery, type KnownWords, type SearchQuery } from "../../src/facts/search/query.ts";
import { createSortedWords } from "../../src/facts/search/sorted-words.ts";
import { createVocabulary } from "../../src/facts/search/vocabulary.ts";
import { LIMITS } from "./limits.ts";

/** Words of letters, all different. */
function wordOf(n: number): string {
  let word = "";
  for (let rest = n; word.length < 8; rest = Math.floor(rest / 26))
    word += "etaoinshrdlucmfwypvbgkjqxz"[rest % 26];
  return word;
}

function vocabularyOf(words: Iterable<string>) {
  const vocabulary = createVocabulary();
  for (const word of words) vocabulary.use(word);
  return vocabulary;
}

const queryOf = (terms: readonly string[], isCompounding = false): SearchQuery => ({
  telling: terms.map((term) => [term]),
  slight: [],
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
    for (let i = 0; i < 20; i++) vocabulary.use(`word${i}`);
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
    for (let i = 0; i < 5_000; i++) worn.use(`garden${wordOf(i)}`);
    for (const word of words.toReversed()) worn.use(word);
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

describe("memory", () => {
  it.each([
    ["everyday words", "common"],
    ["short words", "short"],
    ["long words", "long"],
    ["words that no other fact has", "unique"],
    ["Chinese", "chinese"],
  ])("is estimated within a quarter for facts of %s", (_what, kind) => {
    const script = fileURLToPath(new URL("memory-estimate.ts", import.meta.url));
    const { stdout } = spawnSync(process.execPath, ["--expose-gc", script, kind], { encoding: "utf8" });
    const { measured, estimated } = JSON.parse(stdout) as { measured: number; estimated: number };
    expect(estimated / measured).toBeGreaterThan(0.75);
    expect(estimated / measured).toBeLessThan(1.25);
  });

  it("is given back when facts go", () => {
    const index = createSearchIndex();
    const add = (i: number) =>
      index.add({ id: `f${i}`, text: `${wordOf(i)} and ${wordOf(i + 5_000)}`, tags: [], createdAt: i });
    for (let i = 0; i < 5_000; i++) add(i);
    const { words } = index;
    for (let i = 0; i < 5_000; i++) index.remove(`f${i}`);
    expect(words).toBe(10_001);
    expect(index.words).toBe(0);
    for (let i = 0; i < 100; i++) add(i);
    expect(index.search(wordOf(50), 10).map(({ id }) => id)).toEqual(["f50"]);
  });

  it("is full when a user has too many different words, however short they are", () => {
    const words = maxWordsFor(LIMITS.maxFacts);
    const kept = { facts: 1, bytes: 1 };
    expect(() => checkRoom({ ...kept, words: words - 1 }, 1, LIMITS)).not.toThrow();
    expect(() => checkRoom({ ...kept, words }, 1, LIMITS)).toThrow(`${words} different words`);
  });
});
