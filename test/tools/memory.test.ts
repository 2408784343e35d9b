import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { EntityType } from "../../src/context/entity.ts";
import { openKeyvFacts } from "../../src/facts/keyv.ts";
import { ghostTools } from "../../src/tools/builtin-ghost.ts";
import { factTools, RECALL_SKIPPED, SAVE_SKIPPED } from "../../src/tools/facts.ts";
import { tempDir } from "../harness.ts";
import { ask, openProgram } from "../program.ts";
import { codeOf, openToolWorld } from "./tool-world.ts";

const CALLS = [
  ["recall_facts", { query: "coffee" }, "recall"],
  ["list_facts", {}, "recall"],
  ["save_fact", { fact: "Planted." }, "save"],
  ["forget_fact", { fact_id: "fact_1" }, "save"],
] as const;

const SAID = {
  recall: "[Scheduler Task] Memory recall skipped - automated tasks cannot access user memories",
  save: "[Scheduler Task] Memory save skipped - automated tasks cannot write to user memories",
};

/** The memory tools in a context of that entity type, with a real store behind them or without. */
async function openMemory(entityType: EntityType, handed: boolean) {
  const backend = await openKeyvFacts({
    file: join(await tempDir(), "facts.sqlite"),
    limits: { maxFacts: 10, maxBytes: 1_000, maxFactBytes: 100 },
    now: Date.now,
  });
  const facts = backend.open("a".repeat(64));
  await facts.save({ text: "Coffee with oat milk." });
  const world = openToolWorld([], {
    builtIn: factTools,
    seed: { entityType },
    services: handed ? { facts } : {},
  });
  return { ...world, facts, close: () => backend.close() };
}

describe("the words for a skipped memory", () => {
  it("are those that were agreed on", () => {
    expect(RECALL_SKIPPED).toBe(SAID.recall);
    expect(SAVE_SKIPPED).toBe(SAID.save);
  });
});

describe.each([
  ["handed no store", false],
  ["handed a store by mistake", true],
])("a scheduler that was %s", (_what, handed) => {
  it("is told of each memory tool, word for word, that it was skipped, not that it failed", async () => {
    const memory = await openMemory("scheduler", handed);
    for (const [name, args, side] of CALLS) {
      expect(await memory.toolkit.call(name, args), name).toEqual({
        content: [{ type: "text", text: SAID[side] }],
        structuredContent: { status: "skipped", reason: "scheduler_context" },
      });
    }
    const kept = await memory.facts.list({ limit: 10 });
    expect(kept.facts.map(({ text }) => text)).toEqual(["Coffee with oat milk."]);
    await memory.close();
  });
});

describe("an unknown entity", () => {
  it.each([true, false])("has no memory (store handed: %s)", async (handed) => {
    const memory = await openMemory("unknown", handed);
    for (const [name, args] of CALLS) {
      const result = await memory.toolkit.call(name, args);
      expect(codeOf(result), name).toBe("MEMORY_DENIED");
      expect(JSON.stringify(result)).not.toContain("oat milk");
    }
    expect((await memory.facts.list({ limit: 10 })).facts).toHaveLength(1);
    await memory.close();
  });

  it.each(["human", "api"] as const)("unlike a %s, who has one", async (entityType) => {
    const memory = await openMemory(entityType, true);
    const recalled = await memory.toolkit.call("recall_facts", { query: "coffee" });
    expect(recalled.structuredContent).toMatchObject({
      status: "ok",
      facts: [{ fact: "Coffee with oat milk." }],
    });
    expect(codeOf(await memory.toolkit.call("forget_fact", { fact_id: "fact_1" }))).toBe("FACT_NOT_FOUND");
    await memory.close();
  });

  it("gets MEMORY_DENIED rather than a crash where a human was handed nothing", async () => {
    const memory = await openMemory("human", false);
    for (const [name, args] of CALLS)
      expect(codeOf(await memory.toolkit.call(name, args))).toBe("MEMORY_DENIED");
    await memory.close();
  });
});

describe("a ghost's tools", () => {
  it("have nothing that lists or forgets facts, or that schedules", () => {
    expect(ghostTools.map(({ name }) => name).sort()).toEqual([
      "current_time",
      "get_run",
      "list_runs",
      "recall_facts",
      "save_fact",
      "whoami",
    ]);
  });
});

describe("memory in the program", () => {
  it("is each user's own, and the file never holds a user's name", async () => {
    const program = await openProgram();
    const [alice, bob] = [program.open("alice"), program.open("bob")];
    const { fact_id } = await ask(alice, "save_fact", { fact: "The code of the safe is 4711." });
    expect((await ask(bob, "recall_facts", { query: "code of the safe" })).facts).toEqual([]);
    expect((await ask(bob, "list_facts")).facts).toEqual([]);
    const [theirs, none] = await Promise.all([
      bob.toolkit.call("forget_fact", { fact_id }),
      bob.toolkit.call("forget_fact", { fact_id: "fact_00000000000000" }),
    ]);
    expect(theirs.content).toEqual(none?.content);
    expect((await ask(alice, "list_facts")).facts).toMatchObject([{ fact_id }]);
    await program.close();
    // Nothing is left beside the file: a forgotten fact does not live on in a write-ahead log.
    expect(existsSync(join(program.dataDir, "facts.sqlite-wal"))).toBe(false);
    const bytes = await readFile(join(program.dataDir, "facts.sqlite"));
    expect(bytes.includes(alice.context.userKey)).toBe(true);
    expect(bytes.includes("alice")).toBe(false);
  });
});
