import { describe, expect, it } from "vitest";
import { newId } from "../../src/database/ids.ts";

describe("an id", () => {
  it("sorts by the time it was made, and within a millisecond by the order", () => {
    const made = [5, 5, 5, 6, 1000, 1e12, 1e12, 2e12].map((now) => newId("job", now));
    expect(made.toSorted()).toEqual(made);
  });

  it("can't be told from its neighbour: 80 bits of it are random", () => {
    const tails = Array.from({ length: 1000 }, () => newId("run", 7).slice(-20));
    expect(new Set(tails).size).toBe(1000);
    expect(tails[0]).toMatch(/^[0-9a-f]{20}$/);
  });
});
