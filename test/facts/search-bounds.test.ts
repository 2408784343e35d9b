import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { newFactId } from "../../src/facts/rules.ts";
import { createSearchIndex } from "../../src/facts/search/index.ts";
import { createPostings, type Posting } from "../../src/facts/search/postings.ts";
import { expandQuery } from "../../src/facts/search/query.ts";
import { createSortedTerms, type SortedTerms } from "../../src/facts/search/sorted-terms.ts";
import { termsOf } from "../../src/facts/search/terms.ts";
import { createUserFacts, type UserFacts } from "../../src/facts/user-facts.ts";

/** The same words in every run (mulberry32). */
function createWords(): (chars: number) => string {
  let state = 7;
  const letter = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return String.fromCharCode(97 + (((t ^ (t >>> 14)) >>> 0) % 26));
  };
  return (chars) => Array.from({ length: chars }, letter).join("");
}

function postingsOf(...texts: string[]) {
  const postings = createPostings();
  for (const [i, text] of texts.entries()) postings.add({ id: `${i}`, text, tags: [], createdAt: i });
  return postings;
}

/** Expands the query against a vocabulary that counts how often it is asked, and fails when somebody walks it. */
function countVisits(storedWords: number, query: readonly string[]): number {
  const word = createWords();
  const postings = postingsOf(...Array.from({ length: storedWords / 10 }, () => manyWords(word, 10)));
  let visits = 0;
  class Counted extends Map<string, Posting> {
    override get(term: string) {
      visits += 1;
      return super.get(term);
    }
    override has(term: string) {
      visits += 1;
      return super.has(term);
    }
    override [Symbol.iterator](): never {
      throw new Error("the whole vocabulary was walked");
    }
  }
  const vocabulary = new Counted();
  for (const [term, posting] of postings.vocabulary) vocabulary.set(term, posting);
  const [sortedTerms, endings] = [postings.sortedTerms, postings.endings].map((sorted) => ({
    ...sorted,
    startingWith(prefix: string, limit: number) {
      visits += limit;
      return sorted.startingWith(prefix, limit);
    },
  })) as [SortedTerms, SortedTerms];
  expandQuery(query, { vocabulary, sortedTerms, endings });
  return visits;
}

const manyWords = (word: (chars: number) => string, count: number) =>
  Array.from({ length: count }, () => word(8)).join(" ");

describe("a recall's work", () => {
  it("is the same for few and for many stored words", () => {
    const query = Array.from({ length: 40 }, (_, i) => `qqxz${"abcdefghij"[i % 10]}${"klmn"[i % 4]}vv`);
    const unknown = [...new Set(query)];
    const few = countVisits(200, unknown);
    expect(few).toBeGreaterThan(1_000);
    expect(countVisits(20_000, unknown)).toBe(few);
  });

  it("ends at a bound for a query of many long words", () => {
    const word = createWords();
    const query = Array.from({ length: 500 }, () => word(24));
    expect(countVisits(100, query)).toBeLessThan(32 * 1_500);
  });

  it("looks at 32 words of a query, those that fewest facts have", () => {
    const common = Array.from({ length: 40 }, (_, i) => `common${i}`);
    const postings = postingsOf(common.join(" "), `${common.join(" ")} zither9`);
    const asked = expandQuery([...common, "zither9"], postings).weights;
    expect([...asked.keys()].map(({ term }) => term)).toContain("zither9");
    expect(asked.size).toBe(32);
  });

  it("stops at 64 words with the related and the near ones", () => {
    const ends = "bcdf".split("");
    const word = createWords();
    const words = Array.from({ length: 30 }, () => word(8));
    const postings = postingsOf(...words.map((known) => ends.map((end) => known + end).join(" ")));
    expect(expandQuery(words, postings).weights.size).toBe(64);
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
  ])("are found by %s", (_what, query, stored) => {
    const index = createSearchIndex();
    for (const [i, text] of [stored, "anything else"].entries())
      index.add({ id: text, text, tags: [], createdAt: i * 1e8 });
    expect(index.search(query, 10).map(({ id }) => id)).toEqual([stored]);
  });

  it("do not depend on the order in which they were saved", () => {
    const words = Array.from({ length: 12 }, (_, i) => `planet${String.fromCharCode(97 + i)}`);
    const asked = (texts: readonly string[]) =>
      [...expandQuery(["planet"], postingsOf(...texts)).weights.keys()].map(({ term }) => term);
    expect(asked(words)).toEqual(asked(words.toReversed()));
  });
});

describe("sorted terms", () => {
  it("hold what was added and not removed, in order, over many blocks", () => {
    const word = createWords();
    const terms = createSortedTerms();
    const kept = new Set(Array.from({ length: 5_000 }, () => word(3)));
    for (const term of kept) terms.add(term);
    for (const term of [...kept].slice(0, 2_000)) {
      terms.remove(term);
      kept.delete(term);
    }
    const sorted = [...kept].sort();
    expect(terms.startingWith("", 10_000)).toEqual(sorted);
    expect(terms.startingWith("k", 10_000)).toEqual(sorted.filter((term) => term.startsWith("k")));
    expect(terms.startingWith("m", 3)).toEqual(sorted.filter((term) => term.startsWith("m")).slice(0, 3));
  });
});

/** Bytes in use after a forced collection. A turn later, so that no frame of the stack holds what was dropped. */
async function heapBytes(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let i = 0; i < 3; i++) {
    await new Promise(setImmediate);
    collect();
  }
  return process.memoryUsage().heapUsed;
}

describe("the memory of a user's facts", () => {
  const word = createWords();
  const known = Array.from({ length: 2_000 }, () => word(6));
  const known14 = (i: number) =>
    Array.from({ length: 14 }, (_, n) => known[(i * n * 7 + i) % 2_000]).join(" ");
  it.each([
    ["with many words of their own", 2_000, () => Array.from({ length: 20 }, () => word(9)).join(" ")],
    ["that share their words", 10_000, known14],
    ["of one word each", 10_000, () => word(6)],
    [
      "in Chinese",
      1_000,
      (i: number) =>
        String.fromCharCode(...Array.from({ length: 60 }, (_, n) => 0x4e00 + ((i * 61 + n * n) % 3_000))),
    ],
  ])("is counted within a quarter for facts %s", async (_what, count, textOf) => {
    const rows = Array.from({ length: count }, (_, i) =>
      JSON.stringify({
        factId: newFactId(),
        text: textOf(i),
        tags: [],
        createdAt: 1_800_000_000_000 + i,
        position: i + 1,
      }),
    );
    const load = (userFacts: UserFacts) =>
      userFacts.add(
        rows.map((row) => JSON.parse(row)),
        0,
      );
    // Fills the cache of stems, which belongs to no user.
    load(createUserFacts());
    const before = await heapBytes();
    const userFacts = createUserFacts();
    load(userFacts);
    const taken = (await heapBytes()) - before;
    expect(userFacts.costBytes / taken).toBeGreaterThan(0.75);
    expect(userFacts.costBytes / taken).toBeLessThan(1.25);
  });

  it("is given back by what is forgotten", () => {
    const userFacts = createUserFacts();
    const empty = userFacts.costBytes;
    const facts = Array.from({ length: 500 }, (_, i) => ({
      factId: `f${i}`,
      text: known14(i),
      tags: [],
      createdAt: i,
      position: i,
    }));
    userFacts.add(facts, 0);
    userFacts.remove(facts.map(({ factId }) => factId));
    expect(userFacts.costBytes).toBeLessThan(empty + 64 * 200);
  });
});

describe("the terms of a text", () => {
  it.each([
    [
      "Latin letters",
      (i: number) => `${"unpronounceable".slice(0, 13)}${i.toString(36).padStart(3, "q")}`,
      "seldom said ",
    ],
    ["Hangul", (i: number) => `${String.fromCodePoint(0xac00 + i).repeat(16)}에서`, "말 "],
  ])("keep nothing else of it in memory: %s", async (_what, word, filling) => {
    const kept: string[][] = [];
    const before = await heapBytes();
    for (let i = 0; i < 300; i++) kept.push([...new Set(termsOf(filling.repeat(1_500) + word(i)))]);
    expect((await heapBytes()) - before).toBeLessThan(300 * 5_000);
    expect(kept).toHaveLength(300);
  });

  it("are found in an identifier as long as the longest fact", () => {
    expect(termsOf("aB".repeat(524_288)).length).toBeGreaterThan(524_288);
  });

  it("are in a text of names only, however many", () => {
    expect(postingsOf(`${"said Us ".repeat(131_072)}`).liveDocuments).toBe(1);
  });
});
