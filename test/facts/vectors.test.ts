import { describe, expect, it } from "vitest";
import { blend, createUserVectors, NO_VECTOR, toVector } from "../../src/facts/vectors.ts";

const ALL = { limit: 10, accepts: () => true };

describe("a vector", () => {
  it("keeps its direction in a byte for each number", async () => {
    const vectors = createUserVectors();
    const numbers = Array.from({ length: 1_536 }, (_, i) => Math.sin(i));
    vectors.set("same", toVector(numbers.map((number) => number * 1e-6)));
    vectors.set("opposite", toVector(numbers.map((number) => -number)));
    vectors.set("other length", toVector([1]));
    const cosines = await vectors.compare(toVector(numbers));
    expect(cosines.get("same")).toBeCloseTo(1, 3);
    expect(cosines.get("opposite")).toBeCloseTo(-1, 3);
    expect(cosines.has("other length")).toBe(false);
  });

  it.each([
    ["zeros", [0, 0]],
    ["no numbers", []],
    ["something endless", [1, Number.POSITIVE_INFINITY]],
    ["no number", [1, Number.NaN]],
    ["too many numbers", Array.from({ length: 5_000 }, () => 1)],
  ])("is not made of %s", (_what, numbers) => {
    expect(toVector(numbers)).toBe(NO_VECTOR);
  });
});

describe("a user's vectors", () => {
  it("are compared in steps, between which others get the thread", async () => {
    const vectors = createUserVectors();
    for (let i = 0; i < 3_000; i++) vectors.set(`${i}`, new Int8Array(1_536).fill(1 + (i % 100)));
    let turns = 0;
    let isDone = false;
    const count = () => {
      turns += 1;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    expect((await vectors.compare(new Int8Array(1_536).fill(3))).size).toBe(3_000);
    isDone = true;
    expect(turns).toBeGreaterThanOrEqual(4);
  });

  it("count their bytes, give them back, and keep few queries", () => {
    const vectors = createUserVectors();
    for (let i = 0; i < 100; i++) vectors.set(`${i}`, new Int8Array(1_000));
    vectors.set("0", new Int8Array(1_000));
    const bytes = vectors.costBytes;
    expect(bytes).toBeGreaterThan(100_000);
    vectors.keep(new Map([["7", {}]]));
    expect(vectors.size).toBe(1);
    expect(vectors.costBytes).toBeLessThan(bytes / 50);
    for (let i = 0; i < 1_000; i++) vectors.queries.set(`${i}`, new Int8Array(1_000));
    expect(vectors.costBytes).toBeLessThan(50_000);
    expect(vectors.queries.get("999")).toBeDefined();
    expect(vectors.queries.get("0")).toBeUndefined();
  });
});

describe("the blended order", () => {
  it("is that of the words where meaning tells nothing", () => {
    const byWords = [
      { id: "a", score: 1 },
      { id: "b", score: 0.4 },
    ];
    expect(blend(byWords, new Map(), ALL)).toEqual(byWords);
  });

  it("puts the nearest first among facts that are alike by words, whatever the range of the cosines", () => {
    const byWords = ["a", "b", "c"].map((id) => ({ id, score: 1 }));
    for (const [low, high] of [
      [-0.9, 0.9],
      [0.7, 0.72],
    ] as const)
      expect(
        blend(
          byWords,
          new Map([
            ["a", low],
            ["b", high],
            ["c", low],
          ]),
          ALL,
        ).map(({ id }) => id)[0],
      ).toBe("b");
  });

  it("brings in only facts that are much nearer than the average, and that are accepted", () => {
    const cosines = new Map([
      ["near", 0.9],
      ["refused", 0.9],
      ["far", 0.1],
      ["farther", 0],
    ]);
    const accepts = (id: string) => id !== "refused";
    expect(blend([], cosines, { limit: 10, accepts })).toEqual([{ id: "near", score: 1 }]);
  });
});
