import { beforeEach, describe, expect, it } from "vitest";
import type { JobStore, RunStore } from "../../src/jobs/contracts.ts";
import { DEFAULT_POLICY, type Policy } from "../../src/jobs/job.ts";
import { type Backend, newJob, openWorld, resultOf, START, type World } from "../world.ts";

const HOUR = 3_600_000;

/** The contract of every RunStore for runs that a person asks for. */
export function manualRunsContract(backend: Backend): void {
  describe(`runs asked for, kept in ${backend}`, () => {
    let world: World;
    let jobs: JobStore;
    let runs: RunStore;
    /** An hourly job whose past twelve hours nobody ran. */
    const add = (policy: Partial<Policy> = {}) =>
      jobs.create(
        newJob({
          policy: { ...DEFAULT_POLICY, ...policy },
          schedule: { kind: "cron", cron: "0 * * * *" },
          nextRunAt: START + HOUR,
        }),
      );
    const claim = () => world.claim();
    const hoursAgo = (n: number) => START - n * HOUR;

    beforeEach(async () => {
      world = await openWorld(backend);
      ({ jobs, runs } = world.user("a", { maxQueued: 150 }));
    });

    it("start beside the running one, wait for it, take its place or are skipped, as asked", async () => {
      const { jobId } = await add();
      const first = await runs.enqueue(jobId);
      await claim();
      expect(await runs.enqueue(jobId, { overlap: "skip" })).toMatchObject({
        status: "skipped",
        trigger: "manual",
        statusReason: expect.stringContaining("overlap: skip"),
      });
      const waiting = await runs.enqueue(jobId, { overlap: "buffer_one" });
      expect(await runs.enqueue(jobId, { overlap: "buffer_one" })).toMatchObject({ status: "skipped" });
      expect(await claim()).toEqual([]);
      const beside = await runs.enqueue(jobId);
      expect((await claim()).map(({ run }) => run.runId)).toEqual([beside.runId]);
      await world.finish(first.runId, resultOf("succeeded"));
      expect(await claim()).toEqual([]);
      await world.finish(beside.runId, resultOf("succeeded"));
      expect((await claim()).map(({ run }) => run.runId)).toEqual([waiting.runId]);
      const replacing = await runs.enqueue(jobId, { overlap: "cancel_other" });
      expect((await runs.get(waiting.runId)).cancelRequestedAt).toBe(START);
      await world.finish(waiting.runId, resultOf("cancelled"));
      expect((await claim()).map(({ run }) => run.runId)).toEqual([replacing.runId]);
      expect((await jobs.counters([jobId])).get(jobId)).toMatchObject({ skipped: 2, runsStarted: 4 });
    });

    it("fill in past times, each with a run of its own, oldest first and one at a time", async () => {
      const { jobId } = await add();
      const { runs: filled } = await runs.backfill(jobId, { from: hoursAgo(3), to: START });
      expect(filled.map(({ scheduledFor }) => scheduledFor)).toEqual([3, 2, 1, 0].map(hoursAgo));
      const order: number[] = [];
      for (;;) {
        const [claimed, ...others] = await claim();
        if (!claimed) break;
        expect(others).toEqual([]);
        expect(claimed.run.trigger).toBe("backfill");
        order.push(claimed.run.scheduledFor);
        await world.finish(claimed.run.runId, resultOf("succeeded"));
      }
      expect(order).toEqual([3, 2, 1, 0].map(hoursAgo));
    });

    it("fill in all at once where the job lets its runs overlap", async () => {
      const { jobId } = await add({ overlap: "allow_all" });
      await runs.backfill(jobId, { from: hoursAgo(3), to: START });
      expect(await claim()).toHaveLength(4);
    });

    it("fill in no time twice that has its run, but do those that failed or were skipped", async () => {
      const { jobId } = await add({ overlap: "allow_all" });
      await runs.backfill(jobId, { from: hoursAgo(2), to: START });
      const [failed, done] = await claim();
      await world.finish(failed?.run.runId ?? "", resultOf("failed"));
      await world.finish(done?.run.runId ?? "", resultOf("succeeded"));
      const again = await runs.backfill(jobId, { from: hoursAgo(3), to: START });
      expect(again.alreadyRun).toBe(2);
      expect(again.runs.map(({ scheduledFor }) => scheduledFor)).toEqual([hoursAgo(3), hoursAgo(2)]);
    });

    it("fill in only what the job's span holds, none of the future, and a hundred at most", async () => {
      const { jobId } = await add({ startsAt: hoursAgo(1) });
      expect((await runs.backfill(jobId, { from: hoursAgo(9), to: START })).runs).toHaveLength(2);
      const refused = { code: "INVALID_ARGUMENTS" };
      const future = runs.backfill(jobId, { from: START, to: START + 1 });
      await expect(future).rejects.toMatchObject(refused);
      await expect(runs.backfill(jobId, { from: START, to: hoursAgo(1) })).rejects.toMatchObject(refused);
      const many = await add();
      const span = { from: hoursAgo(100), to: START };
      await expect(runs.backfill(many.jobId, span)).rejects.toThrow(/more than 100/);
      expect((await runs.list({ jobId: many.jobId })).runs).toEqual([]);
    });

    it("are all refused or all queued, within the owner's limit and for the owner alone", async () => {
      const { jobId } = await add();
      const bob = world.user("b").runs;
      const span = { from: hoursAgo(90), to: START };
      await expect(bob.backfill(jobId, span)).rejects.toMatchObject({ code: "JOB_NOT_FOUND" });
      await runs.backfill(jobId, span);
      const other = await add();
      await expect(runs.backfill(other.jobId, span)).rejects.toMatchObject({ code: "JOB_LIMIT_REACHED" });
      expect((await runs.list({ jobId: other.jobId })).runs).toEqual([]);
    });
  });
}
