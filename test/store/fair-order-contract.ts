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
