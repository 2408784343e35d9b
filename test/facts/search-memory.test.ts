import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { checkRoom, maxWordsFor } from "../../src/facts/rules.ts";
import { createSearchIndex } from "../../src/facts/search/index.ts";
import { termsOf } from "../../src/facts/search/terms.ts";
import { LIMITS } from "./limits.ts";
import { wordOf } from "./words.ts";

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

  it("does not grow when a fact is replaced again and again", () => {
    const index = createSearchIndex();
    const fact = { id: "f", text: "The boiler is old.", tags: ["home"], createdAt: 0 };
    index.add(fact);
    const replaceAll = () => {
      for (let i = 0; i < 5_000; i++) index.replace({ ...fact, tags: [wordOf(i)] });
      return index.costBytes;
    };
    expect(replaceAll()).toBe(replaceAll());
    expect(index.search(wordOf(4_999), 10)).toHaveLength(1);
    expect(index.search(wordOf(123), 10)).toEqual([]);
  });

  it("is full when a user has too many different words, however short they are", () => {
    const words = maxWordsFor(LIMITS.maxFacts);
    const kept = { facts: 1, bytes: 1 };
    expect(() => checkRoom({ ...kept, words: words - 1 }, 1, LIMITS)).not.toThrow();
    expect(() => checkRoom({ ...kept, words }, 1, LIMITS)).toThrow(`${words} different words`);
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
});
