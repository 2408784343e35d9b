import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openJobStore } from "../../src/store/job-store.ts";
import { openRunQueue } from "../../src/store/open-run-queue.ts";
import { openRunStore } from "../../src/store/run-store.ts";
import { openDailyTokens, RUNS_USED_UP } from "../../src/store/usage.ts";
import { ALL_KINDS, type Backend, newJob, type OpenBackend, START, worker } from "../world.ts";

const DAY = 86_400_000;

/** What one user's ghosts may use in a day, whatever database it is kept in. */
export function dailyLimitsContract(name: string, open: OpenBackend): void {
  describe(`a day's use kept in ${name}`, () => {
    let backend: Backend;
    const jobsOf = (userKey: string) =>
      openJobStore(backend.db, { userKey, userId: userKey, now: backend.clock });
    const runsOf = (userKey: string) => openRunStore(backend.db, { userKey, now: backend.clock });
    const claim = () =>
      openRunQueue(backend.db).claimDue({
        now: backend.clock(),
        limit: 100,
        filter: { kinds: ALL_KINDS },
        worker: worker("w1"),
        leaseMs: 30_000,
        maxRunsPerDay: 3,
      });

    beforeEach(async () => {
      backend = await open();
    });
    afterEach(() => backend.close());

    it("records what is beyond the limit as skipped, and starts the other users' runs all the same", async () => {
      for (let i = 0; i < 5; i++) await jobsOf("a").create(newJob({ nextRunAt: START }));
      for (let i = 0; i < 2; i++) await jobsOf("b").create(newJob({ nextRunAt: START }));
      const claimed = await claim();
      expect(claimed.map(({ run }) => run.userKey).sort()).toEqual(["a", "a", "a", "b", "b"]);
      const { runs } = await runsOf("a").list();
      const skipped = runs.filter(({ status }) => status === "skipped");
      expect(skipped.map(({ statusReason }) => statusReason)).toEqual([RUNS_USED_UP, RUNS_USED_UP]);
      expect(runs).toHaveLength(5);
    });

    it("counts runs that were asked for by hand, and starts anew with the next day", async () => {
      const job = await jobsOf("a").create(newJob({ nextRunAt: START + 30 * DAY }));
      for (let i = 0; i < 4; i++) await runsOf("a").enqueue(job.jobId);
      expect(await claim()).toHaveLength(3);
      backend.pass(DAY);
      await runsOf("a").enqueue(job.jobId);
      expect(await claim()).toHaveLength(1);
    });

    it("adds up the tokens of all of a user's ghosts, and of nobody else's", async () => {
      const tokensOf = (userKey: string) =>
        openDailyTokens(backend.db, { userKey, maxTokens: 100, now: backend.clock });
      await Promise.all([tokensOf("a").spend(60), tokensOf("a").spend(30), tokensOf("b").spend(5)]);
      await tokensOf("a").assertLeft();
      await tokensOf("a").spend(10);
      await expect(tokensOf("a").assertLeft()).rejects.toMatchObject({ code: "BUDGET_EXCEEDED" });
      await tokensOf("b").assertLeft();
      backend.pass(DAY);
      await tokensOf("a").assertLeft();
    });
  });
}
