// A process of its own that prints what one user's facts take of memory and what they say they take, in bytes.
import type { StoredFact } from "../../src/facts/rules.ts";
import { createUserFacts } from "../../src/facts/user-facts.ts";

let seed = 7;
function random(below: number): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((seed / 2 ** 32) * below);
}
const many = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);
const word = (length: number) => many(length, () => String.fromCharCode(97 + random(26))).join("");
const everyday = many(3_000, () => word(3 + random(7)));
const TEXTS: Record<string, () => string> = {
  common: () => many(15, () => everyday[random(random(3_000) + 1)]).join(" "),
  short: () => many(40, () => word(2)).join(" "),
  long: () => many(8, () => word(40)).join(" "),
  // Long enough not to be shared with the stems that are remembered.
  unique: () => many(15, () => word(14)).join(" "),
  chinese: () => many(40, () => String.fromCharCode(0x4e00 + random(random(3_000) + 1))).join(""),
};
const textOf = TEXTS[process.argv[2] ?? ""] ?? word;
const rows = (count: number) =>
  many(count, () => ({ text: textOf(9), tags: [], createdAt: 1_750_000_000_000 })).map((fact, i) =>
    JSON.stringify({ ...fact, factId: `fact_${String(i).padStart(24, "0")}`, position: i + 1 }),
  );
const fill = (texts: readonly string[]) => {
  const userFacts = createUserFacts();
  userFacts.add(
    texts.map((row) => JSON.parse(row) as StoredFact),
    0,
  );
  return userFacts;
};
const usedBytes = () => {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

// Before measuring: libraries, and stems that are remembered for everybody.
const facts = rows(2_000);
fill(facts).recall("anything", 10, []);
const before = usedBytes();
const userFacts = fill(facts);
const measured = usedBytes() - before;
console.log(JSON.stringify({ measured, estimated: userFacts.costBytes }));
