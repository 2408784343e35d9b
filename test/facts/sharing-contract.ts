import Keyv from "keyv";
import { describe, expect, it } from "vitest";
import { expectCode } from "./expect-error.ts";
import type { NewFactStorage } from "./fact-backends.ts";
import { ALICE, BOB } from "./fact-store-contract.ts";
import { LIMITS } from "./limits.ts";

const DAY_MS = 86_400_000;

/** The contract of storage that several nodes share and other programs may read; runs on each kind of it. */
export function factSharingContract(name: string, newStorage: NewFactStorage): void {
  describe(`two nodes on ${name}`, () => {
    it("lose nothing when both save at the same time", async () => {
      const storage = await newStorage();
      const ours = storage.open({ lockTimeoutMs: 15_000 }).open(ALICE);
      const [theirs, mine] = await Promise.all([
        storage.runSaver([ALICE, "other", 150]),
        Promise.all(Array.from({ length: 150 }, (_, i) => ours.save({ text: `main saves number ${i}` }))),
      ]);
      const ids = new Set([...theirs, ...mine.map(({ factId }) => factId)]);
      expect(ids.size).toBe(300);
      const { facts } = await ours.list({ limit: 1_000 });
      expect(new Set(facts.map(({ factId }) => factId))).toEqual(ids);
    });

    it("hold a user's limit exactly between them", async () => {
      const storage = await newStorage();
      const answers = await Promise.all([
        storage.runSaver([ALICE, "one", 60, 50]),
        storage.runSaver([ALICE, "two", 60, 50]),
      ]);
      const counts = Map.groupBy(answers.flat(), (answer) => (answer.startsWith("fact_") ? "saved" : answer));
      expect(counts.get("saved")).toHaveLength(50);
      expect(counts.get("FACT_LIMIT_REACHED")).toHaveLength(70);
      expect((await storage.open().open(ALICE).list({ limit: 100 })).facts).toHaveLength(50);
    });

    it("hold a user's bytes exactly between them, and each user's alone", async () => {
      const storage = await newStorage();
      const nodes = Array.from({ length: 3 }, () => storage.open({ limits: { ...LIMITS, maxBytes: 255 } }));
      const saves = nodes.flatMap((node, n) =>
        Array.from({ length: 20 }, (_, i) =>
          [ALICE, BOB].map((user) => node.open(user).save({ text: `${n} byte ${i + 10}.` })),
        ),
      );
      const outcomes = await Promise.allSettled(saves.flat());
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(50);
      for (const outcome of outcomes)
        if (outcome.status === "rejected") expect(outcome.reason.code).toBe("FACT_LIMIT_REACHED");
      for (const user of [ALICE, BOB])
        expect((await storage.open().open(user).list({ limit: 100 })).facts).toHaveLength(25);
    });

    it("recognise each other's duplicates", async () => {
      const storage = await newStorage();
      const answers = await Promise.all([
        storage.runSaver([ALICE, "same", 40]),
        storage.runSaver([ALICE, "same", 40]),
      ]);
      expect(new Set(answers.flat()).size).toBe(40);
      expect((await storage.open().open(ALICE).list({ limit: 100 })).facts).toHaveLength(40);
    });

    it("see what a duplicate added to a fact that they have in memory", async () => {
      const storage = await newStorage();
      const [one, two] = [storage.open().open(ALICE), storage.open().open(ALICE)];
      for (const text of ["The boiler is old.", "The car is new."])
        await one.save({ text, expiresInDays: 1 });
      for (const text of ["The boiler is old.", "The car is new."]) {
        expect(await two.recall(text, { tags: ["mine"] })).toEqual([]);
        const { factId } = await one.save({ text, tags: ["mine"] });
        const [found] = await two.recall(text, { tags: ["mine"] });
        expect(found).toEqual({ ...(await one.get(factId)), score: 1 });
        await two.save({ text, tags: ["more"] });
        expect((await one.get(factId)).tags).toEqual(["mine", "more"]);
        expect((await two.get(factId)).expiresAt).toBeUndefined();
      }
    });

    it("keep every acknowledged fact and sound storage when one is killed while it saves", async () => {
      const storage = await newStorage();
      const acknowledged = await storage.runSaver([ALICE, "killed", 5_000, 10_000, "one by one"], {
        killAfter: 40,
      });
      expect(acknowledged.length).toBeLessThan(5_000);
      await storage.check();
      const alice = storage.open().open(ALICE);
      const { facts } = await alice.list({ limit: 1_000 });
      const ids = facts.map(({ factId }) => factId);
      expect(ids).toEqual(expect.arrayContaining(acknowledged));
      // One more may have been committed before its acknowledgement was read.
      expect(ids.length - acknowledged.length).toBeLessThanOrEqual(2);
      expect((await alice.save({ text: "after the crash" })).kind).toBe("saved");
    });

    it("see each other's new and forgotten facts at the next call", async () => {
      const storage = await newStorage();
      const here = storage.open().open(ALICE);
      const there = storage.open().open(ALICE);
      const kept = await here.save({ text: "Alice plays the violin." });
      const gone = await here.save({ text: "Alice plays the piano." });
      expect(await there.recall("plays")).toHaveLength(2);
      await there.forget(gone.factId);
      const added = await there.save({ text: "Alice plays the drums." });
      expect((await here.recall("plays")).map(({ factId }) => factId).sort()).toEqual(
        [kept.factId, added.factId].sort(),
      );
      await expectCode(here.get(gone.factId), "FACT_NOT_FOUND");
      expect(await here.save({ text: "alice plays the drums." })).toEqual({
        kind: "duplicate",
        factId: added.factId,
      });
    });

    it("rank alike, whatever each of them has in its cache", async () => {
      const storage = await newStorage();
      const writer = storage.open().open(ALICE);
      const dependent = storage.open().open(ALICE);
      for (let i = 0; i < 200; i++) {
        const { factId } = await writer.save({ text: `note ${i} about ${["tea", "bread", "rain"][i % 3]}` });
        if (i % 2 === 0) await writer.forget(factId);
        if (i % 10 === 0) await dependent.recall("tea");
      }
      const fresh = JSON.stringify(await storage.open().open(ALICE).recall("note about tea 31"));
      expect(JSON.stringify(await writer.recall("note about tea 31"))).toBe(fresh);
      expect(JSON.stringify(await dependent.recall("note about tea 31"))).toBe(fresh);
    });
  });

  describe(`rows in ${name}`, () => {
    it("holds a fact under the user's key and the fact's id, and no name or namespace", async () => {
      const storage = await newStorage();
      const { factId } = await storage.open().open(ALICE).save({ text: "Alice plays the violin." });
      expect(await storage.openRaw().query("SELECT key FROM keyv")).toEqual([{ key: `${ALICE}:${factId}` }]);
      expect(factId).toMatch(/^fact_[0-9a-f]{24}$/);
    });

    it("keeps facts and cursors over a restart", async () => {
      const storage = await newStorage();
      const before = storage.open();
      for (let i = 0; i < 4; i++) await before.open(ALICE).save({ text: `fact ${i}` });
      const { nextCursor = "" } = await before.open(ALICE).list({ limit: 2 });
      await before.close();
      const { facts } = await storage.open().open(ALICE).list({ cursor: nextCursor });
      expect(facts.map(({ text }) => text)).toEqual(["fact 1", "fact 0"]);
    });

    it("separates users whose keys differ in the last digit", async () => {
      const backend = (await newStorage()).open();
      const keys = [..."0123456789abcdef"].map((digit) => "0".repeat(63) + digit);
      for (const key of keys) await backend.open(key).save({ text: `of ${key}` });
      for (const key of keys) {
        expect((await backend.open(key).list()).facts.map(({ text }) => text)).toEqual([`of ${key}`]);
      }
    });

    it("is readable by plain Keyv, which honours a fact's expiry too", async () => {
      const storage = await newStorage();
      const alice = storage.open().open(ALICE);
      const short = await alice.save({ text: "soon gone", expiresInDays: 0.02 / 86_400 });
      const long = await alice.save({ text: "stays", expiresInDays: 1 });
      const keyv = new Keyv({ store: storage.openRaw().store, useKeyPrefix: false });
      expect(await keyv.get(`${ALICE}:${long.factId}`)).toMatchObject({ text: "stays" });
      await new Promise((resolve) => setTimeout(resolve, 40));
      expect(await keyv.get(`${ALICE}:${short.factId}`)).toBeUndefined();
    });

    it("sees what another program writes and deletes through plain Keyv", async () => {
      const storage = await newStorage();
      const alice = storage.open().open(ALICE);
      const { factId } = await alice.save({ text: "Alice plays the violin." });
      expect(await alice.recall("violin")).toHaveLength(1);
      const keyv = new Keyv({ store: storage.openRaw().store, useKeyPrefix: false });
      await keyv.set(`${ALICE}:fact_imported`, {
        text: "Alice tunes a violin.",
        tags: [],
        createdAt: 5,
        position: 0,
      });
      expect((await alice.recall("violin")).map((fact) => fact.factId)).toContain("fact_imported");
      await keyv.delete(`${ALICE}:${factId}`);
      expect((await alice.recall("violin")).map((fact) => fact.factId)).toEqual(["fact_imported"]);
    });

    it("loses the rows of expired facts with the next call", async () => {
      const storage = await newStorage();
      let nowMs = Date.now();
      const backend = storage.open({ now: () => nowMs });
      const alice = backend.open(ALICE);
      for (let i = 0; i < 300; i++) await alice.save({ text: `short ${i}`, expiresInDays: 1 });
      await alice.save({ text: "long" });
      nowMs += DAY_MS;
      expect((await alice.list()).facts.map(({ text }) => text)).toEqual(["long"]);
      const raw = storage.openRaw();
      await expect.poll(() => raw.query("SELECT key FROM keyv")).toHaveLength(1);
      await backend.close();
    });
  });

  describe(`the cache over ${name}`, () => {
    it("gives the same answers when almost nothing fits into it", async () => {
      const backend = (await newStorage()).open({ maxCacheBytes: 1 });
      const users = [ALICE, BOB, "c".repeat(64)];
      for (const user of users) await backend.open(user).save({ text: `violin of ${user[0]}` });
      const recalls = users.flatMap((user) =>
        Array.from({ length: 5 }, () => backend.open(user).recall("violin")),
      );
      const found = await Promise.all(recalls);
      expect(found.map((facts) => facts.map(({ text }) => text).join())).toEqual(
        users.flatMap((user) => Array(5).fill(`violin of ${user[0]}`)),
      );
    });
  });
}
