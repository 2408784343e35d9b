import { beforeEach, describe, expect, it } from "vitest";
import { type Backend, newJob, openWorld, START, type World } from "../world.ts";

/** The order in which every RunQueue serves several users. */
export function fairOrderContract(backend: Backend): void {
  describe(`the order of users kept in ${backend}`, () => {
    let world: World;
    const jobStoreOf = (userKey: string) => world.user(userKey, { maxJobs: 10_000 }).jobs;
    const once = (userKey: string, at: number) =>
      jobStoreOf(userKey).create(newJob({ schedule: { kind: "at", at }, nextRunAt: at }));
    /** Whose runs a claim starts. */
    const claim = async (limit: number) => {
      const claimed = await world.claim({ limit });
      return claimed.map(({ run }) => run.userKey);
    };

    beforeEach(async () => {
      world = await openWorld(backend);
    });

    it("serve a user at once whose one job is younger than a thousand of another's", async () => {
      for (let i = 0; i < 1_000; i++) await once("a", START + i);
      await once("b", START + 2_000);
      world.pass(5_000);
      expect((await claim(8)).filter((user) => user === "b")).toHaveLength(1);
    });

    it("serve users in turn also when there is one free slot at a time, and the clock stands still", async () => {
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

    it("count what a person asks for by hand as a turn like any other", async () => {
      for (let i = 0; i < 5; i++) await once("a", START + i);
      const { jobId } = await jobStoreOf("b").create(newJob());
      world.pass(1_000);
      await world.user("b").runs.enqueue(jobId);
      expect([...(await claim(1)), ...(await claim(1))].sort()).toEqual(["a", "b"]);
    });

    it("serve on after the clock was put back, and after a job was paused", async () => {
      for (let i = 0; i < 4; i++) await once("a", START - 3_600_000 + i);
      const paused = await once("b", START);
      expect(await claim(1)).toEqual(["a"]);
      await jobStoreOf("b").update(paused.jobId, () => ({ status: "paused" }));
      world.pass(-1_800_000);
      expect(await claim(8)).toEqual(["a", "a", "a"]);
      expect(await claim(8)).toEqual([]);
    });
  });
}
