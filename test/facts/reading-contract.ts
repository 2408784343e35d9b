import { describe, expect, it } from "vitest";
import type { FactLimits, FactStore } from "../../src/facts/store.ts";
import { expectCode } from "./expect-error.ts";

/** Two users of one backend, on empty storage before each test. */
export interface ReadingWorld {
  readonly alice: FactStore;
  readonly bob: FactStore;
  reopen(limits: Partial<FactLimits>): Promise<void>;
}

/** The part of the contract that is about recall and list. */
export function describeReading(world: ReadingWorld): void {
  describe("any text", () => {
    it.each([
      ["emoji", "🎉 party at 🏠 with 👩‍👩‍👧", "🎉"],
      ["NUL", "before\u0000after", "after"],
      ["quotes and SQL", `Robert'); DROP TABLE keyv;--"`, "robert"],
      ["Keyv's own prefixes", ":base64:aGVsbG8=", "base64"],
      ["accents", "Zoë déjà vu in São Paulo", "zoe sao"],
      ["right to left", "אליס מנגנת בכינור", "בכינור"],
      ["German", "Wir treffen uns in der Straße", "STRASSE"],
      ["Greek", "Ο Οδυσσέας γύρισε", "οδυσσεασ"],
      ["Thai", "ฉันชอบกินข้าวผัด", "ข้าว"],
      ["Chinese", "我在北京大学学习计算机", "北京"],
      ["Japanese", "東京都に住んでいます", "東京"],
      ["Korean", "저는 고양이를 좋아해요", "고양이"],
      ["full width", "Ｗｉｆｉ password", "wifi"],
    ])("keeps %s as it is and finds it", async (_what, text, query) => {
      const { factId } = await world.alice.save({ text, tags: [text.slice(0, 8)] });
      await world.alice.save({ text: "something else altogether" });
      expect((await world.alice.get(factId)).text).toBe(text);
      expect((await world.alice.recall(query)).map((fact) => fact.text)).toEqual([text]);
    });

    it("keeps a lone surrogate and a fact of many kilobytes", async () => {
      await world.reopen({ maxFactBytes: 300_000 });
      for (const text of ["broken \ud800 half", "long ".repeat(50_000), "x".repeat(250_000)]) {
        expect((await world.alice.get((await world.alice.save({ text })).factId)).text).toBe(text);
      }
    });

    it.each([
      '"',
      "AND OR NOT",
      "*",
      "%",
      "_",
      "^2",
      "violin:(",
      ") OR 1=1 --",
      "NEAR(a b)",
      "-violin",
      "vio*",
      "\\",
      "\u0000",
    ])("takes the query %j for plain text", async (query) => {
      await world.alice.save({ text: "Alice plays the violin." });
      const found = await world.alice.recall(query);
      expect(found).toHaveLength(/violin/.test(query) ? 1 : 0);
    });
  });

  describe("recall", () => {
    it("wants all of the tags, in any case", async () => {
      await world.alice.save({ text: "violin lesson on Monday", tags: ["Music", "week"] });
      await world.alice.save({ text: "violin needs a new string", tags: ["music"] });
      expect(await world.alice.recall("violin", { tags: ["MUSIC"] })).toHaveLength(2);
      expect(
        (await world.alice.recall("violin", { tags: ["music", "Week"] })).map(({ score }) => score),
      ).toEqual([1]);
      expect(await world.alice.recall("violin", { tags: ["musi"] })).toEqual([]);
    });

    it("finds a fact by its tag", async () => {
      await world.alice.save({ text: "Practice on Monday", tags: ["violin"] });
      expect(await world.alice.recall("violin")).toHaveLength(1);
    });

    it("gives no more than the limit, best first, and never a score above 1", async () => {
      for (let i = 0; i < 30; i++)
        await world.alice.save({ text: `note ${i} about the ${i % 2 ? "garden" : "house"}` });
      const found = await world.alice.recall("garden note 7", { limit: 5 });
      expect(found).toHaveLength(5);
      expect(found[0]?.text).toBe("note 7 about the garden");
      expect(found[0]?.score).toBe(1);
      expect(found.map(({ score }) => score)).toEqual(
        found.map(({ score }) => score).toSorted((a, b) => b - a),
      );
      expect(await world.alice.recall("note")).toHaveLength(10);
    });

    it("gives the same bytes before and after another user's writes", async () => {
      for (let i = 0; i < 20; i++) await world.alice.save({ text: `Alice's note ${i} on zymurgy and bread` });
      const before = JSON.stringify(await world.alice.recall("zymurgy note 3 bread"));
      for (let i = 0; i < 50; i++) await world.bob.save({ text: `zymurgy zymurgy note ${i}` });
      expect(JSON.stringify(await world.alice.recall("zymurgy note 3 bread"))).toBe(before);
    });
  });

  describe("list", () => {
    const saveMany = async (count: number) => {
      for (let i = 0; i < count; i++) await world.alice.save({ text: `fact ${i}` });
    };

    it("pages newest first, each fact once, even for facts of one millisecond", async () => {
      await saveMany(25);
      const texts: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await world.alice.list({ limit: 10, ...(cursor && { cursor }) });
        texts.push(...page.facts.map(({ text }) => text));
        cursor = page.nextCursor;
      } while (cursor);
      expect(texts).toEqual(Array.from({ length: 25 }, (_, i) => `fact ${24 - i}`));
    });

    it("neither repeats nor skips when facts come and go between two pages", async () => {
      await saveMany(10);
      const first = await world.alice.list({ limit: 5 });
      await world.alice.save({ text: "newer" });
      await world.alice.forget(first.facts[4]?.factId ?? "");
      const second = await world.alice.list({ limit: 5, cursor: first.nextCursor ?? "" });
      expect(second.facts.map(({ text }) => text)).toEqual([
        "fact 4",
        "fact 3",
        "fact 2",
        "fact 1",
        "fact 0",
      ]);
      expect(second.nextCursor).toBeUndefined();
    });

    it("refuses a cursor of another user, a changed one and a made-up one", async () => {
      await saveMany(5);
      const { nextCursor = "" } = await world.alice.list({ limit: 2 });
      await world.bob.save({ text: "Bob's own" });
      await expectCode(world.bob.list({ cursor: nextCursor }), "CURSOR_INVALID");
      const changed = (nextCursor.startsWith("B") ? "C" : "B") + nextCursor.slice(1);
      for (const cursor of [
        changed,
        `${nextCursor}=`,
        `${nextCursor}AA`,
        "",
        "x",
        "5",
        Buffer.alloc(22).toString("base64url"),
      ]) {
        await expectCode(world.alice.list({ cursor }), "CURSOR_INVALID");
      }
    });
  });
}
