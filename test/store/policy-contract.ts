import { beforeEach, describe, expect, it } from "vitest";
import type { JobStore, RunStore } from "../../src/jobs/contracts.ts";
import type { Run } from "../../src/jobs/run.ts";
import { startOf } from "../../src/jobs/schedule.ts";
import { type Backend, START, type World, worker } from "../world.ts";
import { MINUTE, usePolicyWorld } from "./policy-world.ts";

/** Catch-up, jitter and span of a job, as every RunQueue applies them. */
export function policyContract(backend: Backend): void {
  describe(`policies kept in ${backend}`, () => {
    const { state, claim, finish, minutes, add, countersOf, drain } = usePolicyWorld(backend);
    let world: World;
    let jobs: JobStore;
    let runs: RunStore;
    let refused: Run[];

    beforeEach(() => {
      ({ world, jobs, runs, refused } = state());
    });

    it("completes a job that runs after another when its ends_at has come, at that one's next success", async () => {
      const schedule = { kind: "after", jobId: (await add({})).jobId } as const;
      const { jobId } = await add({ endsAt: START + MINUTE }, { schedule, nextRunAt: null });
      for (let minute = 1; minute <= 2; minute++) {
        world.pass(MINUTE);
        for (const one of await claim()) await finish(one);
        expect((await runs.list({ jobId })).runs).toHaveLength(1);
      }
      expect(await jobs.get(jobId)).toMatchObject({
        status: "completed",
        statusReason: expect.stringContaining("ends_at has come"),
      });
    });

    it("catchup once: one late run stands for all, and the others count as missed", async () => {
      const { jobId } = await add({});
      world.pass(10 * MINUTE + 1);
      const [late] = await claim();
      expect(late?.run).toMatchObject({ scheduledFor: START + 10 * MINUTE, coalesced: 9 });
      expect(await countersOf(jobId)).toMatchObject({ runsStarted: 1, missed: 9, skipped: 0 });
    });

    it("catchup skip: runs nothing that is late; what was missed is one row that counts", async () => {
      const { jobId } = await add(
        { catchup: "skip" },
        { schedule: { kind: "every", everySeconds: 600, anchor: START } },
      );
      world.pass(65 * MINUTE);
      expect(await claim()).toEqual([]);
      expect(refused).toMatchObject([
        {
          status: "skipped",
          scheduledFor: START + 60 * MINUTE,
          statusReason: expect.stringMatching(/catchup: skip/),
        },
      ]);
      const counted = await countersOf(jobId);
      expect(counted).toMatchObject({ runsStarted: 0, missed: (refused[0]?.coalesced ?? 0) + 1 });
      world.pass(5 * MINUTE);
      expect(minutes(await claim())).toEqual([70]);
    });

    it("catchup skip: still runs the last one when it is on time", async () => {
      const { jobId } = await add({ catchup: "skip" });
      world.pass(5 * MINUTE + 500);
      expect(minutes(await claim())).toEqual([5]);
      expect(refused).toMatchObject([{ scheduledFor: START + 4 * MINUTE, coalesced: 3 }]);
      expect(await countersOf(jobId)).toMatchObject({ missed: 4, runsStarted: 1 });
    });

    it("catchup all: runs each, oldest first, one at a time, a bounded number in each claim", async () => {
      const { jobId } = await add({ catchup: "all" });
      world.pass(50 * MINUTE);
      expect(minutes(await claim())).toEqual([1]);
      expect((await runs.list({ limit: 200 })).runs).toHaveLength(20);
      await world.runQueue.reapLost({ now: world.now(), worker: worker("w2", 2), isAlive: () => false });
      // The last two are on time: while others wait, `overlap` decides about them.
      expect(await drain()).toEqual(Array.from({ length: 47 }, (_, i) => i + 2));
      expect(await countersOf(jobId)).toMatchObject({ runsStarted: 48, missed: 0, skipped: 2 });
    });

    it("catchup all: drops in one row what comes when a thousand wait", async () => {
      const { jobId } = await add({ catchup: "all" });
      world.pass(3_000 * MINUTE);
      let most = 0;
      for (let i = 0; i < 60; i++) most = Math.max(most, (await claim()).length);
      expect(most).toBe(1);
      expect(refused.filter(({ statusReason }) => statusReason?.startsWith("1000 runs"))).toHaveLength(1);
      expect((await countersOf(jobId))?.dropped).toBe(1_000);
      expect((await jobs.get(jobId)).nextRunAt).toBe(START + 3_001 * MINUTE);
    });

    it.each(["once", "all"] as const)("catchup %s: runs nothing older than the window", async (catchup) => {
      const { jobId } = await add(
        { catchup, catchupWindowSeconds: 600 },
        { schedule: { kind: "every", everySeconds: 3600, anchor: START } },
      );
      world.pass(150 * MINUTE);
      expect(await claim()).toEqual([]);
      expect(refused).toMatchObject([{ statusReason: expect.stringMatching(/catchup_window_seconds/) }]);
      expect((await countersOf(jobId))?.missed).toBe((refused[0]?.coalesced ?? 0) + 1);
      world.pass(35 * MINUTE);
      expect(minutes(await drain().then(() => []))).toEqual([]);
      expect((await runs.list({ status: "succeeded" })).runs).toMatchObject([
        { scheduledFor: START + 180 * MINUTE },
      ]);
    });

    it("jitter: starts later by what the occurrence gets, for the time it was meant for", async () => {
      const job = await add({ jitterSeconds: 30 });
      const delay = startOf(job.jobId, job, START + MINUTE) - (START + MINUTE);
      expect(delay).toBeGreaterThan(0);
      expect(job.nextRunAt).toBe(START + MINUTE + delay);
      world.pass(MINUTE + delay - 1);
      expect(await claim()).toEqual([]);
      world.pass(1);
      const [claimed] = await claim();
      expect(claimed?.run.scheduledFor).toBe(START + MINUTE);
      expect(claimed?.job.nextRunAt).toBe(startOf(job.jobId, job, START + 2 * MINUTE));
    });

    it("ends_at: completes the job with its last time", async () => {
      const { jobId } = await add({ endsAt: START + 2 * MINUTE });
      world.pass(MINUTE);
      await drain();
      world.pass(MINUTE);
      expect(await drain()).toEqual([2]);
      expect(await jobs.get(jobId)).toMatchObject({
        status: "completed",
        statusReason: expect.stringContaining("ends_at"),
      });
    });

    it("max_runs: counts what the schedule starts, not what a person does, and completes the job", async () => {
      const { jobId } = await add({ maxRuns: 2 });
      await runs.enqueue(jobId);
      await drain();
      world.pass(MINUTE);
      expect(await drain()).toEqual([1]);
      expect((await jobs.get(jobId)).status).toBe("active");
      world.pass(MINUTE);
      expect(await drain()).toEqual([2]);
      expect(await jobs.get(jobId)).toMatchObject({
        status: "completed",
        statusReason: expect.stringContaining("2 runs that its max_runs allows"),
      });
      expect(await countersOf(jobId)).toMatchObject({ runsStarted: 3, scheduledRuns: 2 });
    });
  });
}
