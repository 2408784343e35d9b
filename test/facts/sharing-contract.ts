import Keyv from "keyv";
import { describe, expect, it } from "vitest";
import { ALICE, BOB } from "./contract.ts";
import { expectCode } from "./failures.ts";
import { LIMITS } from "./limits.ts";
import type { NewPlace } from "./places.ts";

const DAY_MS = 86_400_000;

/** What storage must do that several nodes share and that other programs may read. Runs on each kind of it. */
export function factSharingContract(name: string, newPlace: NewPlace): void {
  describe(`two nodes on ${name}`, () => {
    it("lose nothing when both save at the same time", async () => {
      const place = await newPlace();
      const ours = place.open({ lockTimeoutMs: 15_000 }).open(ALICE);
      const [theirs, mine] = await Promise.all([
        place.runSaver([ALICE, "other", 150]),
        Promise.all(Array.from({ length: 150 }, (_, i) => ours.save({ text: `main saves number ${i}` }))),
      ]);
      const ids = new Set([...theirs, ...mine.map(({ factId }) => factId)]);
      expect(ids.size).toBe(300);
      const { facts } = await ours.list({ limit: 1_000 });
      expect(new Set(facts.map(({ factId }) => factId))).toEqual(ids);
    });

    it("hold a user's limit exactly between them", async () => {
      const place = await newPlace();
      const answers = await Promise.all([
        place.runSaver([ALICE, "one", 60, 50]),
        place.runSaver([ALICE, "two", 60, 50]),
      ]);
      const counts = Map.groupBy(answers.flat(), (answer) => (answer.startsWith("fact_") ? "saved" : answer));
      expect(counts.get("saved")).toHaveLength(50);
      expect(counts.get("FACT_LIMIT_REACHED")).toHaveLength(70);
      expect((await place.open().open(ALICE).list({ limit: 100 })).facts).toHaveLength(50);
    });

    it("hold a user's bytes exactly between them, and each user's alone", async () => {
      const place = await newPlace();
      const nodes = Array.from({ length: 3 }, () => place.open({ limits: { ...LIMITS, maxBytes: 255 } }));
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
        expect((await place.open().open(user).list({ limit: 100 })).facts).toHaveLength(25);
    });

    it("recognise each other's duplicates", async () => {
      const place = await newPlace();
      const answers = await Promise.all([
        place.runSaver([ALICE, "same", 40]),
        place.runSaver([ALICE, "same", 40]),
      ]);
      expect(new Set(answers.flat()).size).toBe(40);
      expect((await place.open().open(ALICE).list({ limit: 100 })).facts).toHaveLength(40);
    });

    it("keep every acknowledged fact and sound storage when one is killed while it saves", async () => {
      const place = await newPlace();
      const acknowledged = await place.runSaver(
        [ALICE, "killed", 5_000, 10_000, "one by one"],
        (lines, kill) => {
          if (lines.length >= 40) kill();
        },
      );
      expect(acknowledged.length).toBeLessThan(5_000);
      await place.check();
      const alice = place.open().open(ALICE);
      const { facts } = await alice.list({ limit: 1_000 });
      const ids = facts.map(({ factId }) => factId);
      expect(ids).toEqual(expect.arrayContaining(acknowledged));
      // One more may have been committed before its acknowledgement was read.
      expect(ids.length - acknowledged.length).toBeLessThanOrEqual(2);
      expect((await alice.save({ text: "after the crash" })).kind).toBe("saved");
    });

    it("see each other's new and forgotten facts at the next call", async () => {
      const place = await newPlace();
      const here = place.open().open(ALICE);
      const there = place.open().open(ALICE);
      const kept = await here.save({ text: "Alice plays the violin." });
      const gone = await here.save({ text: "Alice plays the piano." });
      expect(await there.recall("plays")).toHaveLength(2);
      await there.forget(gone.factId);
      const added = await there.save({ text: "Alice plays the drums." });
      expect((await here.recall("plays")).map(({ factId }) => factId).sort()).toEqual(
        [kept.factId, added.factId].sort(),
      );
      await expectCode(here.get(gone.factId), "FACT_NOT_FOUND");
      expect(await here.save({ text: "Alice  plays the drums." })).toEqual({
        kind: "duplicate",
        factId: added.factId,
      });
    });

    it("see each other's added tags and longer expiry, and rank alike afterwards", async () => {
      const place = await newPlace();
      const here = place.open().open(ALICE);
      const there = place.open().open(ALICE);
      const older = await here.save({ text: "Alice plays the violin.", expiresInDays: 1 });
      const newer = await here.save({ text: "Bert plays the drums.", tags: ["band"] });
      expect(await there.recall("plays")).toHaveLength(2);
      // The newest row of all: its number may be used again.
      await here.save({ text: "Bert plays the drums.", tags: ["loud"] });
      expect((await there.get(newer.factId)).tags).toEqual(["band", "loud"]);
      await here.save({ text: "Alice plays the violin.", tags: ["quiet"] });
      expect(await there.get(older.factId)).toMatchObject({ tags: ["quiet"] });
      expect((await there.get(older.factId)).expiresAt).toBeUndefined();
      const fresh = JSON.stringify(await place.open().open(ALICE).recall("who plays loud and quiet"));
      expect(JSON.stringify(await here.recall("who plays loud and quiet"))).toBe(fresh);
      expect(JSON.stringify(await there.recall("who plays loud and quiet"))).toBe(fresh);
    });

    it("rank alike, whatever each of them has in its cache", async () => {
      const place = await newPlace();
      const writer = place.open().open(ALICE);
      const dependent = place.open().open(ALICE);
      for (let i = 0; i < 200; i++) {
        const { factId } = await writer.save({ text: `note ${i} about ${["tea", "bread", "rain"][i % 3]}` });
        if (i % 2 === 0) await writer.forget(factId);
        if (i % 10 === 0) await dependent.recall("tea");
      }
      const fresh = JSON.stringify(await place.open().open(ALICE).recall("note about tea 31"));
      expect(JSON.stringify(await writer.recall("note about tea 31"))).toBe(fresh);
      expect(JSON.stringify(await dependent.recall("note about tea 31"))).toBe(fresh);
    });
  });

  describe(`rows in ${name}`, () => {
    it("holds a fact under the user's key and the fact's id, and no name or namespace", async () => {
      const place = await newPlace();
      const { factId } = await place.open().open(ALICE).save({ text: "Alice plays the violin." });
      expect(await place.openRaw().query("SELECT key FROM keyv")).toEqual([{ key: `${ALICE}:${factId}` }]);
      expect(factId).toMatch(/^fact_[0-9a-f]{24}$/);
    });

    it("keeps facts and cursors over a restart", async () => {
      const place = await newPlace();
      const before = place.open();
      for (let i = 0; i < 4; i++) await before.open(ALICE).save({ text: `fact ${i}` });
      const { nextCursor = "" } = await before.open(ALICE).list({ limit: 2 });
      await before.close();
      const { facts } = await place.open().open(ALICE).list({ cursor: nextCursor });
      expect(facts.map(({ text }) => text)).toEqual(["fact 1", "fact 0"]);
    });

    it("separates users whose keys differ in the last digit", async () => {
      const backend = (await newPlace()).open();
      const keys = [..."0123456789abcdef"].map((digit) => "0".repeat(63) + digit);
      for (const key of keys) await backend.open(key).save({ text: `of ${key}` });
      for (const key of keys) {
        expect((await backend.open(key).list()).facts.map(({ text }) => text)).toEqual([`of ${key}`]);
      }
    });

    it("is readable by plain Keyv, which honours a fact's expiry too", async () => {
      const place = await newPlace();
      const alice = place.open().open(ALICE);
      const short = await alice.save({ text: "soon gone", expiresInDays: 0.02 / 86_400 });
      const long = await alice.save({ text: "stays", expiresInDays: 1 });
      const keyv = new Keyv({ store: place.openRaw().store, useKeyPrefix: false });
      expect(await keyv.get(`${ALICE}:${long.factId}`)).toMatchObject({ text: "stays" });
      await new Promise((resolve) => setTimeout(resolve, 40));
      expect(await keyv.get(`${ALICE}:${short.factId}`)).toBeUndefined();
    });

    it("follows what plain Keyv writes and deletes behind its back", async () => {
      const place = await newPlace();
      const alice = place.open().open(ALICE);
      const { factId } = await alice.save({ text: "Alice plays the violin." });
      expect(await alice.recall("violin")).toHaveLength(1);
      const keyv = new Keyv({ store: place.openRaw().store, useKeyPrefix: false });
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
      const place = await newPlace();
      let nowMs = Date.now();
      const backend = place.open({ now: () => nowMs });
      const alice = backend.open(ALICE);
      for (let i = 0; i < 300; i++) await alice.save({ text: `short ${i}`, expiresInDays: 1 });
      await alice.save({ text: "long" });
      nowMs += DAY_MS;
      expect((await alice.list()).facts.map(({ text }) => text)).toEqual(["long"]);
      const raw = place.openRaw();
      await expect.poll(() => raw.query("SELECT key FROM keyv")).toHaveLength(1);
      await backend.close();
    });
  });

  describe(`the cache over ${name}`, () => {
    it("answers the same when it has room for hardly anything", async () => {
      const backend = (await newPlace()).open({ maxCacheBytes: 1 });
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
