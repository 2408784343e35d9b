import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FactBackend, FactLimits, FactStore } from "../../src/facts/store.ts";
import { expectCode, failureOf } from "./expect-error.ts";
import { LIMITS } from "./limits.ts";
import { describeReading } from "./reading-contract.ts";
import { describeSavingAgain } from "./saving-again-contract.ts";

export const ALICE = "a".repeat(64);
export const BOB = "b".repeat(64);
const DAY_MS = 86_400_000;
const NOON_MS = Date.UTC(2026, 10, 20, 12);

interface OpenOptions {
  limits: FactLimits;
  now: () => number;
}
/** Opens a backend on empty storage. The suite closes it. */
export type OpenBackend = (options: OpenOptions) => Promise<FactBackend> | FactBackend;

/** The contract of every FactBackend; runs on each of them. */
export function factStoreContract(name: string, openBackend: OpenBackend): void {
  describe(`facts in ${name}`, () => {
    let nowMs = NOON_MS;
    let backend: FactBackend;
    let alice: FactStore;
    let bob: FactStore;
    const reopen = async (limits: Partial<FactLimits> = {}) => {
      await backend?.close();
      backend = await openBackend({ limits: { ...LIMITS, ...limits }, now: () => nowMs });
      alice = backend.open(ALICE);
      bob = backend.open(BOB);
    };
    beforeEach(async () => {
      nowMs = NOON_MS;
      await reopen();
    });
    afterEach(() => backend.close());

    it("gives back what was saved, word for word", async () => {
      const { kind, factId } = await alice.save({
        text: "  Alice plays the violin. ",
        tags: ["music", "hobby"],
      });
      expect(kind).toBe("saved");
      const fact = {
        factId,
        text: "  Alice plays the violin. ",
        tags: ["music", "hobby"],
        createdAt: NOON_MS,
      };
      expect(await alice.get(factId)).toEqual(fact);
      expect(await alice.list()).toEqual({ facts: [fact] });
      expect(await alice.recall("violin")).toEqual([{ ...fact, score: 1 }]);
    });

    it("hides a fact from a second user: in recall, list, get and forget", async () => {
      const { factId } = await alice.save({ text: "Alice plays the violin." });
      expect(await bob.recall("violin")).toEqual([]);
      expect(await bob.list()).toEqual({ facts: [] });
      await expectCode(bob.get(factId), "FACT_NOT_FOUND");
      await expectCode(bob.forget(factId), "FACT_NOT_FOUND");
      expect((await alice.get(factId)).text).toBe("Alice plays the violin.");
    });

    it("answers an absent fact and somebody else's with the same sentence", async () => {
      const { factId } = await alice.save({ text: "Alice plays the violin." });
      const foreign = await failureOf(bob.get(factId));
      const absent = await failureOf(bob.get("fact_000000000000000000000000"));
      expect(foreign.message).toBe(absent.message);
    });

    it.each([
      ["a raw name", "alice"],
      ["upper case", "A".repeat(64)],
      ["a wildcard", `${"a".repeat(63)}%`],
      ["a key and a fact", `${ALICE}:fact_1`],
      ["a line break", `${ALICE}\n`],
    ])("opens no memory for %s", (_what, userKey) => {
      expect(() => backend.open(userKey)).toThrow("64 hex digits");
    });

    it("reaches nothing outside its own memory by a crafted id", async () => {
      const { factId } = await alice.save({ text: "Alice plays the violin." });
      for (const id of [
        `../${ALICE}:${factId}`,
        `${ALICE}:${factId}`,
        "%",
        "fact_%",
        "_".repeat(factId.length),
        "",
      ]) {
        await expectCode(bob.get(id), "FACT_NOT_FOUND");
        await expectCode(bob.forget(id), "FACT_NOT_FOUND");
      }
    });

    it("forgets for good, once", async () => {
      const { factId } = await alice.save({ text: "Alice plays the violin." });
      await alice.forget(factId);
      await expectCode(alice.get(factId), "FACT_NOT_FOUND");
      await expectCode(alice.forget(factId), "FACT_NOT_FOUND");
      expect(await alice.recall("violin")).toEqual([]);
      expect((await alice.save({ text: "Alice plays the violin." })).kind).toBe("saved");
    });

    it("gives every store that was opened for one user the same memory", async () => {
      const { factId } = await backend.open(ALICE).save({ text: "Alice plays the violin." });
      expect((await alice.recall("violin")).map((fact) => fact.factId)).toEqual([factId]);
    });

    describe("duplicates", () => {
      it.each([
        ["case", "alice LIKES Straße"],
        ["sharp s", "Alice likes STRASSE"],
        ["white space", "\tAlice  likes\u00a0Straße\n"],
        ["compatibility forms", "Ａｌｉｃｅ likes Straße"],
      ])("recognises one that differs in %s", async (_what, text) => {
        const first = await alice.save({ text: "Alice likes Straße" });
        expect(await alice.save({ text })).toEqual({ kind: "duplicate", factId: first.factId });
        expect((await alice.list()).facts).toHaveLength(1);
      });

      it.each([
        ["the case of a code", "The wifi password is Abc123x", "The wifi password is aBC123X"],
        ["superscripts", "Her code is 10\u00b2", "Her code is 102"],
        ["subscripts", "H\u2082", "H2"],
        ["circled digits", "Room \u2460", "Room 1"],
        ["fractions", "Add \u00bd cup", "Add 1/2 cup"],
        ["signs", "The blood type is A+", "The blood type is A-"],
        ["symbols", "The grade is \u211d", "The grade is R"],
        ["the case of a code without a number", "The password is openSesame", "The password is OpenSesame"],
      ])("takes what differs in %s for another fact", async (_what, text, other) => {
        await alice.save({ text });
        expect((await alice.save({ text: other })).kind).toBe("saved");
        expect((await alice.list()).facts.map((fact) => fact.text)).toEqual([other, text]);
      });

      it("keeps a composed and a decomposed accent for the same, and an accent and none for different", async () => {
        const first = await alice.save({ text: "Café" });
        expect(await alice.save({ text: "Cafe\u0301" })).toEqual({ kind: "duplicate", factId: first.factId });
        expect((await alice.save({ text: "Cafe" })).kind).toBe("saved");
      });

      it("are looked for among the user's own facts only", async () => {
        await alice.save({ text: "same words" });
        expect((await bob.save({ text: "same words" })).kind).toBe("saved");
      });

      it("saves a text once when it is saved twenty times at the same time", async () => {
        const saves = await Promise.all(Array.from({ length: 20 }, () => alice.save({ text: "at once" })));
        expect(saves.filter(({ kind }) => kind === "saved")).toHaveLength(1);
        expect(new Set(saves.map(({ factId }) => factId)).size).toBe(1);
      });
    });

    describe("limits", () => {
      it.each([
        ["nothing", ""],
        ["white space", " \n\t\u00a0"],
        ["invisible characters", "\u200b\u0000"],
      ])("refuse a fact of %s", (_what, text) => expectCode(alice.save({ text }), "FACT_EMPTY"));

      it("count a fact's UTF-8 bytes, not its characters", async () => {
        await reopen({ maxFactBytes: 8 });
        expect((await alice.save({ text: "éééé" })).kind).toBe("saved");
        await expectCode(alice.save({ text: "ééééx" }), "FACT_TOO_LARGE");
      });

      it("hold exactly when sixty saves come at the same time, and are each user's own", async () => {
        await reopen({ maxFacts: 25 });
        const outcomes = await Promise.allSettled(
          Array.from({ length: 60 }, (_, i) => [
            alice.save({ text: `fact ${i}` }),
            bob.save({ text: `fact ${i}` }),
          ]).flat(),
        );
        expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(50);
        for (const outcome of outcomes) {
          if (outcome.status === "rejected") expect(outcome.reason.code).toBe("FACT_LIMIT_REACHED");
        }
        expect((await alice.list({ limit: 100 })).facts).toHaveLength(25);
        expect((await bob.list({ limit: 100 })).facts).toHaveLength(25);
      });

      it("count the bytes of texts and tags, to the byte, and free them when a fact is forgotten", async () => {
        await reopen({ maxBytes: 10 });
        const first = await alice.save({ text: "12345", tags: ["ab"] });
        await expectCode(alice.save({ text: "7890" }), "FACT_LIMIT_REACHED");
        expect((await alice.save({ text: "890" })).kind).toBe("saved");
        await expectCode(alice.save({ text: "x" }), "FACT_LIMIT_REACHED");
        await alice.forget(first.factId);
        expect((await alice.save({ text: "7654321" })).kind).toBe("saved");
      });

      it("let a duplicate pass when the memory is full", async () => {
        await reopen({ maxFacts: 1 });
        const { factId } = await alice.save({ text: "the one" });
        expect(await alice.save({ text: "The One" })).toEqual({ kind: "duplicate", factId });
      });

      it("show no fact's text in an error", async () => {
        await reopen({ maxFacts: 1, maxFactBytes: 20 });
        await alice.save({ text: "pineapple" });
        for (const text of ["pineapple pie", "pineapple".repeat(9)]) {
          const failure = await failureOf(alice.save({ text }));
          expect(JSON.stringify([failure.message, failure.data])).not.toContain("pineapple");
        }
      });
    });

    describe("expiry", () => {
      it("hides a fact from the millisecond on that it expires", async () => {
        const { factId } = await alice.save({ text: "milk is in the fridge", expiresInDays: 1 });
        expect((await alice.get(factId)).expiresAt).toBe(NOON_MS + DAY_MS);
        nowMs = NOON_MS + DAY_MS - 1;
        expect(await alice.recall("milk")).toHaveLength(1);
        nowMs = NOON_MS + DAY_MS;
        expect(await alice.recall("milk")).toEqual([]);
        expect(await alice.list()).toEqual({ facts: [] });
        await expectCode(alice.get(factId), "FACT_NOT_FOUND");
        await expectCode(alice.forget(factId), "FACT_NOT_FOUND");
      });

      it("frees space, and an expired text is no duplicate", async () => {
        await reopen({ maxFacts: 1 });
        await alice.save({ text: "milk is in the fridge", expiresInDays: 0.5 });
        await expectCode(alice.save({ text: "another" }), "FACT_LIMIT_REACHED");
        nowMs += DAY_MS;
        expect((await alice.save({ text: "milk is in the fridge" })).kind).toBe("saved");
      });
    });

    describeSavingAgain({
      reopen,
      wait: (ms) => (nowMs += ms),
      get alice() {
        return alice;
      },
    });

    describeReading({
      reopen,
      get alice() {
        return alice;
      },
      get bob() {
        return bob;
      },
    });

    it("rejects with DATA_UNAVAILABLE after it was closed", async () => {
      await backend.close();
      await expectCode(alice.recall("violin"), "DATA_UNAVAILABLE");
      await expectCode(alice.save({ text: "violin" }), "DATA_UNAVAILABLE");
    });
  });
}
