import { Cron } from "croner";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { MAX_COALESCED } from "../../src/jobs/catch-up.ts";
import type { JobStore, NewJob, RunStore } from "../../src/jobs/contracts.ts";
import type { Run } from "../../src/jobs/run.ts";
import type { ClaimFilter, RunQueue } from "../../src/store/run-queue.ts";
import { ALL_KINDS, type Backend, newJob, openWorld, resultOf, START, type World, worker } from "../world.ts";

const EVERYBODY: ClaimFilter = { kinds: ALL_KINDS };
const MINUTE = 60_000;
const OUTCOME = resultOf("succeeded");

/** Claiming, as every RunQueue does it, whatever database it is kept in. */
export function runQueueContract(backend: Backend): void {
  describe(`occurrences kept in ${backend}`, () => {
    let world: World;
    let jobs: JobStore;
    let runs: RunStore;
    let runQueue: RunQueue;
    let skipped: Run[];
    const claim = (filter = EVERYBODY, limit = 16) =>
      world.claim({ limit, filter, onSkipped: (run) => skipped.push(run) });
    const once = (at: number, change: Partial<NewJob> = {}) =>
      jobs.create(newJob({ schedule: { kind: "at", at }, nextRunAt: at, ...change }));

    beforeEach(async () => {
      world = await openWorld(backend);
      ({ jobs, runs } = world.user("a"));
      runQueue = world.runQueue;
      skipped = [];
    });

    it("knows the earliest due time within its filter", async () => {
      expect(await runQueue.nextDueAt(EVERYBODY)).toBeNull();
      await once(START + 5000);
      await once(START + 3000, { action: { kind: "prompt", prompt: "p" } });
      const bob = world.user("b").jobs;
      await bob.create(newJob({ nextRunAt: START + 4000 }));
      expect(await runQueue.nextDueAt(EVERYBODY)).toBe(START + 3000);
      expect(await runQueue.nextDueAt({ kinds: ["tool"] })).toBe(START + 4000);
      expect(await runQueue.nextDueAt({ kinds: ["tool"], userKey: "a" })).toBe(START + 5000);
      expect(await runQueue.nextDueAt({ kinds: ["code"] })).toBeNull();
      expect(await runQueue.nextDueAt({ kinds: [] })).toBeNull();
    });

    it("claims nothing early, and at its time the run and the job's next time together", async () => {
      const { jobId } = await jobs.create(newJob());
      expect(await claim()).toEqual([]);
      world.pass(MINUTE);
      const [claimed] = await claim();
      expect(claimed?.run).toMatchObject({
        jobId,
        trigger: "schedule",
        status: "running",
        scheduledFor: START + MINUTE,
        coalesced: 0,
        startedAt: START + MINUTE,
      });
      expect(claimed?.job.nextRunAt).toBe(START + 2 * MINUTE);
      expect(await runs.get(claimed?.run.runId ?? "")).toEqual(claimed?.run);
      expect(await jobs.get(jobId)).toEqual(claimed?.job);
      expect(await claim()).toEqual([]);
    });

    it("completes a one-shot when it is claimed, and says why", async () => {
      const { jobId } = await once(START);
      expect(await claim()).toHaveLength(1);
      expect(await jobs.get(jobId)).toMatchObject({
        status: "completed",
        nextRunAt: null,
        statusReason: expect.stringContaining("come"),
      });
      expect(await runQueue.nextDueAt(EVERYBODY)).toBeNull();
    });

    it("claims oldest first, queued runs and occurrences alike, no more than asked for", async () => {
      const later = await once(START + 3000);
      const early = await once(START + 1000);
      const byHand = await jobs.create(newJob({ nextRunAt: START + 3_600_000 }));
      world.pass(2000);
      const queued = await runs.enqueue(byHand.jobId);
      world.pass(2000);
      expect((await claim(EVERYBODY, 2)).map(({ run }) => run.jobId)).toEqual([early.jobId, byHand.jobId]);
      expect(await runs.get(queued.runId)).toMatchObject({ status: "running", startedAt: START + 4000 });
      expect((await claim()).map(({ run }) => run.jobId)).toEqual([later.jobId]);
    });

    it("leaves what its filter excludes to another process", async () => {
      await once(START, { action: { kind: "prompt", prompt: "p" } });
      expect(await claim({ kinds: ["tool", "code"] })).toEqual([]);
      expect(await claim({ kinds: ALL_KINDS, userKey: "b" })).toEqual([]);
      expect(await claim({ kinds: ["prompt"], userKey: "a" })).toHaveLength(1);
    });

    it("makes one late run of all that was missed, for the last time, with the others counted", async () => {
      await jobs.create(newJob());
      world.pass(10 * MINUTE + 7);
      const [claimed] = await claim();
      expect(claimed?.run).toMatchObject({ scheduledFor: START + 10 * MINUTE, coalesced: 9 });
      expect(claimed?.job.nextRunAt).toBe(START + 11 * MINUTE);
    });

    it("counts a month of missed seconds without walking through it", async () => {
      await jobs.create(newJob({ schedule: { kind: "every", everySeconds: 1, anchor: START } }));
      await jobs.create(
        newJob({ schedule: { kind: "cron", cron: "* * * * * *" }, timezone: "Europe/Berlin" }),
      );
      world.pass(30 * 86_400_000);
      const nextRun = vi.spyOn(Cron.prototype, "nextRun");
      onTestFinished(() => nextRun.mockRestore());
      const claimed = await claim();
      // Not one for each of the 2,592,000 seconds.
      expect(nextRun.mock.calls.length).toBeLessThan(MAX_COALESCED + 50);
      for (const { run } of claimed) {
        expect(run).toMatchObject({ scheduledFor: START + 30 * 86_400_000, coalesced: 1000 });
      }
      expect(claimed).toHaveLength(2);
    });

    it("doesn't run what came due while a job was paused", async () => {
      const { jobId } = await jobs.create(newJob());
      await jobs.update(jobId, () => ({ status: "paused" }));
      world.pass(5 * MINUTE + 1);
      expect(await claim()).toEqual([]);
      await jobs.update(jobId, () => ({ status: "active" }));
      expect(await claim()).toEqual([]);
      expect(await runQueue.nextDueAt(EVERYBODY)).toBe(START + 6 * MINUTE);
    });

    it("records an occurrence as skipped while the job's last run is still running", async () => {
      const { jobId } = await jobs.create(newJob());
      world.pass(MINUTE);
      const [first] = await claim();
      world.pass(MINUTE);
      expect(await claim()).toEqual([]);
      expect(skipped).toHaveLength(1);
      expect(skipped[0]).toMatchObject({
        jobId,
        status: "skipped",
        scheduledFor: START + 2 * MINUTE,
        startedAt: null,
        finishedAt: START + 2 * MINUTE,
        statusReason: expect.stringContaining("previous run"),
      });
      expect(await runs.get(skipped[0]?.runId ?? "")).toEqual(skipped[0]);
      await world.finish(first?.run.runId ?? "", OUTCOME);
      world.pass(MINUTE);
      expect(await claim()).toHaveLength(1);
    });

    it("starts a run asked for by hand even while the job runs", async () => {
      const { jobId } = await jobs.create(newJob());
      world.pass(MINUTE);
      await claim();
      await runs.enqueue(jobId);
      await runs.enqueue(jobId);
      expect(await claim()).toHaveLength(2);
    });

    it("gives a queued run the job's prompt of the moment it starts", async () => {
      const { jobId } = await jobs.create(newJob({ action: { kind: "prompt", prompt: "old" } }));
      await runs.enqueue(jobId);
      await jobs.update(jobId, () => ({ action: { kind: "prompt", prompt: "new" } }));
      expect((await claim())[0]?.run.prompt).toBe("new");
    });

    it("hands a queued run over when its job has become something this process can't run", async () => {
      const { jobId } = await jobs.create(newJob());
      await runs.enqueue(jobId);
      await jobs.update(jobId, () => ({ action: { kind: "prompt", prompt: "p" } }));
      expect(await claim({ kinds: ["tool"] })).toEqual([]);
      expect(await claim({ kinds: ["prompt"] })).toHaveLength(1);
    });

    it("never runs a time again that the job has had, even if its clock is put back", async () => {
      const { jobId } = await jobs.create(newJob());
      world.pass(MINUTE);
      const [first] = await claim();
      await world.finish(first?.run.runId ?? "", OUTCOME);
      await jobs.update(jobId, () => ({ nextRunAt: START + MINUTE }));
      expect(await claim()).toEqual([]);
      expect((await jobs.get(jobId)).nextRunAt).toBe(START + 2 * MINUTE);
      expect((await runs.list()).runs).toHaveLength(1);
    });

    it("pauses a job that can't be read and goes on with the others", async () => {
      const broken = await once(START);
      const good = await once(START);
      await world.db.kysely
        .updateTable("jobs")
        .set({ detail: "{}" })
        .where("job_id", "=", broken.jobId)
        .execute();
      expect((await claim()).map(({ run }) => run.jobId)).toEqual([good.jobId]);
      expect((await jobs.counts()).paused).toBe(1);
    });

    it("claims each occurrence once when two connections claim at the same time", async () => {
      const other = await world.openQueue(await world.reopen());
      for (let i = 0; i < 40; i++) await once(START + i);
      world.pass(100);
      const claims = await Promise.all(
        Array.from({ length: 10 }, (_, i) =>
          (i % 2 ? runQueue : other).claimDue({
            now: world.now(),
            limit: 8,
            filter: EVERYBODY,
            worker: worker(`w${i}`),
            leaseMs: 30_000,
          }),
        ),
      );
      const claimed = claims.flat().map(({ job }) => job.jobId);
      expect(claimed).toHaveLength(40);
      expect(new Set(claimed).size).toBe(40);
    });

    it("notices what another connection writes, and not what it writes itself", async () => {
      const other = await world.reopen();
      const store = world.user("b", { db: other }).jobs;
      expect(runQueue.changedElsewhere()).toBe(false);
      await jobs.create(newJob());
      expect(runQueue.changedElsewhere()).toBe(false);
      await store.create(newJob());
      await vi.waitFor(() => expect(runQueue.changedElsewhere()).toBe(true), 10_000);
      expect(runQueue.changedElsewhere()).toBe(false);
    });
  });
}
