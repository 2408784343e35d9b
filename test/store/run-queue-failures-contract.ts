import { beforeEach, describe, expect, it } from "vitest";
import type { ErrorCode } from "../../src/errors.ts";
import type { JobStore, RunStore } from "../../src/jobs/contracts.ts";
import { DEFAULT_POLICY, type Policy } from "../../src/jobs/job.ts";
import type { EndStatus, RunResult } from "../../src/jobs/run.ts";
import type { RunQueue } from "../../src/store/run-queue.ts";
import { ALL_KINDS, type Backend, newJob, openWorld, START, type World } from "../world.ts";

const MINUTE = 60_000;
const RETRY = { attempts: 3, backoffSeconds: 10, maxBackoffSeconds: 15, on: [] };
const end = (status: EndStatus, code?: ErrorCode, denied = 0): RunResult => ({
  status,
  output: null,
  error: code ? { code, message: `It was ${code}.` } : null,
  transcript: Array.from({ length: denied }, (_, i) => ({
    step: i + 1,
    type: "tool" as const,
    denied: true,
  })),
  usage: { input_tokens: 0, output_tokens: 0 },
});

/** Failures and retries, as every RunQueue handles them. */
export function runQueueFailuresContract(backend: Backend): void {
  describe(`failures kept in ${backend}`, () => {
    let world: World;
    let jobs: JobStore;
    let runs: RunStore;
    let runQueue: RunQueue;
    const claim = async () => (await world.claim({ leaseMs: 3_600_000 }))[0];
    const add = (policy: Partial<Policy> = {}) =>
      jobs.create(newJob({ policy: { ...DEFAULT_POLICY, ...policy }, nextRunAt: world.now() }));
    const runOnce = async (outcome: RunResult) => {
      const runId = (await claim())?.run.runId ?? "none";
      expect(await world.finish(runId, outcome)).toBe(true);
      return runId;
    };
    const countersOf = async (jobId: string) => (await jobs.counters([jobId])).get(jobId);
    const queued = async () => (await runs.list({ status: "queued" })).runs;

    beforeEach(async () => {
      world = await openWorld(backend);
      ({ jobs, runs } = world.user("a"));
      runQueue = world.runQueue;
    });

    it("counts how runs ended, and the calls that were denied; the last run is one that has ended", async () => {
      const { jobId } = await add();
      expect(await countersOf(jobId)).toBeUndefined();
      const failed = await runOnce(end("failed", "TOOL_FAILED", 2));
      world.pass(MINUTE);
      await claim();
      expect(await countersOf(jobId)).toMatchObject({
        runsStarted: 2,
        runsSucceeded: 0,
        runsFailed: 1,
        deniedCalls: 2,
        consecutiveFailures: 1,
        lastRunId: failed,
      });
    });

    it("hides a job's counters from another user", async () => {
      const { jobId } = await add();
      await runOnce(end("succeeded"));
      const bob = world.user("b").jobs;
      expect(await bob.counters([jobId])).toEqual(new Map());
    });

    it.each(["MODEL_RATE_LIMITED", "MODEL_UNREACHABLE", "MODEL_UNAVAILABLE"] as const)(
      "tries again after %s as often as the job says, later each time, and counts one failure",
      async (code) => {
        const { jobId } = await add({ retry: RETRY });
        const waits: number[] = [];
        for (const attempt of [2, 3]) {
          await runOnce(end("failed", code));
          expect(await queued()).toMatchObject([{ attempt, scheduledFor: START, trigger: "schedule" }]);
          const at = (await runQueue.nextDueAt({ kinds: ALL_KINDS })) ?? 0;
          waits.push(at - world.now());
          world.pass(waits.at(-1) ?? 0);
        }
        expect(waits[0]).toBeGreaterThanOrEqual(5_000);
        expect(waits[0]).toBeLessThanOrEqual(10_000);
        expect(waits[1]).toBeGreaterThanOrEqual(7_500);
        expect(waits[1]).toBeLessThanOrEqual(15_000);
        await runOnce(end("failed", code));
        expect(await queued()).toEqual([]);
        expect(await countersOf(jobId)).toMatchObject({
          runsStarted: 3,
          runsFailed: 3,
          consecutiveFailures: 1,
          scheduledRuns: 1,
        });
      },
    );

    it.each([
      ["MODEL_REFUSED_KEY", "failed"],
      ["MODEL_FAILED", "failed"],
      ["BUDGET_EXCEEDED", "failed"],
      ["TOOL_FAILED", "failed"],
      ["GHOST_CRASHED", "failed"],
      ["GHOST_CRASHED", "lost"],
      ["GHOST_TIMED_OUT", "timed_out"],
      ["CANCELLED", "cancelled"],
    ] as const)("does not try again after %s (%s)", async (code, status) => {
      await add({ retry: RETRY });
      await runOnce(end(status, code));
      expect(await queued()).toEqual([]);
    });

    it.each([
      ["crash", "failed", "GHOST_CRASHED"],
      ["lost", "lost", "GHOST_CRASHED"],
      ["timeout", "timed_out", "GHOST_TIMED_OUT"],
    ] as const)("tries again after a %s where the job declares it", async (on, status, code) => {
      await add({ retry: { ...RETRY, on: [on] } });
      await runOnce(end(status, code));
      expect(await queued()).toHaveLength(1);
    });

    it("tries nothing twice unless the job asks for it, nor what its owner cancelled", async () => {
      await add();
      await runOnce(end("failed", "MODEL_UNREACHABLE"));
      expect(await queued()).toEqual([]);
      await add({ retry: RETRY });
      const runId = (await claim())?.run.runId ?? "";
      await runs.cancel(runId);
      await world.finish(runId, end("failed", "MODEL_UNREACHABLE"));
      expect(await queued()).toEqual([]);
    });

    it.each(["paused", "cancelled"] as const)(
      "does not try again when the job was %s meanwhile, unless a person asked for the run of a paused one",
      async (status) => {
        const { jobId } = await add({ retry: RETRY });
        const scheduled = (await claim())?.run;
        const byHand = await runs.enqueue(jobId);
        await claim();
        await jobs.update(jobId, () => ({ status }));
        const failed = end("failed", "MODEL_UNREACHABLE");
        for (const runId of [scheduled?.runId ?? "", byHand.runId])
          expect(await world.finish(runId, failed)).toBe(true);
        expect((await queued()).map(({ trigger }) => trigger)).toEqual(status === "paused" ? ["manual"] : []);
      },
    );

    it("tries again before what waits behind the run that failed", async () => {
      await add({ retry: RETRY, overlap: "buffer_all" });
      const first = (await claim())?.run.runId ?? "";
      world.pass(MINUTE);
      expect(await claim()).toBeUndefined();
      expect(await queued()).toHaveLength(1);
      await world.finish(first, end("failed", "MODEL_UNREACHABLE"));
      expect(await claim()).toBeUndefined();
      world.pass(15_000);
      const again = (await claim())?.run;
      expect(again).toMatchObject({ attempt: 2, scheduledFor: START });
      await world.finish(again?.runId ?? "", end("succeeded"));
      expect((await claim())?.run).toMatchObject({ attempt: 1, scheduledFor: START + MINUTE });
    });

    it("does not try again beside a run that a person has started meanwhile, but behind it", async () => {
      const { jobId } = await add({ retry: RETRY });
      await runOnce(end("failed", "MODEL_UNREACHABLE"));
      await runs.enqueue(jobId);
      const byHand = (await claim())?.run;
      expect(byHand?.trigger).toBe("manual");
      world.pass(15_000);
      expect(await claim()).toBeUndefined();
      await world.finish(byHand?.runId ?? "", end("succeeded"));
      expect((await claim())?.run).toMatchObject({ attempt: 2, scheduledFor: START });
    });

    it("pauses a job that fails again and again, keeps the reason, and begins anew when it is resumed", async () => {
      const { jobId } = await add({ pauseAfterFailures: 3 });
      for (let i = 1; i <= 3; i++) {
        expect((await jobs.get(jobId)).status).toBe("active");
        await runOnce(end("failed", "TOOL_FAILED"));
        expect((await countersOf(jobId))?.consecutiveFailures).toBe(i);
        world.pass(MINUTE);
      }
      expect(await jobs.get(jobId)).toMatchObject({
        status: "paused",
        nextRunAt: null,
        statusReason: expect.stringMatching(/after 3 failures in a row .*It was TOOL_FAILED/),
      });
      expect(await claim()).toBeUndefined();
      await jobs.update(jobId, () => ({ status: "active" }));
      expect((await countersOf(jobId))?.consecutiveFailures).toBe(0);
    });

    it("does not count the death of its process as the job's failure", async () => {
      const { jobId } = await add({ pauseAfterFailures: 1 });
      await runOnce(end("lost", "GHOST_CRASHED"));
      expect((await jobs.get(jobId)).status).toBe("active");
      expect(await countersOf(jobId)).toMatchObject({ runsFailed: 1, consecutiveFailures: 0 });
    });

    it("forgets failures after a success, and never pauses where the job says 0", async () => {
      const { jobId } = await add({ pauseAfterFailures: 2 });
      for (const status of ["failed", "succeeded", "failed"] as const) {
        await runOnce(end(status));
        world.pass(MINUTE);
      }
      expect(await jobs.get(jobId)).toMatchObject({ status: "active" });
      const never = await add({ pauseAfterFailures: 0 });
      await jobs.update(jobId, () => ({ status: "cancelled" }));
      for (let i = 0; i < 7; i++) {
        await runOnce(end("timed_out"));
        world.pass(MINUTE);
      }
      expect((await jobs.get(never.jobId)).status).toBe("active");
      expect((await countersOf(never.jobId))?.consecutiveFailures).toBe(7);
    });
  });
}
