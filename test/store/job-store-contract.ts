import { beforeEach, describe, expect, it } from "vitest";
import type { JobStore } from "../../src/jobs/contracts.ts";
import { type Backend, newJob, openWorld, START, type World } from "../world.ts";

/** The contract of every JobStore, whatever database it is kept in. */
export function jobStoreContract(backend: Backend): void {
  describe(`jobs kept in ${backend}`, () => {
    let world: World;
    let alice: JobStore;
    let bob: JobStore;

    beforeEach(async () => {
      world = await openWorld(backend);
      alice = world.user("a", { userId: "alice", maxJobs: 20 }).jobs;
      bob = world.user("b", { maxJobs: 20 }).jobs;
    });

    it("gives back what was stored, with an id, an owner and dates of its own", async () => {
      const seed = newJob({ name: "Grüße 🌙", tools: ["whoami"] });
      const job = await alice.create(seed);
      expect(await alice.get(job.jobId)).toEqual(job);
      expect(job).toMatchObject({ ...seed, userId: "alice", status: "active", createdAt: START });
      expect(job.jobId).toMatch(/^job_[0-9a-f]{35}$/);
    });

    it("keeps a job for another connection to the same data", async () => {
      const { jobId } = await alice.create(newJob());
      const other = world.user("a", { db: await world.reopen() }).jobs;
      expect((await other.get(jobId)).jobId).toBe(jobId);
    });

    it("rejects for another user's job exactly as for one that does not exist", async () => {
      const { jobId } = await alice.create(newJob());
      const absent = await bob.get("job_0").catch((error: unknown) => error);
      const foreign = await bob.get(jobId).catch((error: unknown) => error);
      const update = await bob
        .update(jobId, () => ({ status: "cancelled" }))
        .catch((error: unknown) => error);
      expect(absent).toMatchObject({ code: "JOB_NOT_FOUND" });
      expect(foreign).toEqual(absent);
      expect(update).toEqual(absent);
      expect((await alice.get(jobId)).status).toBe("active");
      expect((await bob.list()).jobs).toEqual([]);
    });

    it("holds the limit exactly when many are created at once, over two connections", async () => {
      const other = world.user("a", { db: await world.reopen(), maxJobs: 20 }).jobs;
      const tries = Array.from({ length: 60 }, (_, i) => (i % 2 ? alice : other).create(newJob()));
      const results = await Promise.allSettled(tries);
      expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(20);
      for (const result of results) {
        if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "JOB_LIMIT_REACHED" });
      }
      expect(await alice.counts()).toEqual({ active: 20, paused: 0, completed: 0, cancelled: 0 });
      await bob.create(newJob());
    });

    it("frees a place in the limit when a job is cancelled", async () => {
      const jobs = [];
      for (let i = 0; i < 20; i++) jobs.push(await alice.create(newJob()));
      await alice.update(jobs[0]?.jobId ?? "", () => ({ status: "cancelled" }));
      await alice.create(newJob());
      await expect(alice.create(newJob())).rejects.toMatchObject({ code: "JOB_LIMIT_REACHED" });
    });

    it("lists newest first, page by page, each job once", async () => {
      const made: string[] = [];
      for (let i = 0; i < 7; i++) {
        made.unshift((await alice.create(newJob())).jobId);
        if (i % 2) world.pass(1);
      }
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await alice.list({ limit: 3, ...(cursor === undefined ? {} : { cursor }) });
        seen.push(...page.jobs.map((job) => job.jobId));
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      expect(seen).toEqual(made);
    });

    it("lists by status", async () => {
      const { jobId } = await alice.create(newJob());
      await alice.create(newJob());
      await alice.update(jobId, () => ({ status: "paused" }));
      expect((await alice.list({ status: "paused" })).jobs.map((job) => job.jobId)).toEqual([jobId]);
    });

    it("refuses a cursor that is changed, another user's, or another list's", async () => {
      for (let i = 0; i < 3; i++) {
        await alice.create(newJob());
        await bob.create(newJob());
      }
      const { nextCursor = "" } = await alice.list({ limit: 1 });
      const refused = { code: "CURSOR_INVALID" };
      await expect(bob.list({ cursor: nextCursor })).rejects.toMatchObject(refused);
      await expect(alice.list({ cursor: nextCursor, status: "active" })).rejects.toMatchObject(refused);
      for (const cursor of [
        "",
        "x",
        `${nextCursor}A`,
        `${nextCursor}=`,
        nextCursor.slice(1),
        "' OR 1=1 --",
      ]) {
        await expect(alice.list({ cursor })).rejects.toMatchObject(refused);
      }
      expect((await alice.list({ cursor: nextCursor })).jobs).toHaveLength(2);
    });

    it("finds its own jobs by the start of their ids", async () => {
      const made: string[] = [];
      for (let i = 0; i < 3; i++) made.push((await alice.create(newJob())).jobId);
      const foreign = (await bob.create(newJob())).jobId;
      const [oldest = ""] = made;
      const found = async (idStart: string) =>
        (await alice.list({ idStart, limit: 2 })).jobs.map(({ jobId }) => jobId);
      expect(await found(oldest)).toEqual([oldest]);
      expect(await found(oldest.slice(0, -1))).toEqual([oldest]);
      expect(await found("job_")).toEqual(made.slice(1).reverse());
      for (const none of [foreign, `${oldest}0`, "job_%", "job_zz", "job_'"])
        expect(await found(none)).toEqual([]);
    });

    it("leaves a job as it is when the change throws", async () => {
      const job = await alice.create(newJob());
      const boom = alice.update(job.jobId, () => {
        throw new Error("no");
      });
      await expect(boom).rejects.toThrow("no");
      expect(await alice.get(job.jobId)).toEqual(job);
    });

    it("loses no change of two made at once", async () => {
      const { jobId } = await alice.create(newJob({ name: "" }));
      const add = () => alice.update(jobId, (job) => ({ name: `${job.name}x` }));
      await Promise.all(Array.from({ length: 10 }, add));
      expect((await alice.get(jobId)).name).toBe("xxxxxxxxxx");
    });

    it("has no next time while paused, and one counted from now when resumed", async () => {
      const { jobId } = await alice.create(newJob());
      const paused = await alice.update(jobId, () => ({ status: "paused", statusReason: "holiday" }));
      expect(paused).toMatchObject({ status: "paused", statusReason: "holiday", nextRunAt: null });
      world.pass(10 * 60_000 + 5);
      const resumed = await alice.update(jobId, () => ({ status: "active" }));
      expect(resumed).toMatchObject({ statusReason: null, nextRunAt: START + 11 * 60_000 });
    });

    it("computes a new next time when the schedule changes, and keeps it when something else does", async () => {
      const { jobId } = await alice.create(newJob());
      world.pass(90_000);
      const renamed = await alice.update(jobId, () => ({ name: "n" }));
      expect(renamed.nextRunAt).toBe(START + 60_000);
      const daily = await alice.update(jobId, () => ({ schedule: { kind: "cron", cron: "0 12 * * *" } }));
      expect(daily.nextRunAt).toBe(START + 3 * 3_600_000);
      const elsewhere = await alice.update(jobId, () => ({ timezone: "Asia/Tokyo" }));
      expect(elsewhere.nextRunAt).toBe(START + 18 * 3_600_000);
    });

    it("doesn't wake a cancelled job, nor a one-shot whose time passed while it was paused", async () => {
      const at = START + 1000;
      const once = await alice.create(newJob({ schedule: { kind: "at", at }, nextRunAt: at }));
      await alice.update(once.jobId, () => ({ status: "paused" }));
      world.pass(2000);
      await expect(alice.update(once.jobId, () => ({ status: "active" }))).rejects.toMatchObject({
        code: "JOB_STATE",
        message: expect.stringContaining("update_job"),
      });
      await alice.update(once.jobId, () => ({ status: "cancelled" }));
      await expect(alice.update(once.jobId, () => ({ status: "active" }))).rejects.toMatchObject({
        code: "JOB_STATE",
      });
    });

    it("cancels the queued runs of a job that is cancelled", async () => {
      const { jobId } = await alice.create(newJob());
      const runs = world.user("a").runs;
      const { runId } = await runs.enqueue(jobId);
      await alice.update(jobId, () => ({ status: "cancelled" }));
      expect(await runs.get(runId)).toMatchObject({
        status: "cancelled",
        statusReason: expect.stringContaining("job was cancelled"),
      });
    });

    it("stores a job that has no time left as completed", async () => {
      const job = await alice.create(newJob({ nextRunAt: null }));
      expect(job).toMatchObject({ status: "completed", nextRunAt: null });
    });
  });
}
