import { beforeEach, describe, expect, it } from "vitest";
import type { JobStore, NewJob, RunStore } from "../../src/jobs/contracts.ts";
import { DEFAULT_POLICY, type Policy } from "../../src/jobs/job.ts";
import type { Run, RunResult } from "../../src/jobs/run.ts";
import { startOf } from "../../src/jobs/schedule.ts";
import type { Claimed, RunQueue } from "../../src/store/run-queue.ts";
import { ALL_KINDS, type Backend, newJob, openWorld, resultOf, START, type World, worker } from "../world.ts";

const MINUTE = 60_000;
const OK = resultOf("succeeded");

/** Overlap, catch-up, jitter and span of a job, as every RunQueue applies them. */
export function policyContract(backend: Backend): void {
  describe(`policies kept in ${backend}`, () => {
    let world: World;
    let jobs: JobStore;
    let runs: RunStore;
    let runQueue: RunQueue;
    let refused: Run[];
    let cancelling = 0;
    const claim = (limit = 16): Promise<readonly Claimed[]> =>
      world.claim({
        limit,
        leaseMs: 30 * MINUTE,
        onSkipped: (run) => refused.push(run),
        onCancelling: () => cancelling++,
      });
    const add = (policy: Partial<Policy>, change: Partial<NewJob> = {}) =>
      jobs.create(newJob({ policy: { ...DEFAULT_POLICY, ...policy }, ...change }));
    const finish = (claimed: Claimed | undefined, outcome: RunResult = OK) =>
      world.finish(claimed?.run.runId ?? "none", outcome);
    const countersOf = async (jobId: string) => (await jobs.counters([jobId])).get(jobId);
    const minutes = (list: readonly { run: Run }[]) =>
      list.map(({ run }) => (run.scheduledFor - START) / MINUTE);
    const statuses = async () => (await runs.list()).runs.map(({ status }) => status).sort();
    /** Claims and ends what is due until nothing is: the minutes in the order they were started. */
    const drain = async (most = 100): Promise<number[]> => {
      const seen: number[] = [];
      for (let i = 0; i < most; i++) {
        const claimed = await claim();
        if (claimed.length === 0) break;
        seen.push(...minutes(claimed));
        for (const one of claimed) await finish(one);
      }
      return seen;
    };

    beforeEach(async () => {
      world = await openWorld(backend);
      ({ jobs, runs } = world.user("a"));
      runQueue = world.runQueue;
      refused = [];
      cancelling = 0;
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
      expect(await runQueue.nextDueAt({ kinds: ALL_KINDS })).toBe(START + 4 * MINUTE);
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
      expect(cancelling).toBe(2);
      const reason = expect.stringMatching(/newer run of this job took its place/);
      expect((await runQueue.checkRunning({ runIds: [runId], worker: worker("w1") })).cancel).toEqual([
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
      await runQueue.reapLost({ now: world.now(), worker: worker("w2", 2), isAlive: () => false });
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
      await runQueue.reapLost({ now: world.now(), worker: worker("w2", 2), isAlive: () => false });
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
