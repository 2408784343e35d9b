import { beforeEach, describe, expect, it } from "vitest";
import type { FolderJob, JobStore, NewJob } from "../../src/jobs/contracts.ts";
import { DEFAULT_POLICY } from "../../src/jobs/job.ts";
import { type Backend, newJob, openWorld, START, type World } from "../world.ts";

const file = (name: string, digest: string, change: Partial<NewJob> = {}): FolderJob => {
  const { origin: _, ...job } = newJob({ action: { kind: "code", file: name }, ...change });
  return { file: name, digest, job };
};

/** The contract of every JobStore for the files of a jobs folder. */
export function folderSyncContract(backend: Backend): void {
  describe(`folder jobs kept in ${backend}`, () => {
    let world: World;
    let store: JobStore;
    const only = async () => (await store.list()).jobs[0];

    beforeEach(async () => {
      world = await openWorld(backend);
      store = world.user("a", { maxJobs: 2 }).jobs;
    });

    it("makes a job for each file, once, whatever the user's limit", async () => {
      const files = ["a.ts", "b.ts", "c.ts"].map((name) => file(name, "1"));
      expect(await store.syncFolder(files)).toEqual({ created: 3, changed: 0, removed: 0 });
      expect(await store.syncFolder(files)).toEqual({ created: 0, changed: 0, removed: 0 });
      expect(await store.counts()).toMatchObject({ active: 3 });
    });

    it("makes no second job when two processes read the folder at once", async () => {
      const other = world.user("a", { db: await world.reopen() }).jobs;
      const files = [file("a.ts", "1"), file("b.ts", "1")];
      const results = await Promise.all([store.syncFolder(files), other.syncFolder(files)]);
      expect(results[0].created + results[1].created).toBe(2);
      expect((await store.list()).jobs).toHaveLength(2);
    });

    it("keeps id, time and pause of a file that changed", async () => {
      await store.syncFolder([file("a.ts", "1")]);
      const before = await only();
      await store.update(before?.jobId ?? "", () => ({ status: "paused", statusReason: "mine" }));
      world.pass(5000);
      const later = { schedule: { kind: "every", everySeconds: 60, anchor: world.now() } } as const;
      expect(await store.syncFolder([file("a.ts", "2", { name: "new", ...later })])).toMatchObject({
        changed: 1,
      });
      expect(await only()).toMatchObject({
        jobId: before?.jobId,
        name: "new",
        status: "paused",
        statusReason: "mine",
        schedule: { anchor: START },
      });
    });

    it("brings a paused job back paused, with the same text or another, and also the second time", async () => {
      await store.syncFolder([file("a.ts", "1"), file("b.ts", "1")]);
      for (const { jobId, origin } of (await store.list()).jobs) {
        const reason = origin.kind === "folder" && origin.file === "a.ts" ? "mine" : null;
        await store.update(jobId, () => ({ status: "paused", statusReason: reason }));
      }
      for (const text of ["1", "2"]) {
        await store.syncFolder([]);
        const gone = (await store.list()).jobs;
        expect(gone.map(({ status }) => status)).toEqual(["cancelled", "cancelled"]);
        await store.syncFolder([file("a.ts", text), file("b.ts", text)]);
        const back = (await store.list()).jobs.map(({ status, statusReason, nextRunAt }) => [
          status,
          statusReason,
          nextRunAt,
        ]);
        expect(back.sort()).toEqual([
          ["paused", null, null],
          ["paused", "mine", null],
        ]);
      }
      for (const { jobId } of (await store.list()).jobs)
        await store.update(jobId, () => ({ status: "active" }));
      await store.syncFolder([]);
      await store.syncFolder([file("a.ts", "2"), file("b.ts", "2")]);
      expect((await store.list()).jobs.map(({ status }) => status)).toEqual(["active", "active"]);
    });

    it("keeps an occurrence that was missed while the file was edited, unless its times changed", async () => {
      await store.syncFolder([file("a.ts", "1")]);
      world.pass(10 * 60_000);
      await store.syncFolder([file("a.ts", "2", { name: "new" })]);
      expect((await only())?.nextRunAt).toBe(START + 60_000);
      await store.syncFolder([file("a.ts", "3", { schedule: { kind: "cron", cron: "0 10 * * *" } })]);
      expect((await only())?.nextRunAt).toBe(START + 3_600_000);
    });

    it("cancels the job of a file that is gone, and brings the same job back with the file", async () => {
      await store.syncFolder([file("a.ts", "1")]);
      const jobId = (await only())?.jobId;
      expect(await store.syncFolder([])).toEqual({ created: 0, changed: 0, removed: 1 });
      expect(await only()).toMatchObject({ status: "cancelled", nextRunAt: null });
      expect(await store.syncFolder([])).toMatchObject({ removed: 0 });
      world.pass(61_000);
      expect(await store.syncFolder([file("a.ts", "1")])).toMatchObject({ created: 0, changed: 1 });
      expect(await only()).toMatchObject({ jobId, status: "active", nextRunAt: START + 120_000 });
    });

    it("describes anew, under its id, what can't be read any more, and the other files besides", async () => {
      await store.syncFolder([file("a.ts", "1"), file("b.ts", "1")]);
      const before = await store.list();
      await world.db.transact((trx) =>
        trx.updateTable("jobs").set({ detail: "{}" }).where("file", "=", "a.ts").execute(),
      );
      const files = [file("a.ts", "2", { name: "mended" }), file("b.ts", "2", { name: "changed" })];
      expect(await store.syncFolder(files)).toEqual({ created: 0, changed: 2, removed: 0 });
      const { jobs } = await store.list();
      expect(jobs.map(({ jobId, name, status }) => [jobId, name, status])).toEqual([
        [before.jobs[0]?.jobId, "changed", "active"],
        [before.jobs[1]?.jobId, "mended", "active"],
      ]);
    });

    describe("that run after each other", () => {
      const behind = (name: string, dependency: string, digest = "1") =>
        file(name, digest, { schedule: { kind: "after", jobId: dependency }, nextRunAt: null });
      const CHAIN = [behind("a.ts", "b.ts"), behind("b.ts", "c.ts"), file("c.ts", "1")];
      const all = async () => {
        const { jobs } = await store.list();
        return Object.fromEntries(jobs.map((job) => [job.action.kind === "code" && job.action.file, job]));
      };

      it("are stored with each other's ids, whichever file is read first", async () => {
        expect(await store.syncFolder(CHAIN)).toMatchObject({ created: 3 });
        const stored = await all();
        expect(stored["a.ts"]).toMatchObject({
          status: "active",
          schedule: { jobId: stored["b.ts"]?.jobId },
        });
        expect(stored["b.ts"]).toMatchObject({
          status: "active",
          schedule: { jobId: stored["c.ts"]?.jobId },
        });
        expect(await store.syncFolder(CHAIN)).toEqual({ created: 0, changed: 0, removed: 0 });
      });

      it("wait while the one before is gone, and go on when it is back; a person's pause stays", async () => {
        const second = behind("d.ts", "c.ts");
        await store.syncFolder([...CHAIN, second]);
        const before = await all();
        await store.update(before["d.ts"]?.jobId ?? "", () => ({ status: "paused", statusReason: "mine" }));
        await store.syncFolder([], ["a.ts", "b.ts", "d.ts"]);
        expect(await all()).toMatchObject({
          "a.ts": { status: "active" },
          "b.ts": { status: "paused", statusReason: expect.stringContaining("was cancelled") },
          "c.ts": { status: "cancelled" },
        });
        expect(await store.syncFolder([...CHAIN, second])).toMatchObject({ created: 0, changed: 2 });
        const later = await all();
        expect(later).toMatchObject({
          "b.ts": { status: "active", statusReason: null, schedule: before["b.ts"]?.schedule },
          "c.ts": { status: "active", jobId: before["c.ts"]?.jobId },
          "d.ts": { status: "paused", statusReason: "mine" },
        });
      });

      it("are over from the start where their span is", async () => {
        const policy = { ...DEFAULT_POLICY, endsAt: START - 1 };
        const ended = { ...behind("b.ts", "c.ts"), job: { ...behind("b.ts", "c.ts").job, policy } };
        await store.syncFolder([ended, file("c.ts", "1")]);
        expect((await all())["b.ts"]).toMatchObject({ status: "completed", nextRunAt: null });
      });

      it("may change what they run after, and take a time instead", async () => {
        await store.syncFolder(CHAIN);
        await store.syncFolder([behind("a.ts", "c.ts", "2"), file("b.ts", "2"), file("c.ts", "1")]);
        const stored = await all();
        expect(stored["a.ts"]).toMatchObject({
          status: "active",
          schedule: { jobId: stored["c.ts"]?.jobId },
        });
        expect(stored["b.ts"]).toMatchObject({ status: "active", schedule: { kind: "every" } });
        await store.syncFolder([behind("a.ts", "b.ts", "3"), file("b.ts", "2"), behind("c.ts", "b.ts", "2")]);
        expect(await all()).toMatchObject({
          "a.ts": { status: "active", nextRunAt: null },
          "c.ts": { status: "active", nextRunAt: null, schedule: { jobId: stored["b.ts"]?.jobId } },
        });
      });
    });

    it("leaves alone the jobs made by tools, and another user's folder", async () => {
      const mine = await store.create(newJob());
      const bob = world.user("b").jobs;
      await bob.syncFolder([file("a.ts", "1")]);
      await store.syncFolder([]);
      expect((await store.get(mine.jobId)).status).toBe("active");
      expect((await bob.list({ status: "active" })).jobs).toHaveLength(1);
    });
  });
}
