import { describe, expect, it } from "vitest";
import { foldText } from "../../src/facts/search/fold.ts";
import { createSearchIndex } from "../../src/facts/search/index.ts";
import { parseQuery } from "../../src/facts/search/query.ts";
import { termsOf } from "../../src/facts/search/terms.ts";

const HOUR_MS = 3_600_000;

/** Facts told a day apart, so that none lends another any score. */
function indexOf(...texts: string[]) {
  const index = createSearchIndex();
  for (const [i, text] of texts.entries())
    index.add({ id: text, text, tags: [], createdAt: i * 24 * HOUR_MS });
  return { index, find: (query: string) => index.search(query, 10).map(({ id }) => id) };
}

describe("terms", () => {
  it.each([
    ["inflections meet in their stem", "camping camped camps", ["camp", "camp", "camp"]],
    ["irregular forms meet too", "bought children went", ["buy", "child", "go"]],
    ["possessives and contractions lose their tail", "Caroline's we'll", ["carolin", "we"]],
    ["a typographic apostrophe is an apostrophe", "Caroline’s", ["carolin"]],
    ["a compound is found as parts and as one word", "self-care", ["self", "care", "selfcar"]],
    ["accents don't count", "Zoë naïve", ["zoe", "naiv"]],
    ["full-width letters are letters", "ＡＢＣ", ["abc"]],
    ["punctuation separates", "a:b*c^d(e)", ["a", "b", "c", "d", "e"]],
    ["an emoji is a term", "🎉 yes", ["🎉", "yes"]],
    ["two CJK characters are a term", "北京大", ["北京", "京大"]],
    ["Latin letters among CJK are words", "我用TypeScript", ["我用", "typescript"]],
    ["Russian is stemmed as Russian", "книги", ["книг"]],
  ])("%s", (_what, text, terms) => expect(termsOf(text)).toEqual(expect.arrayContaining(terms)));

  it("of a query leave out stop words, unless there is nothing else", () => {
    const contentOf = (text: string) => parseQuery(text).content.map(([term]) => term);
    expect(contentOf("What is the name of my dog?")).toEqual(["name", "dog"]);
    expect(contentOf("who am I")).toEqual(["who", "be", "i"]);
  });

  it("of a text of one endless word are short", () => {
    expect(termsOf("x".repeat(100_000))[0]).toHaveLength(64);
  });

  it("fold to one spelling", () => {
    expect(foldText(" ＦＯＯ\u3000Straße ")).toBe(foldText("foo STRASSE"));
  });
});

describe("ranking", () => {
  it("finds what a question asks for, in other words of the same stem", () => {
    const { find } = indexOf(
      "Melanie ran a charity race.",
      "Melanie painted a lake.",
      "Caroline went camping.",
    );
    expect(find("When did Melanie run the charity races?")[0]).toBe("Melanie ran a charity race.");
    expect(find("Where has Caroline camped?")[0]).toBe("Caroline went camping.");
  });

  it("puts a rare word above a common one", () => {
    const { find } = indexOf("Jon likes tea", "Jon likes milk", "Jon likes rye bread", "Jon likes rain");
    expect(find("Jon likes rye")[0]).toBe("Jon likes rye bread");
  });

  it("prefers the fact about the person that was asked for", () => {
    const { find } = indexOf("Alice thinks that Bob should rest.", "Bob thinks that Alice should rest.");
    expect(find("What does Bob think?")[0]).toBe("Bob thinks that Alice should rest.");
  });

  it("finds related everyday words, below the word itself", () => {
    const { find } = indexOf("Jon works as a banker", "Jon drives to his job", "Jon paints the fence");
    expect(find("job")).toEqual(["Jon drives to his job", "Jon works as a banker"]);
  });

  it("forgives one slip in a word that no fact has, but not in a number", () => {
    const { find } = indexOf("Her educaton was long", "Flight 12345 is late");
    expect(find("education")).toEqual(["Her educaton was long"]);
    expect(find("12346")).toEqual([]);
  });

  it("lends a fact some of the score of what was said just before, not of what was said a day before", () => {
    const index = createSearchIndex();
    const texts = [
      "We spoke about the pottery class in Lisbon",
      "Anna liked the class",
      "Bert liked the class",
    ];
    const times = [0, 1, 24 * HOUR_MS];
    for (const [i, text] of texts.entries())
      index.add({ id: text, text, tags: [], createdAt: times[i] ?? 0 });
    const scores = new Map(index.search("pottery class", 10).map(({ id, score }) => [id, score]));
    expect(scores.get("Anna liked the class")).toBeGreaterThan(scores.get("Bert liked the class") ?? 1);
  });

  it("brings in nothing that has no word of the query, nor one related to it", () => {
    const { find } = indexOf("zither lessons on Monday", "Monday is cleaning day");
    expect(find("zither")).toEqual(["zither lessons on Monday"]);
    expect(find("quark")).toEqual([]);
    expect(find("***")).toEqual([]);
  });

  it("scores the best match 1 and puts the newer of equals first", () => {
    const index = createSearchIndex();
    for (let i = 0; i < 3; i++)
      index.add({ id: `f${i}`, text: "same words", tags: [], createdAt: i * 24 * HOUR_MS });
    expect(index.search("words", 10)).toEqual(["f2", "f1", "f0"].map((id) => ({ id, score: 1 })));
  });

  it("depends on the facts there are, not on those there were", () => {
    const plain = indexOf("rye bread", "white bread", "rye whisky");
    const worn = createSearchIndex();
    for (let i = 0; i < 500; i++) {
      worn.add({ id: `gone ${i}`, text: `rye bread number ${i}`, tags: [], createdAt: 0 });
      if (i > 2) worn.remove(`gone ${i}`);
    }
    for (const [i, text] of ["rye bread", "white bread", "rye whisky"].entries()) {
      worn.add({ id: text, text, tags: [], createdAt: i * 24 * HOUR_MS });
    }
    for (let i = 0; i < 3; i++) worn.remove(`gone ${i}`);
    expect(worn.search("rye bread", 10)).toEqual(plain.index.search("rye bread", 10));
  });

  it("is the same after a fact got other tags as if it had always had them", () => {
    const texts = ["rye bread", "white bread", "rye whisky"].map((text, i) => ({
      id: text,
      text,
      tags: ["food"],
      createdAt: i,
    }));
    const [fresh, changed] = [createSearchIndex(), createSearchIndex()];
    for (const text of texts) {
      fresh.add({ ...text, tags: ["food", "rye", "new"] });
      changed.add(text);
    }
    for (const text of texts) changed.replace({ ...text, tags: ["food", "rye", "new"] });
    for (const query of ["rye", "bread food", "new"])
      expect(changed.search(query, 10)).toEqual(fresh.search(query, 10));
    changed.remove("rye bread");
    fresh.remove("rye bread");
    expect(changed.search("rye food", 10)).toEqual(fresh.search("rye food", 10));
  });
});
