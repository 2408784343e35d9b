import { describe, expect, it } from "vitest";
import type { FactLimits, FactStore } from "../../src/facts/store.ts";
import { expectCode } from "./expect-error.ts";

const DAY_MS = 86_400_000;

interface Memory {
  reopen(limits?: Partial<FactLimits>): Promise<void>;
  wait(ms: number): void;
  readonly alice: FactStore;
}

/** What saving a text again does to the fact that has it. */
export function describeSavingAgain(memory: Memory): void {
  describe("saving a text again", () => {
    it("adds tags, by which the fact is found from then on", async () => {
      const { factId } = await memory.alice.save({ text: "The boiler is old.", tags: ["home"] });
      await memory.alice.save({ text: "The car is new." });
      const again = { text: "The boiler is old.", tags: ["HOME", "repairs"] };
      expect(await memory.alice.save(again)).toEqual({ kind: "duplicate", factId });
      const found = await memory.alice.recall("repairs", { tags: ["repairs"] });
      expect(found.map((fact) => [fact.factId, fact.tags])).toEqual([[factId, ["home", "repairs"]]]);
      await memory.alice.save({ text: "The boiler is old.", tags: ["heating"] });
      expect((await memory.alice.get(factId)).tags).toEqual(["home", "repairs", "heating"]);
      expect((await memory.alice.list()).facts.map((fact) => fact.text)).toEqual([
        "The car is new.",
        "The boiler is old.",
      ]);
    });

    it.each([
      ["none after one day", 1, undefined, undefined],
      ["none before one day", undefined, 1, undefined],
      ["three days after one", 1, 3, 3],
      ["one day after three", 3, 1, 3],
    ])("keeps the later expiry: %s", async (_what, first, second, kept) => {
      const save = (expiresInDays: number | undefined) =>
        memory.alice.save({ text: "milk", ...(expiresInDays !== undefined && { expiresInDays }) });
      const { factId } = await save(first);
      const { createdAt } = await memory.alice.get(factId);
      await save(second);
      const { expiresAt } = await memory.alice.get(factId);
      expect(expiresAt).toBe(kept === undefined ? undefined : createdAt + kept * DAY_MS);
      memory.wait(2 * DAY_MS);
      expect(await memory.alice.recall("milk")).toHaveLength(1);
    });

    it("counts the added tags against the limit of bytes", async () => {
      await memory.reopen({ maxFacts: 1, maxBytes: 10 });
      const { factId } = await memory.alice.save({ text: "12345", tags: ["ab"] });
      await expectCode(memory.alice.save({ text: "12345", tags: ["cdef"] }), "FACT_LIMIT_REACHED");
      expect((await memory.alice.get(factId)).tags).toEqual(["ab"]);
      await memory.alice.save({ text: "12345", tags: ["cde"] });
      expect((await memory.alice.get(factId)).tags).toEqual(["ab", "cde"]);
    });
  });
}
