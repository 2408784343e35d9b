import { beforeEach, describe, expect, it } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { newId } from "../../src/database/ids.ts";
import type { JobStore, NewJob, RunStore } from "../../src/jobs/contracts.ts";
import { DEFAULT_POLICY, NO_PROVISION } from "../../src/jobs/job.ts";
import { forgetOldRuns, type Keep } from "../../src/store/retention.ts";
import type { ClaimFilter } from "../../src/store/run-queue.ts";
import { ALL_KINDS, type Backend, newJob, openWorld, resultOf, START, type World } from "../world.ts";

const DAY_MS = 86_400_000;
const ALL: Keep = { keepRunsDays: 0, keepRunsPerJob: 0, keepTranscriptsDays: 0 };
const DONE = resultOf("succeeded", {
  output: "done",
  transcript: [{ step: 1, type: "note", text: "done" }],
  usage: { input_tokens: 1, output_tokens: 1 },
});

/** Adds `count` copies of the run, made and ended at `at`. */
export async function copyRun(db: Database, runId: string, count: number, at: number): Promise<void> {
  const { run_id: _, ...row } = await db.kysely
    .selectFrom("runs")
    .selectAll()
    .where("run_id", "=", runId)
    .executeTakeFirstOrThrow();
  await db.transact(async (trx) => {
    for (let i = 0; i < count; i++) {
      const copy = { ...row, run_id: newId("run", at), occurrence: null, finished_at: at };
      await trx.insertInto("runs").values(copy).execute();
    }
  });
}

async function copyJob(db: Database, jobId: string, count: number, at: number): Promise<void> {
  const {
    job_id: _,
    forgotten_until: __,
    ...row
  } = await db.kysely.selectFrom("jobs").selectAll().where("job_id", "=", jobId).executeTakeFirstOrThrow();
  await db.transact(async (trx) => {
    for (let i = 0; i < count; i++)
      await trx
        .insertInto("jobs")
        .values({ ...row, job_id: newId("job", at) })
        .execute();
  });
}

/** The retention of ended runs, whatever database they are kept in. */
export function retentionContract(backend: Backend): void {
  describe(`retention of runs kept in ${backend}`, () => {
    let world: World;
    let jobs: JobStore;
    let runs: RunStore;
    const forget = (keep: Partial<Keep>) => forgetOldRuns(world.db, { ...ALL, ...keep }, world.now());
    const claim = (limit = 16, filter: ClaimFilter = { kinds: ALL_KINDS }) => world.claim({ limit, filter });
    /** Runs everything that is due to its end. Resolves to how many runs that were. */
    const work = async () => {
      const claimed = await claim();
      for (const { run } of claimed) await world.finish(run.runId, DONE);
      return claimed.length;
    };
    /** A job that is due every hour, and has run so many times. */
    const ranJob = async (times: number, change: Partial<NewJob> = {}) => {
      const anchor = world.now();
      const job = newJob({
        schedule: { kind: "every", everySeconds: 3600, anchor },
        nextRunAt: anchor + 3_600_000,
        ...change,
      });
      const { jobId } = await jobs.create(job);
      for (let i = 0; i < times; i++) {
        world.pass(3_600_000);
        await work();
      }
      return jobId;
    };
    const kept = async (jobId: string) => (await runs.list({ jobId, limit: 200 })).runs;

    beforeEach(async () => {
      world = await openWorld(backend);
      ({ jobs, runs } = world.user("a"));
    });

    it("keeps everything when that is what is wanted", async () => {
      const jobId = await ranJob(3);
      world.pass(1_000 * DAY_MS);
      expect(await forget({})).toEqual({ runs: 0, transcripts: 0, jobs: 0 });
      expect(await kept(jobId)).toHaveLength(3);
    });

    it("deletes runs that ended before their days, with their transcripts, and keeps a job's last", async () => {
      const old = await ranJob(3);
      await jobs.update(old, () => ({ status: "paused" }));
      const lastOfOld = (await kept(old))[0]?.runId;
      world.pass(10 * DAY_MS);
      const fresh = await ranJob(2);
      expect(await forget({ keepRunsDays: 10 })).toEqual({ runs: 2, transcripts: 0, jobs: 0 });
      expect((await kept(old)).map(({ runId }) => runId)).toEqual([lastOfOld]);
      expect(await kept(fresh)).toHaveLength(2);
      const steps = await world.db.kysely.selectFrom("transcripts").select("run_id").execute();
      expect(steps).toHaveLength(3);
      expect((await jobs.counters([old])).get(old)).toMatchObject({ runsSucceeded: 3, lastRunId: lastOfOld });
    });

    it("counts a run's days from its end, and keeps runs that have not ended", async () => {
      const { jobId } = await jobs.create(newJob({ nextRunAt: START + 1_000 * DAY_MS }));
      const late = await runs.enqueue(jobId);
      const waiting = await runs.enqueue(jobId);
      world.pass(60 * DAY_MS);
      await claim(1);
      await world.finish(late.runId, DONE);
      const last = await runs.enqueue(jobId);
      await runs.cancel(last.runId);
      expect(await forget({ keepRunsDays: 1, keepTranscriptsDays: 1 })).toEqual({
        runs: 0,
        transcripts: 0,
        jobs: 0,
      });
      world.pass(2 * DAY_MS);
      expect(await forget({ keepRunsDays: 1, keepTranscriptsDays: 1 })).toEqual({
        runs: 1,
        transcripts: 1,
        jobs: 0,
      });
      expect((await kept(jobId)).map(({ runId }) => runId)).toEqual([waiting.runId, late.runId]);
    });

    it("drops transcripts before their runs", async () => {
      const jobId = await ranJob(3);
      world.pass(5 * DAY_MS);
      await work();
      expect(await forget({ keepRunsDays: 30, keepTranscriptsDays: 4 })).toEqual({
        runs: 0,
        transcripts: 3,
        jobs: 0,
      });
      const shown = await Promise.all((await kept(jobId)).map(({ runId }) => runs.get(runId)));
      expect(shown.map(({ output, transcript }) => [output, transcript.length])).toEqual([
        ["done", 1],
        ["done", 0],
        ["done", 0],
        ["done", 0],
      ]);
    });

    it("keeps the newest of each job, and the last that was no skip", async () => {
      const few = await ranJob(2);
      const { jobId: busy } = await jobs.create(newJob({ nextRunAt: START + 1_000 * DAY_MS }));
      const real = await runs.enqueue(busy);
      await work();
      world.pass(1);
      const working = await runs.enqueue(busy);
      await claim(1);
      for (let i = 0; i < 8; i++) await runs.enqueue(busy, { overlap: "skip" });
      expect(await forget({ keepRunsPerJob: 5 })).toEqual({ runs: 3, transcripts: 0, jobs: 0 });
      const ids = (await kept(busy)).map(({ runId }) => runId);
      expect(ids).toHaveLength(7);
      expect(ids).toEqual(expect.arrayContaining([real.runId, working.runId]));
      expect(await kept(few)).toHaveLength(2);
    });

    it("goes on through more than a step's worth, of one job and of many", async () => {
      const { jobId } = await jobs.create(newJob({ nextRunAt: START + 1_000 * DAY_MS }));
      const first = await runs.enqueue(jobId);
      await work();
      await copyRun(world.db, first.runId, 450, world.now());
      await copyJob(world.db, jobId, 120, world.now());
      expect(await forget({ keepRunsPerJob: 20 })).toEqual({ runs: 430, transcripts: 0, jobs: 0 });
      world.pass(DAY_MS + 1);
      await copyRun(world.db, first.runId, 230, world.now() - DAY_MS - 1);
      await runs.enqueue(jobId);
      expect(await forget({ keepRunsDays: 1 })).toEqual({ runs: 250, transcripts: 0, jobs: 0 });
      expect((await kept(jobId)).map(({ status }) => status)).toEqual(["queued", "succeeded"]);
    });

    it("takes a transaction for each step, so that nobody waits for all of it", async () => {
      const { jobId } = await jobs.create(newJob({ nextRunAt: START + 1_000 * DAY_MS }));
      const first = await runs.enqueue(jobId);
      await work();
      await copyRun(world.db, first.runId, 1_000, world.now());
      let steps = 0;
      const transact: Database["transact"] = (...given) => {
        steps++;
        return world.db.transact(...given);
      };
      await forgetOldRuns({ ...world.db, transact }, { ...ALL, keepRunsPerJob: 1 }, world.now());
      expect(await kept(jobId)).toHaveLength(2);
      expect(steps).toBeGreaterThanOrEqual(5);
    });

    it("lets no deleted occurrence be run again, by a clock set back or by a backfill", async () => {
      const jobId = await ranJob(4);
      const [, , second] = await kept(jobId);
      await forget({ keepRunsPerJob: 2 });
      expect(await kept(jobId)).toHaveLength(2);
      const from = START + 3_600_000;
      await expect(runs.backfill(jobId, { from, to: world.now() })).rejects.toMatchObject({
        code: "INVALID_ARGUMENTS",
        message: expect.stringContaining(new Date(second?.scheduledFor ?? 0).toISOString()),
      });
      const later = await runs.backfill(jobId, {
        from: (second?.scheduledFor ?? 0) + 1,
        to: world.now(),
      });
      expect(later).toMatchObject({ runs: [], alreadyRun: 2 });
      // The time goes back to the start, and the job gets a new next time, as an update would give it.
      world.pass(START - world.now());
      await jobs.update(jobId, () => ({ nextRunAt: from }));
      world.pass(2 * 3_600_000);
      expect(await work()).toBe(0);
      world.pass(4 * 3_600_000);
      expect(await work()).toBe(1);
      const had = (await kept(jobId)).map(({ scheduledFor }) => (scheduledFor - START) / 3_600_000);
      expect(had).toEqual([6, 4, 3]);
    });

    it("keeps a run of whose end a webhook is still to be told, with all of it", async () => {
      const jobId = await ranJob(4, {
        provision: { ...NO_PROVISION, webhookUrl: "https://example.com/hook" },
      });
      const [, told, failed, pending] = await kept(jobId);
      const recordResult = (runId: string | undefined, status: "delivered" | "failed") =>
        world.db.transact((trx) =>
          trx
            .updateTable("deliveries")
            .set({ status, next_attempt_at: null, ended_at: world.now() })
            .where("run_id", "=", runId ?? "")
            .execute(),
        );
      await recordResult(told?.runId, "delivered");
      await recordResult(failed?.runId, "failed");
      world.pass(10 * DAY_MS);
      expect(await forget({ keepRunsDays: 1, keepRunsPerJob: 1 })).toMatchObject({ runs: 2 });
      expect((await kept(jobId)).map(({ runId }) => runId)).toContain(pending?.runId);
      await recordResult(pending?.runId, "delivered");
      expect(await forget({ keepRunsDays: 1 })).toMatchObject({ runs: 1 });
    });

    it("keeps runs for times to come, so that such a time does not count as past", async () => {
      const jobId = await ranJob(3);
      world.pass(-2.5 * 3_600_000);
      await forget({ keepRunsPerJob: 1 });
      const stored = await world.db.kysely.selectFrom("jobs").select("forgotten_until").execute();
      expect(stored).toEqual([{ forgotten_until: null }]);
      expect(await kept(jobId)).toHaveLength(3);
    });

    it("keeps runs that were not run in order, so that a job that is behind still catches up", async () => {
      const hour = 3_600_000;
      const policy = { ...DEFAULT_POLICY, catchup: "all", overlap: "allow_all" } as const;
      const jobId = await ranJob(0, { policy });
      world.pass(30 * hour);
      const only = async (runId: string) => {
        await claim(1, { kinds: ALL_KINDS, runId });
        await world.finish(runId, DONE);
      };
      const [early] = (await runs.backfill(jobId, { from: START + 28 * hour, to: START + 28 * hour })).runs;
      await only(early?.runId ?? "");
      for (let i = 0; i < 2; i++) await only((await runs.enqueue(jobId)).runId);
      expect(await forget({ keepRunsPerJob: 1 })).toEqual({ runs: 1, transcripts: 0, jobs: 0 });
      while ((await work()) > 0) await forget({ keepRunsPerJob: 1 });
      const counters = (await jobs.counters([jobId])).get(jobId);
      expect(counters).toMatchObject({ runsSucceeded: 32, scheduledRuns: 29 });
    });

    it("stops between two steps when it is told to", async () => {
      const jobId = await ranJob(1);
      await copyJob(world.db, jobId, 60, world.now());
      const over = AbortSignal.abort();
      const forgetting = forgetOldRuns(world.db, { ...ALL, keepRunsPerJob: 1 }, world.now(), over);
      await expect(forgetting).rejects.toMatchObject({ name: "AbortError" });
      expect(await kept(jobId)).toHaveLength(1);
    });
  });
}
