import { beforeEach, describe, expect, it } from "vitest";
import { type Backend, START, worker } from "../world.ts";
import { end, type InboxWorld, openInboxWorld, say } from "./inbox-world.ts";

/** The items of every inbox, whatever database it is kept in. */
export function inboxStoreContract(backend: Backend): void {
  describe(`an inbox kept in ${backend}`, () => {
    let world: InboxWorld;

    beforeEach(async () => {
      world = await openInboxWorld(backend);
    });

    it("is empty for a user who has no results", async () => {
      const { inbox } = world;
      expect(await inbox.list()).toEqual({ items: [] });
      expect(await inbox.unread()).toBe(0);
    });

    it("has the result of a run, with the run's output and its job's name", async () => {
      const { inbox, told, add, runOnce } = world;
      const { jobId } = await add({}, "Weather");
      const runId = await runOnce(jobId, end("succeeded"));
      const [item, ...others] = (await inbox.list()).items;
      expect(others).toEqual([]);
      expect(item).toEqual({
        itemId: expect.stringMatching(/^item_[0-9a-f]{35}$/),
        kind: "result",
        jobId,
        jobName: "Weather",
        runId,
        status: "succeeded",
        note: null,
        output: "It rained.",
        failure: null,
        createdAt: START,
        readAt: null,
      });
      expect(told).toEqual([{ userKey: "a", runId, jobId, status: "succeeded", threadId: "thread_1" }]);
    });

    it.each(["failed", "timed_out"] as const)("has a run that %s, and why", async (status) => {
      const { inbox, add, runOnce } = world;
      await runOnce((await add()).jobId, end(status));
      expect((await inbox.list()).items).toMatchObject([
        { kind: "result", status, output: null, failure: "The printer is on fire." },
      ]);
    });

    it("has a run that was lost", async () => {
      const { runs, inbox, runQueue, told, add, claimRun } = world;
      const { jobId } = await add();
      await runs.enqueue(jobId);
      const runId = await claimRun();
      const dead = { now: START, worker: { ...worker("w2"), pid: 2 }, isAlive: () => false };
      expect(await runQueue.reapLost(dead)).toHaveLength(1);
      expect((await inbox.list()).items).toMatchObject([{ runId, status: "lost" }]);
      expect(told).toMatchObject([{ runId, status: "lost", threadId: "thread_1" }]);
      expect(await runQueue.finish(runId, end("succeeded"), START)).toBe(false);
      expect((await inbox.list()).items).toHaveLength(1);
    });

    it.each([
      ["a skipped run", end("skipped", { error: null, statusReason: "Nothing to do." })],
      ["a silent answer", say("NOTHING")],
      ["a success without words", end("succeeded", { output: null })],
      ["a success of white space", say(" \n")],
    ])("has nothing of %s", async (what, outcome) => {
      const { runs, inbox, told, add, runOnce } = world;
      const silent = what === "a silent answer";
      const runId = await runOnce((await add()).jobId, { ...outcome, silent });
      expect((await runs.get(runId)).status).toBe(outcome.status);
      expect((await inbox.list()).items).toEqual([]);
      expect(told).toEqual([]);
    });

    it("has nothing of a run that its owner or a newer run stopped, but of one that a shutdown cut off", async () => {
      const { runs, inbox, runQueue, add, claimRun } = world;
      const { jobId } = await add();
      await runs.enqueue(jobId);
      const wanted = await claimRun();
      await runs.cancel(wanted);
      await runQueue.finish(wanted, end("cancelled"), START);
      const waiting = await runs.enqueue(jobId);
      await runs.cancel(waiting.runId);
      await runs.enqueue(jobId);
      const replaced = await claimRun();
      await runs.enqueue(jobId, { overlap: "cancel_other" });
      await runQueue.finish(replaced, end("cancelled"), START);
      expect((await inbox.list()).items).toEqual([]);
      const cutOff = await claimRun();
      await runQueue.finish(cutOff, end("cancelled"), START);
      expect((await inbox.list()).items).toMatchObject([{ runId: cutOff, status: "cancelled" }]);
    });

    it("has the last attempt of a run, and none that is tried again", async () => {
      const { inbox, runQueue, add, claimRun, runOnce } = world;
      const retry = { attempts: 2, backoffSeconds: 0, maxBackoffSeconds: 0, on: [] };
      const { jobId } = await add({ retry });
      const busy = end("failed", { error: { code: "MODEL_RATE_LIMITED", message: "Busy." } });
      await runOnce(jobId, busy);
      expect((await inbox.list()).items).toEqual([]);
      const runId = await claimRun();
      await runQueue.finish(runId, busy, START);
      expect((await inbox.list()).items).toMatchObject([{ runId, failure: "Busy." }]);
    });

    it("warns at the second failure in a row, and says it when the job is paused", async () => {
      const { jobs, inbox, add, runOnce } = world;
      const { jobId } = await add({ pauseAfterFailures: 4 });
      for (let i = 0; i < 4; i++) {
        await runOnce(jobId, end("failed"));
        world.pass(1);
      }
      const { items } = await inbox.list();
      expect(items.map(({ kind }) => kind)).toEqual(["paused", "result", "warning", "result"]);
      expect(items[2]?.note).toBe(
        "The last 2 runs of this job failed. It is paused after 4 (pause_after_failures).",
      );
      expect(items[0]?.note).toMatch(/^Paused after 4 failures in a row .*The printer is on fire/);
      expect(items[0]?.note).toBe((await jobs.get(jobId)).statusReason);
    });

    it("warns of a job that is never paused, and of a pause at once where the job wants it so", async () => {
      const { inbox, add, runOnce } = world;
      const never = await add({ pauseAfterFailures: 0 });
      for (const _ of [1, 2, 3]) await runOnce(never.jobId, end("timed_out"));
      const noted = (await inbox.list({ jobId: never.jobId })).items.filter(({ note }) => note !== null);
      expect(noted).toMatchObject([{ kind: "warning", note: "The last 2 runs of this job failed." }]);
      const once = await add({ pauseAfterFailures: 1 });
      await runOnce(once.jobId, end("failed"));
      expect((await inbox.list({ jobId: once.jobId })).items).toMatchObject([{ kind: "paused" }]);
    });

    it("is one user's: nobody else lists, counts, marks or pages through it", async () => {
      const { inbox, add, runOnce } = world;
      const { jobId } = await add();
      const runId = await runOnce(jobId, end("succeeded"));
      await runOnce(jobId, end("succeeded"));
      const bob = world.user("b").inbox;
      const { items, nextCursor = "" } = await inbox.list({ limit: 1 });
      expect(await bob.list()).toEqual({ items: [] });
      expect(await bob.list({ jobId })).toEqual({ items: [] });
      expect(await bob.unread()).toBe(0);
      expect(await bob.markRead(items.map(({ itemId }) => itemId))).toBe(0);
      expect(await bob.markRunRead(runId)).toBe(0);
      await expect(bob.list({ cursor: nextCursor })).rejects.toMatchObject({ code: "CURSOR_INVALID" });
      expect(await inbox.unread()).toBe(2);
    });
  });
}
