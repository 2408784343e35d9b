import { beforeEach, describe, expect, it } from "vitest";
import { MAX_ITEM_CHARS } from "../../src/jobs/inbox-item.ts";
import { openRunQueue } from "../../src/store/open-run-queue.ts";
import { type Backend, newJob, START } from "../world.ts";
import { DAY, end, type InboxWorld, openInboxWorld, say } from "./inbox-world.ts";

const MINUTE = 60_000;

/** Reading and retention of every inbox, whatever database it is kept in. */
export function inboxRetentionContract(backend: Backend): void {
  describe(`items kept in ${backend}`, () => {
    let world: InboxWorld;

    beforeEach(async () => {
      world = await openInboxWorld(backend);
    });

    it("is read a page at a time, newest first, while it is marked as read", async () => {
      const { inbox, add, runOnce, texts } = world;
      const { jobId } = await add();
      for (const word of ["one", "two", "three", "four", "five"]) {
        await runOnce(jobId, say(word));
        world.pass(1);
      }
      const seen: (string | null)[] = [];
      let cursor: string | undefined;
      do {
        const page = await inbox.list({ unreadOnly: true, limit: 2, ...(cursor && { cursor }) });
        seen.push(...page.items.map(({ output }) => output));
        expect(await inbox.markRead(page.items.map(({ itemId }) => itemId))).toBe(page.items.length);
        cursor = page.nextCursor;
      } while (cursor);
      expect(seen).toEqual(["five", "four", "three", "two", "one"]);
      expect(await inbox.unread()).toBe(0);
      expect(await texts({ unreadOnly: true })).toEqual([]);
      expect(await texts()).toEqual(seen);
      const { nextCursor = "" } = await inbox.list({ limit: 1 });
      for (const other of [{ unreadOnly: true }, { jobId }])
        await expect(inbox.list({ ...other, cursor: nextCursor })).rejects.toMatchObject({
          code: "CURSOR_INVALID",
        });
    });

    it("remembers when an item was first read", async () => {
      const { inbox, add, runOnce } = world;
      const runId = await runOnce((await add()).jobId, end("succeeded"));
      world.pass(MINUTE);
      expect(await inbox.markRunRead(runId)).toBe(1);
      world.pass(MINUTE);
      expect(await inbox.markRunRead(runId)).toBe(0);
      const { items } = await inbox.list();
      expect(items[0]?.readAt).toBe(START + MINUTE);
      expect(await inbox.markRead([])).toBe(0);
    });

    it("leaves a warning unread when only its run was read", async () => {
      const { inbox, add, runOnce } = world;
      const { jobId } = await add();
      await runOnce(jobId, end("failed"));
      const runId = await runOnce(jobId, end("failed"));
      expect(await inbox.markRunRead(runId)).toBe(0);
      expect(await inbox.unread()).toBe(2);
    });

    it("shows the start of a long output", async () => {
      const { add, runOnce, texts } = world;
      await runOnce((await add()).jobId, say("x".repeat(200_000)));
      await runOnce((await add()).jobId, say("y".repeat(MAX_ITEM_CHARS)));
      const [short, long] = await texts();
      expect(short).toBe("y".repeat(MAX_ITEM_CHARS));
      expect(long?.slice(0, MAX_ITEM_CHARS)).toBe("x".repeat(MAX_ITEM_CHARS));
      expect(long?.slice(MAX_ITEM_CHARS)).toMatch(/^… \[cut; get_run has all of it\]$/);
    });

    it("keeps an item whose run is deleted, without its output", async () => {
      const { inbox, add, runOnce } = world;
      const { jobId } = await add({}, "Weather");
      const runId = await runOnce(jobId, end("succeeded"));
      await world.db.kysely.deleteFrom("runs").where("run_id", "=", runId).execute();
      expect((await inbox.list()).items).toMatchObject([
        { jobId, jobName: "Weather", runId: null, status: "succeeded", output: null, failure: null },
      ]);
    });

    it("drops what is too old when something new comes, a little at a time", async () => {
      const { runs, add, claimRun, texts } = world;
      const { jobId } = await add();
      const other = openRunQueue(world.db, { retention: { days: 3650, items: 1_000 } });
      for (let i = 0; i < 15; i++) {
        await runs.enqueue(jobId);
        await other.finish(await claimRun(), say(`old ${i}`), world.now());
        world.pass(1);
      }
      world.pass(30 * DAY - 5);
      const kept = openRunQueue(world.db, { retention: { days: 30, items: 1_000 } });
      await runs.enqueue(jobId);
      await kept.finish(await claimRun(), say("new"), world.now());
      expect(await texts({ limit: 100 })).toEqual(["new", "old 14", "old 13", "old 12", "old 11", "old 10"]);
    });

    it("holds so many: the oldest that was read goes first, then the oldest", async () => {
      const { inbox, add, runOnce, texts } = world;
      const { jobId } = await add();
      const one = async (word: string) => {
        await runOnce(jobId, say(word));
        world.pass(1);
      };
      for (const word of ["1", "2", "3", "4", "5"]) await one(word);
      const { items } = await inbox.list();
      await inbox.markRead(
        items.filter(({ output }) => output === "3" || output === "4").map(({ itemId }) => itemId),
      );
      await one("6");
      expect(await texts()).toEqual(["6", "5", "4", "2", "1"]);
      await one("7");
      expect(await texts()).toEqual(["7", "6", "5", "2", "1"]);
      await one("8");
      expect(await texts()).toEqual(["8", "7", "6", "5", "2"]);
    });

    it("is not touched by what another user gets", async () => {
      const { runQueue, add, claimRun, runOnce, texts } = world;
      await runOnce((await add()).jobId, say("mine"));
      const bob = world.user("b");
      const { jobId } = await bob.jobs.create(newJob());
      for (let i = 0; i < 7; i++) {
        await bob.runs.enqueue(jobId);
        await runQueue.finish(await claimRun(), say(String(i)), world.now());
        world.pass(1);
      }
      expect(await texts()).toEqual(["mine"]);
      expect((await bob.inbox.list()).items).toHaveLength(5);
    });

    it("gets an item and the run its end together: neither without the other", async () => {
      const { jobs, runs, inbox, runQueue, told, add, claimRun } = world;
      const { jobId } = await add();
      await runs.enqueue(jobId);
      const runId = await claimRun();
      // This row is in the way: one run has one item.
      const before = { item_id: "item_0", user_key: "a", kind: "result", status: "failed" } as const;
      const times = { created_at: START, read_at: null, note: null };
      await world.db.kysely
        .insertInto("inbox")
        .values({ ...before, ...times, run_id: runId, job_id: jobId })
        .execute();
      await expect(runQueue.finish(runId, end("failed"), START)).rejects.toThrow();
      expect(await runs.get(runId)).toMatchObject({ status: "running", finishedAt: null });
      expect((await jobs.counters([jobId])).get(jobId)?.runsFailed).toBe(0);
      expect(told).toEqual([]);
      await world.db.kysely.deleteFrom("inbox").execute();
      expect(await runQueue.finish(runId, end("failed"), START)).toBe(true);
      expect((await inbox.list()).items).toMatchObject([{ runId }]);
    });
  });
}
