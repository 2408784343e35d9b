import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import type { Database } from "../../src/database/database.ts";
import type { KeyRing } from "../../src/store/api-keys.ts";
import { openKeyRing } from "../../src/store/api-keys.ts";
import { type Backend, openWorld, START, type World } from "../world.ts";

export function keyRingContract(backend: Backend): void {
  describe(`API keys in ${backend}`, () => {
    let world: World;
    let here: KeyRing;
    let there: KeyRing;
    const make = (expiresAt: number | null = null) =>
      here.create({ userId: "bob", scopes: ["facts:read"], expiresAt });

    beforeEach(async () => {
      world = await openWorld(backend);
      here = openKeyRing(world.db, world.now);
      there = openKeyRing(await world.reopen(), world.now);
    });

    it("are good on every node as soon as they are made", async () => {
      expect(await there.isUsed()).toBe(false);
      const { key, apiKey } = await make();
      expect(apiKey).toMatchObject({
        userId: "bob",
        scopes: ["facts:read"],
        createdAt: START,
        revokedAt: null,
      });
      for (const ring of [here, there]) {
        expect(await ring.verify(key)).toEqual(apiKey);
        expect(await ring.isUsed()).toBe(true);
        expect(await ring.list("bob")).toEqual([apiKey]);
        expect(await ring.list("eve")).toEqual([]);
      }
    });

    it("are good for whoever has the secret alone", async () => {
      const { key, apiKey } = await make();
      const wrong = `${key.slice(0, -1)}${key.endsWith("A") ? "B" : "A"}`;
      expect(await there.verify(wrong)).toBeUndefined();
      expect(await there.verify(apiKey.keyId)).toBeUndefined();
      expect(await there.verify(key.replace(/_[0-9a-f]{16}_/, `_${"0".repeat(16)}_`))).toBeUndefined();
    });

    it("that nobody made cost no query each, and hide no key that is made later", async () => {
      const madeUp = (i: number) => `nsk_${i.toString(16).padStart(16, "0")}_${"A".repeat(43)}`;
      await make();
      let queries = 0;
      const counted: Database = {
        ...world.db,
        get kysely() {
          queries += 1;
          return world.db.kysely;
        },
      };
      const ring = openKeyRing(counted, world.now);
      const asked = await Promise.all(Array.from({ length: 500 }, (_, i) => ring.verify(madeUp(i))));
      for (let i = 0; i < 500; i++) asked.push(await ring.verify(madeUp(i % 3)));
      expect(asked.filter(Boolean)).toEqual([]);
      expect(queries).toBeLessThan(20);
      expect(await there.verify(madeUp(1))).toBeUndefined();
      expect(await here.verify(madeUp(1))).toBeUndefined();
      const { key, apiKey } = await make();
      expect(await here.verify(key)).toEqual(apiKey);
      await vi.waitFor(async () => expect(await there.verify(key)).toEqual(apiKey), 10_000);
    });

    it("end at their time", async () => {
      const { key } = await make(START + 1_000);
      expect(await there.verify(key)).toBeDefined();
      world.pass(1_000);
      expect(await there.verify(key)).toBeUndefined();
    });

    it("are checked against the version of the database every 20 ms, however often they are used", async () => {
      const { key } = await make();
      let reads = 0;
      const dataVersion = () => {
        reads += 1;
        return world.db.dataVersion();
      };
      const clock = vi.spyOn(performance, "now").mockReturnValue(1_000);
      onTestFinished(() => clock.mockRestore());
      const ring = openKeyRing({ ...world.db, dataVersion }, world.now);
      const readsAfter = async (ms: number) => {
        clock.mockReturnValue(1_000 + ms);
        for (let i = 0; i < 5; i++) expect(await ring.verify(key)).toBeDefined();
        return reads;
      };
      const first = await readsAfter(0);
      expect(await readsAfter(19)).toBe(first);
      expect(await readsAfter(20)).toBe(first + 1);
    });

    it("end on every node when they are revoked on one, once and for good", async () => {
      const { key, apiKey } = await make();
      expect(await there.verify(key)).toBeDefined();
      expect(await here.revoke(apiKey.keyId)).toBe(true);
      expect(await here.verify(key)).toBeUndefined();
      await vi.waitFor(async () => expect(await there.isGood(apiKey.keyId)).toBe(false), 10_000);
      expect(await there.verify(key)).toBeUndefined();
      world.pass(5_000);
      expect(await there.revoke(apiKey.keyId)).toBe(true);
      expect((await here.list("bob"))[0]?.revokedAt).toBe(START);
      expect(await here.revoke("0".repeat(16))).toBe(false);
    });
  });
}
