import { beforeEach, describe, expect, it } from "vitest";
import type { JobStore, RunStore } from "../../src/jobs/contracts.ts";
import { type Backend, newJob, openWorld, resultOf, START, type World } from "../world.ts";

const DONE = resultOf("succeeded", {
  output: "good morning",
  transcript: [{ step: 1, type: "tool", tool: "recall_facts", result: "skipped", skipped: true }],
  usage: { input_tokens: 12, output_tokens: 3 },
});

/** The contract of every RunStore, whatever database it is kept in. */
export function runStoreContract(backend: Backend): void {
  describe(`runs kept in ${backend}`, () => {
    let world: World;
    let jobs: JobStore;
    let alice: RunStore;
    let bob: RunStore;
    const claim = () => world.claim();

    beforeEach(async () => {
      world = await openWorld(backend);
      jobs = world.user("a").jobs;
      alice = world.user("a", { maxQueued: 5 }).runs;
      bob = world.user("b").runs;
    });

    it("queues a run for now with the job's prompt and the session it came from", async () => {
      const { jobId } = await jobs.create(newJob({ action: { kind: "prompt", prompt: "Say hello" } }));
      const run = await alice.enqueue(jobId);
      expect(run).toMatchObject({
        jobId,
        status: "queued",
        trigger: "manual",
        scheduledFor: START,
        prompt: "Say hello",
        parentSessionId: "session_1",
        attempt: 1,
        startedAt: null,
        transcript: [],
      });
      expect(run.runId).toMatch(/^run_[0-9a-f]{35}$/);
      expect(await alice.get(run.runId)).toEqual(run);
    });

    it("cuts long outputs in a list, so that a page has a million characters of them, and has all of one run", async () => {
      const { jobId } = await jobs.create(newJob());
      const output = "é".repeat(200_000);
      for (let i = 0; i < 5; i++) {
        const { runId } = await alice.enqueue(jobId);
        await claim();
        await world.runQueue.finish(runId, { ...DONE, output }, START);
        expect((await alice.get(runId)).output).toBe(output);
      }
      expect((await alice.list({ limit: 5 })).runs.map((run) => run.output)).toEqual(Array(5).fill(output));
      for (const { output: cut } of (await alice.list({ limit: 200 })).runs)
        expect(cut).toBe(`${"é".repeat(5_000)}… [cut here: get_run has all of it]`);
    });

    it("rejects for another user's job or run exactly as for one that does not exist", async () => {
      const { jobId } = await jobs.create(newJob());
      const { runId } = await alice.enqueue(jobId);
      const absent = await bob.get("run_0").catch((error: unknown) => error);
      expect(absent).toMatchObject({ code: "RUN_NOT_FOUND" });
      expect(await bob.get(runId).catch((error: unknown) => error)).toEqual(absent);
      expect(await bob.cancel(runId).catch((error: unknown) => error)).toEqual(absent);
      await expect(bob.enqueue(jobId)).rejects.toMatchObject({ code: "JOB_NOT_FOUND" });
      expect(await bob.summary(runId).catch((error: unknown) => error)).toEqual(absent);
      expect((await bob.list({ jobId })).runs).toEqual([]);
      expect((await alice.get(runId)).status).toBe("queued");
    });

    it("runs a paused or completed job by hand, but not a cancelled one", async () => {
      const { jobId } = await jobs.create(newJob());
      await jobs.update(jobId, () => ({ status: "paused" }));
      await alice.enqueue(jobId);
      expect(await claim()).toHaveLength(1);
      await jobs.update(jobId, () => ({ status: "cancelled" }));
      await expect(alice.enqueue(jobId)).rejects.toMatchObject({ code: "JOB_STATE" });
    });

    it("lets only so many runs wait", async () => {
      const { jobId } = await jobs.create(newJob());
      const tries = await Promise.allSettled(Array.from({ length: 9 }, () => alice.enqueue(jobId)));
      expect(tries.filter((result) => result.status === "fulfilled")).toHaveLength(5);
      await expect(alice.enqueue(jobId)).rejects.toMatchObject({ code: "JOB_LIMIT_REACHED" });
    });

    it("keeps outcome, transcript and usage of a run, and lists it without the transcript", async () => {
      const { jobId } = await jobs.create(newJob());
      const { runId } = await alice.enqueue(jobId);
      await claim();
      world.pass(1500);
      await world.finish(runId, DONE);
      const run = await alice.get(runId);
      expect(run).toMatchObject({ ...DONE, startedAt: START, finishedAt: START + 1500, statusReason: null });
      const { transcript: _, ...listed } = run;
      expect(await alice.summary(run.runId)).toEqual(listed);
      expect((await alice.list()).runs).toEqual([listed]);
    });

    it("lists newest first, by job and status, page by page", async () => {
      const one = await jobs.create(newJob());
      const two = await jobs.create(newJob());
      const made: string[] = [];
      for (let i = 0; i < 5; i++) made.unshift((await alice.enqueue((i % 2 ? two : one).jobId)).runId);
      const first = await alice.list({ limit: 2 });
      const second = await alice.list({ limit: 9, cursor: first.nextCursor ?? "" });
      expect([...first.runs, ...second.runs].map((run) => run.runId)).toEqual(made);
      expect(second.nextCursor).toBeUndefined();
      expect((await alice.list({ jobId: two.jobId })).runs).toHaveLength(2);
      expect((await alice.list({ status: "running" })).runs).toHaveLength(0);
      expect((await alice.list({ jobId: "job_of_nobody" })).runs).toEqual([]);
    });

    it("refuses a cursor of another user, job or status", async () => {
      const { jobId } = await jobs.create(newJob());
      for (let i = 0; i < 3; i++) await alice.enqueue(jobId);
      const { nextCursor: cursor = "" } = await alice.list({ limit: 1 });
      for (const refused of [
        bob.list({ cursor }),
        alice.list({ jobId, cursor }),
        alice.list({ cursor: "?" }),
      ]) {
        await expect(refused).rejects.toMatchObject({ code: "CURSOR_INVALID" });
      }
    });

    it("cancels a queued run at once, tells a running one, and refuses an ended one", async () => {
      const { jobId } = await jobs.create(newJob());
      const queued = await alice.enqueue(jobId);
      expect(await alice.cancel(queued.runId)).toMatchObject({ status: "cancelled", finishedAt: START });
      expect(await claim()).toEqual([]);

      const { runId } = await alice.enqueue(jobId);
      await claim();
      expect(await alice.cancel(runId)).toMatchObject({ status: "running", cancelRequestedAt: START });
      world.pass(1000);
      expect(await alice.cancel(runId)).toMatchObject({ cancelRequestedAt: START });
      await world.finish(runId, { ...DONE, status: "cancelled" });
      await expect(alice.cancel(runId)).rejects.toMatchObject({ code: "RUN_STATE" });
    });
  });
}
