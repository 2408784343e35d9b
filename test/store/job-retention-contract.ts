import { beforeEach, describe, expect, it } from "vitest";
import type { JobStore, RunStore } from "../../src/jobs/contracts.ts";
import { forgetOldRuns } from "../../src/store/retention.ts";
import { dailyTokens, jobTokens, openTokenBudget } from "../../src/store/usage.ts";
import { type Backend, newJob, openWorld, resultOf, spend, type World } from "../world.ts";

const DAY_MS = 86_400_000;

/** The retention of jobs that have ended and of past days' use, whatever database they are kept in. */
export function jobRetentionContract(backend: Backend): void {
  describe(`retention of jobs kept in ${backend}`, () => {
    let world: World;
    let jobs: JobStore;
    let runs: RunStore;
    const forget = (keepRunsDays: number) =>
      forgetOldRuns(world.db, { keepRunsDays, keepRunsPerJob: 0, keepTranscriptsDays: 0 }, world.now());
    const work = async () => {
      for (const { run } of await world.claim()) await world.finish(run.runId, resultOf("succeeded"));
    };
    /** A job that is due once, and has run. */
    const ranOnce = async (at = world.now()) => {
      const { jobId } = await jobs.create(newJob({ schedule: { kind: "at", at }, nextRunAt: at }));
      world.pass(at - world.now());
      await work();
      expect((await jobs.get(jobId)).status).toBe("completed");
      return jobId;
    };
    const left = async () => (await jobs.list()).jobs.map(({ jobId }) => jobId).sort();

    beforeEach(async () => {
      world = await openWorld(backend);
      ({ jobs, runs } = world.user("a"));
    });

    it("deletes one that has ended, with its last run, as many days later as its run", async () => {
      const done = await ranOnce();
      const cancelled = (await jobs.create(newJob())).jobId;
      await jobs.update(cancelled, () => ({ status: "cancelled" }));
      await spend(
        world.db,
        openTokenBudget(world.db, [jobTokens({ userKey: "a", jobId: done, maxTokens: null })]),
        5,
      );
      world.pass(10 * DAY_MS);
      expect(await forget(10)).toEqual({ runs: 0, transcripts: 0, jobs: 0 });
      expect(await left()).toEqual([done, cancelled].sort());
      world.pass(1);
      expect(await forget(0)).toEqual({ runs: 0, transcripts: 0, jobs: 0 });
      expect(await forget(10)).toEqual({ runs: 1, transcripts: 0, jobs: 2 });
      expect(await left()).toEqual([]);
      expect((await runs.list()).runs).toEqual([]);
      for (const table of ["job_usage", "job_counters"] as const)
        expect(await world.db.kysely.selectFrom(table).selectAll().execute()).toEqual([]);
    });

    it("keeps one that was made long before its time until its run is old", async () => {
      const jobId = await ranOnce(world.now() + 30 * DAY_MS);
      expect(await forget(10)).toMatchObject({ runs: 0, jobs: 0 });
      const { runId } = await runs.enqueue(jobId);
      world.pass(11 * DAY_MS);
      expect(await forget(10)).toEqual({ runs: 1, transcripts: 0, jobs: 0 });
      expect((await runs.get(runId)).status).toBe("queued");
      await work();
      world.pass(11 * DAY_MS);
      expect(await forget(10)).toEqual({ runs: 1, transcripts: 0, jobs: 1 });
    });

    it("keeps those that may run again: active, paused, of a file, or with one that runs after it", async () => {
      const later = world.now() + 1_000 * DAY_MS;
      const active = (await jobs.create(newJob({ nextRunAt: later }))).jobId;
      const paused = (await jobs.create(newJob({ nextRunAt: later }))).jobId;
      await jobs.update(paused, () => ({ status: "paused" }));
      const first = await ranOnce();
      const after = newJob({ schedule: { kind: "after", jobId: first }, nextRunAt: null });
      const second = (await jobs.create(after)).jobId;
      await jobs.syncFolder([{ file: "a.md", digest: "1", job: newJob({ nextRunAt: later }) }]);
      await jobs.syncFolder([]);
      const before = await left();
      expect(before).toEqual(expect.arrayContaining([active, paused, first, second]));
      expect(before).toHaveLength(5);
      world.pass(100 * DAY_MS);
      expect(await forget(10)).toMatchObject({ jobs: 0 });
      expect(await left()).toEqual(before);
    });

    it("deletes the use of past days, and keeps today's", async () => {
      const spendSeven = (userKey: string) =>
        spend(
          world.db,
          openTokenBudget(world.db, [dailyTokens({ userKey, maxTokens: 0, now: world.now })]),
          7,
        );
      for (const user of ["a", "b"]) await spendSeven(user);
      world.pass(DAY_MS);
      await spendSeven("a");
      world.pass(2 * DAY_MS);
      await spendSeven("b");
      await forget(0);
      const rows = await world.db.kysely.selectFrom("daily_usage").select("user_key").execute();
      expect(rows.map(({ user_key }) => user_key).sort()).toEqual(["a", "b"]);
    });
  });
}
