import { beforeEach, describe, expect, it } from "vitest";
import { dailyTokens, jobTokens, openTokenBudget, RUNS_USED_UP } from "../../src/store/usage.ts";
import { type Backend, newJob, openWorld, START, spend, type World } from "../world.ts";

const DAY = 86_400_000;

/** The daily limits of one user's ghosts, whatever database they are kept in. */
export function dailyLimitsContract(backend: Backend): void {
  describe(`a day's use kept in ${backend}`, () => {
    let world: World;
    const jobsOf = (userKey: string) => world.user(userKey).jobs;
    const runsOf = (userKey: string) => world.user(userKey).runs;
    const claim = () => world.claim({ limit: 100, maxRunsPerDay: 3 });

    beforeEach(async () => {
      world = await openWorld(backend);
    });

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
      world.pass(DAY);
      await runsOf("a").enqueue(job.jobId);
      expect(await claim()).toHaveLength(1);
    });

    it("adds up the tokens of all of a user's ghosts, and of nobody else's", async () => {
      const tokensOf = (userKey: string) =>
        openTokenBudget(world.db, [dailyTokens({ userKey, maxTokens: 100, now: world.now })]);
      const use = (userKey: string, tokens: number) => spend(world.db, tokensOf(userKey), tokens);
      await Promise.all([use("a", 60), use("a", 30), use("b", 5)]);
      await tokensOf("a").assertLeft();
      await use("a", 10);
      await expect(tokensOf("a").assertLeft()).rejects.toMatchObject({ code: "BUDGET_EXCEEDED" });
      await tokensOf("b").assertLeft();
      world.pass(DAY);
      await tokensOf("a").assertLeft();
    });

    it("adds to all sums of a run in one transaction, and refuses when one of them is used up", async () => {
      const { jobId } = await jobsOf("a").create(newJob());
      const owner = { userKey: "a", jobId };
      const budget = openTokenBudget(world.db, [
        dailyTokens({ ...owner, maxTokens: 0, now: world.now }),
        jobTokens({ ...owner, maxTokens: 100 }),
      ]);
      await budget.assertLeft();
      await spend(world.db, budget, 100);
      await expect(budget.assertLeft()).rejects.toThrow(
        /used 100 tokens of the 100 that its max_tokens_per_job/,
      );
      const daily = openTokenBudget(world.db, [dailyTokens({ ...owner, maxTokens: 1, now: world.now })]);
      await expect(daily.assertLeft()).rejects.toMatchObject({ data: { spent: 100 } });
    });
  });
}
