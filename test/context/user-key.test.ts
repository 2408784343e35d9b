import { describe, expect, it } from "vitest";
import { createUserContext, userKeyOf } from "../../src/context/user-context.ts";

type Pair = readonly [issuer: string, subject: string];
const keyOf = ([issuer, subject]: Pair) => userKeyOf({ issuer, subject });

/** Pairs of names that LIKE, case folding, joining, normalising or object keys would take for one user. */
const CONFUSABLE: Record<string, readonly [Pair, Pair]> = {
  "a LIKE wildcard": [
    ["local", "user_1"],
    ["local", "userX1"],
  ],
  "a percent sign": [
    ["local", "user%"],
    ["local", "user1"],
  ],
  "the case of a letter": [
    ["local", "Alice"],
    ["local", "ALICE"],
  ],
  "a separator in issuer or subject": [
    ["a", "b:c"],
    ["a:b", "c"],
  ],
  "a quote and comma in issuer or subject": [
    ['a","b', "c"],
    ["a", 'b","c'],
  ],
  "issuer and subject swapped": [
    ["a", "b"],
    ["b", "a"],
  ],
  "another issuer": [
    ["https://a.example", "7"],
    ["https://b.example", "7"],
  ],
  "a slash at the end of the issuer": [
    ["https://a.example", "7"],
    ["https://a.example/", "7"],
  ],
  "composed and decomposed é": [
    ["local", "Ren\u00e9"],
    ["local", "Rene\u0301"],
  ],
  "a full-width letter": [
    ["local", "A"],
    ["local", "\uff21"],
  ],
  "a NUL at the end": [
    ["local", "alice"],
    ["local", "alice\0"],
  ],
  "a NUL in the middle": [
    ["local", "a\0b"],
    ["local", "ab"],
  ],
  "a space at the end": [
    ["local", "alice"],
    ["local", "alice "],
  ],
  "two lone surrogates": [
    ["local", "\ud800"],
    ["local", "\ud801"],
  ],
  "a lone surrogate and the replacement character": [
    ["local", "\ud800"],
    ["local", "\ufffd"],
  ],
  "an escape and what it stands for": [
    ["local", "\n"],
    ["local", "\\n"],
  ],
  "the last of 300 characters": [
    ["local", `${"x".repeat(299)}a`],
    ["local", `${"x".repeat(299)}b`],
  ],
  "names of an object's prototype": [
    ["local", "__proto__"],
    ["local", "constructor"],
  ],
};

describe("a user key", () => {
  it.each(Object.entries(CONFUSABLE))("tells apart %s", (_what, [one, other]) => {
    expect(keyOf(one)).not.toBe(keyOf(other));
  });

  it("is unlike every other of the list, and the same each time", () => {
    const pairs = Object.values(CONFUSABLE).flat();
    const different = new Set(pairs.map((pair) => JSON.stringify(pair)));
    expect(new Set(pairs.map(keyOf)).size).toBe(different.size);
    expect(pairs.map(keyOf)).toEqual(pairs.map(keyOf));
  });

  it("is hex, whatever the name: safe in a file name, a LIKE pattern and a log", () => {
    for (const pair of Object.values(CONFUSABLE).flat()) expect(keyOf(pair)).toMatch(/^[0-9a-f]{64}$/);
  });

  it("is the same in every release: stored data depends on it", () => {
    expect(keyOf(["local", "alice"])).toBe(
      "76f65addd89f365185f5522d2de8ec6676d65a681e07a3bf1456ad3219950e92",
    );
  });

  it.each([
    ["", "alice"],
    ["local", ""],
    ["local", undefined],
    ["local", null],
    ["local", 7],
  ] as const)("is refused for (%j, %j), which is nobody", (issuer, subject) => {
    const principal = { issuer, subject } as never;
    expect(() => userKeyOf(principal)).toThrow("a principal needs an issuer and a subject");
    const { signal } = new AbortController();
    expect(() => createUserContext({ principal, entityType: "human", signal })).toThrow(TypeError);
  });
});
