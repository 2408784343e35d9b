import { beforeEach, describe, expect, it } from "vitest";
import type { JobStore, RunStore } from "../../src/jobs/contracts.ts";
import { DEFAULT_POLICY } from "../../src/jobs/job.ts";
import type { Run } from "../../src/jobs/run.ts";
import { ALL_KINDS, type Backend, resultOf, START, type World, worker } from "../world.ts";
import { MINUTE, OK, usePolicyWorld } from "./policy-world.ts";

/** What becomes of an occurrence while its job has a run, as every RunQueue decides it. */
export function overlapContract(backend: Backend): void {
  describe(`overlap kept in ${backend}`, () => {
    const { state, claim, finish, minutes, add, countersOf, statuses, drain } = usePolicyWorld(backend);
    let world: World;
    let jobs: JobStore;
    let runs: RunStore;
    let refused: Run[];

    beforeEach(() => {
      ({ world, jobs, runs, refused } = state());
    });

    it("overlap skip: records what comes while the job runs as skipped, with the reason, and counts it", async () => {
      const { jobId } = await add({});
      world.pass(MINUTE);
      await claim();
      world.pass(MINUTE);
      expect(await claim()).toEqual([]);
      expect(refused).toMatchObject([
        { status: "skipped", statusReason: expect.stringMatching(/overlap: skip/) },
      ]);
      expect(await countersOf(jobId)).toMatchObject({ runsStarted: 1, skipped: 1, missed: 0 });
    });

    it("overlap buffer_one: holds one, skips the next, and starts the held one when the first has ended", async () => {
      const { jobId } = await add({ overlap: "buffer_one" });
      world.pass(MINUTE);
      const [first] = await claim();
      for (let i = 0; i < 2; i++) {
        world.pass(MINUTE);
        expect(await claim()).toEqual([]);
      }
      expect(await statuses()).toEqual(["queued", "running", "skipped"]);
      expect(refused[0]?.statusReason).toMatch(/waiting already .*buffer_one/);
      expect(await world.runQueue.nextDueAt({ kinds: ALL_KINDS })).toBe(START + 4 * MINUTE);
      await finish(first);
      expect(minutes(await claim())).toEqual([2]);
      expect(await countersOf(jobId)).toMatchObject({ runsStarted: 2, skipped: 1 });
    });

    it("overlap buffer_all: holds all, and starts them one after the other, oldest first", async () => {
      await add({ overlap: "buffer_all" });
      world.pass(MINUTE);
      const [first] = await claim();
      for (let i = 0; i < 3; i++) {
        world.pass(MINUTE);
        expect(await claim()).toEqual([]);
      }
      await finish(first);
      expect(await drain()).toEqual([2, 3, 4]);
      expect(refused).toEqual([]);
    });

    it("overlap cancel_other: tells what runs to stop, holds the newest, and passes over what waited", async () => {
      await add({ overlap: "cancel_other" });
      world.pass(MINUTE);
      const [first] = await claim();
      const runId = first?.run.runId ?? "";
      for (let i = 0; i < 2; i++) {
        world.pass(MINUTE);
        expect(await claim()).toEqual([]);
      }
      expect(state().cancelling).toBe(2);
      const reason = expect.stringMatching(/newer run of this job took its place/);
      expect((await world.runQueue.checkRunning({ runIds: [runId], worker: worker("w1") })).cancel).toEqual([
        { runId, reason },
      ]);
      await finish(first, { ...OK, status: "cancelled" });
      expect(await runs.get(runId)).toMatchObject({
        status: "cancelled",
        statusReason: expect.stringMatching(/newer run of this job took its place/),
      });
      expect(minutes(await claim())).toEqual([3]);
      expect(await statuses()).toEqual(["cancelled", "running", "skipped"]);
    });

    it("overlap cancel_other: passes over a retry that is due in the same claim", async () => {
      const retry = { ...DEFAULT_POLICY.retry, attempts: 2, backoffSeconds: 120 };
      const { jobId } = await add({ overlap: "allow_all", retry });
      world.pass(MINUTE);
      const error = { code: "MODEL_UNREACHABLE", message: "It was away." } as const;
      await finish((await claim())[0], resultOf("failed", { error }));
      await jobs.update(jobId, ({ policy }) => ({ policy: { ...policy, overlap: "cancel_other" } }));
      world.pass(5 * MINUTE);
      expect((await claim()).map(({ run }) => run.attempt)).toEqual([1]);
      const { runs: stored } = await runs.list();
      expect(stored.filter(({ status }) => status === "running")).toHaveLength(1);
      expect(stored.find(({ attempt }) => attempt === 2)).toMatchObject({
        status: "skipped",
        statusReason: expect.stringMatching(/newer run of this job took its place/),
      });
      expect((await countersOf(jobId))?.runsStarted).toBe(2);
    });

    it("overlap allow_all: starts each at its time, whatever runs", async () => {
      await add({ overlap: "allow_all" });
      for (let i = 1; i <= 3; i++) {
        world.pass(MINUTE);
        expect(minutes(await claim())).toEqual([i]);
      }
    });

    it("starts a held run when the one before it is lost with its process", async () => {
      await add({ overlap: "buffer_one" });
      world.pass(MINUTE);
      await claim();
      world.pass(MINUTE);
      await claim();
      await world.runQueue.reapLost({ now: world.now(), worker: worker("w2", 2), isAlive: () => false });
      expect(minutes(await claim())).toEqual([2]);
    });

    it("skips held runs when their job is paused, and cancels them when it is cancelled", async () => {
      for (const [status, end] of [
        ["paused", "skipped"],
        ["cancelled", "cancelled"],
      ] as const) {
        const { jobId } = await add({ overlap: "buffer_all" }, { nextRunAt: world.now() });
        const [first] = await claim();
        world.pass(MINUTE);
        await claim();
        await jobs.update(jobId, () => ({ status }));
        await finish(first);
        expect(await claim()).toEqual([]);
        const held = (await runs.list({ jobId })).runs.filter((run) => run.startedAt === null);
        expect(held).toMatchObject([
          { status: end, statusReason: expect.stringContaining(`job was ${status}`) },
        ]);
      }
    });
  });
}
