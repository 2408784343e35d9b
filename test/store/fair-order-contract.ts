import { beforeEach, describe, expect, it } from "vitest";
import { type Backend, newJob, openWorld, START, type World } from "../world.ts";

/** The order in which every RunQueue serves several users. */
export function fairOrderContract(backend: Backend): void {
  describe(`fair order kept in ${backend}`, () => {
    let world: World;
    const jobsOf = (userKey: string) => world.user(userKey, { maxJobs: 10_000 }).jobs;
    const once = (userKey: string, at: number) =>
      jobsOf(userKey).create(newJob({ schedule: { kind: "at", at }, nextRunAt: at }));
    /** Claims runs. Resolves to the keys of their users. */
    const claim = async (limit: number) => {
      const claimed = await world.claim({ limit });
      return claimed.map(({ run }) => run.userKey);
    };

    beforeEach(async () => {
      world = await openWorld(backend);
    });

    it("serves a user at once whose one job is younger than a thousand of another's", async () => {
      for (let i = 0; i < 1_000; i++) await once("a", START + i);
      await once("b", START + 2_000);
      world.pass(5_000);
      expect((await claim(8)).filter((user) => user === "b")).toHaveLength(1);
    });

    it("serves users one after the other also when there is one free slot at a time, and no time passes", async () => {
      for (let i = 0; i < 9; i++) await once("a", START + i);
      for (let i = 0; i < 3; i++) await once("b", START + 100 + i);
      for (let i = 0; i < 3; i++) await once("c", START + 200 + i);
      world.pass(1_000);
      const order: string[] = [];
      for (let i = 0; i < 15; i++) order.push(...(await claim(1)));
      expect(order.slice(0, 9).join("")).toBe("abcabcabc");
      expect(order.slice(9).join("")).toBe("aaaaaa");
      expect(await claim(1)).toEqual([]);
    });

    it("counts a run that a person asks for by hand like any other", async () => {
      for (let i = 0; i < 5; i++) await once("a", START + i);
      const { jobId } = await jobsOf("b").create(newJob());
      world.pass(1_000);
      await world.user("b").runs.enqueue(jobId);
      expect([...(await claim(1)), ...(await claim(1))].sort()).toEqual(["a", "b"]);
    });

    it("passes over a user who holds all places of one user, and give the rest to others", async () => {
      for (let i = 0; i < 20; i++) await once("a", START + i);
      for (let i = 0; i < 3; i++) await once("b", START + 100 + i);
      world.pass(1_000);
      const held = new Map<string, number>();
      const claimFor = async (limit: number) => {
        const claimed = await world.claim({ limit, places: { limit: 5, held } });
        for (const { run } of claimed) held.set(run.userKey, (held.get(run.userKey) ?? 0) + 1);
        return claimed.map(({ run }) => run);
      };
      let claimed = await claimFor(16);
      while (claimed.length > 0) claimed = await claimFor(16);
      expect(Object.fromEntries(held)).toEqual({ a: 5, b: 3 });
      // Nobody else has anything due: the places stay free, for whoever comes.
      expect(await claimFor(8)).toEqual([]);
      await once("c", START + 500);
      expect((await claimFor(8)).map(({ userKey }) => userKey)).toEqual(["c"]);
      // When two of a's runs have ended, two more start.
      held.set("a", 3);
      expect((await claimFor(8)).map(({ userKey }) => userKey)).toEqual(["a", "a"]);
      expect(await claimFor(8)).toEqual([]);
    });

    it("gives one user's places to all kinds of its jobs together", async () => {
      const kinds = [
        { kind: "tool", tool: "whoami", arguments: {} },
        { kind: "prompt", prompt: "hello" },
      ] as const;
      for (const action of kinds)
        for (let i = 0; i < 4; i++)
          await jobsOf("a").create(
            newJob({ action, schedule: { kind: "at", at: START + i }, nextRunAt: START + i }),
          );
      world.pass(1_000);
      expect(await world.claim({ limit: 8, places: { limit: 3, held: new Map() } })).toHaveLength(3);
    });

    it("goes on after the clock was put back, and after a job was paused", async () => {
      for (let i = 0; i < 4; i++) await once("a", START - 3_600_000 + i);
      const paused = await once("b", START);
      expect(await claim(1)).toEqual(["a"]);
      await jobsOf("b").update(paused.jobId, () => ({ status: "paused" }));
      world.pass(-1_800_000);
      expect(await claim(8)).toEqual(["a", "a", "a"]);
      expect(await claim(8)).toEqual([]);
    });
  });
}
