import { describe, expect, it, vi } from "vitest";
import { NightshiftError } from "../../src/errors.ts";
import { openKeyRing } from "../../src/store/api-keys.ts";
import { openWorld } from "../world.ts";

const GRACE_MS = 30_000;
/** The ring looks for writes of others no more often. */
const LOOK_MS = 20;

/** A key ring on a real database that can be taken away, with a clock of its own. */
async function open() {
  const { db, now } = await openWorld("SQLite");
  let at = 1_000_000;
  let version = 0;
  let isAway = false;
  let unreachableSince: number | null = null;
  vi.spyOn(performance, "now").mockImplementation(() => at);
  const keys = openKeyRing(
    {
      ...db,
      get kysely() {
        if (isAway) throw new NightshiftError("DATA_UNAVAILABLE", "It is away.");
        return db.kysely;
      },
      // As on Postgres: while the notifications are cut, each look may have missed a write.
      dataVersion: () => (isAway ? ++version : version),
      unreachableSince: () => unreachableSince,
    },
    now,
  );
  const { key } = await keys.create({ userId: "alice", scopes: [], expiresAt: null });
  const isGood = () =>
    keys.verify(key).then(
      (found) => found !== undefined,
      (error: NightshiftError) => error.code,
    );
  return {
    isGood,
    pass: (ms: number) => {
      at += ms;
    },
    away: (is: boolean, since: number | null = null) => {
      isAway = is;
      unreachableSince = since;
    },
    at: () => at,
  };
}

describe("a key whose database is away", () => {
  it("is good for half a minute from the start of the outage, however long ago it was looked at", async () => {
    const { isGood, pass, away } = await open();
    expect(await isGood()).toBe(true);
    pass(10 * GRACE_MS);
    away(true);
    expect(await isGood()).toBe(true);
    pass(GRACE_MS - 1);
    expect(await isGood()).toBe(true);
    pass(1);
    expect(await isGood()).toBe("DATA_UNAVAILABLE");
  });

  it("has its time anew in the next outage, and not within one", async () => {
    const { isGood, pass, away } = await open();
    expect(await isGood()).toBe(true);
    for (let outage = 0; outage < 2; outage++) {
      away(true);
      pass(LOOK_MS);
      for (let looks = 0; looks < 3; looks++, pass(GRACE_MS / 3)) expect(await isGood()).toBe(true);
      expect(await isGood()).toBe("DATA_UNAVAILABLE");
      away(false);
      pass(LOOK_MS);
      expect(await isGood()).toBe(true);
    }
  });

  it("is not good any more when nobody looked before the time was over", async () => {
    const { isGood, pass, away, at } = await open();
    expect(await isGood()).toBe(true);
    away(true, at());
    pass(GRACE_MS);
    expect(await isGood()).toBe("DATA_UNAVAILABLE");
  });
});
