import { beforeEach, describe, expect, it } from "vitest";
import { createLeftJobs, LOOK_AGAIN_MS } from "../../src/store/left-jobs.ts";
import type { ClaimFilter } from "../../src/store/run-queue.ts";
import { ALL_KINDS, type Backend, newJob, openWorld, START, type World } from "../world.ts";

/** More than one claim takes. pg-boss, whose clock is ahead of the test's, hands out at once what is left to others. */
const countLeft = (backend: Backend) => (backend === "pg-boss" ? 5 : 20);

/** Jobs that only some processes can run, as every RunQueue claims them. */
export function leftJobsContract(backend: Backend): void {
  describe(`jobs for other processes kept in ${backend}`, () => {
    let world: World;
    let told: string[];
    let without: ClaimFilter;
    const once = (at: number, tool: string, user = "a") =>
      world.user(user).jobs.create(
        newJob({
          action: { kind: "tool", tool, arguments: {} },
          schedule: { kind: "at", at },
          nextRunAt: at,
        }),
      );
    /** Claims until a claim starts nothing, at most so many times. Resolves to the tools that were started. */
    const claimAll = async (filter: ClaimFilter, most = 4): Promise<string[]> => {
      const tools: string[] = [];
      for (let i = 0; i < most; i++)
        for (const { job } of await world.claim({ filter }))
          if (job.action.kind === "tool") tools.push(job.action.tool);
      return tools;
    };

    beforeEach(async () => {
      world = await openWorld(backend);
      told = [];
      const left = createLeftJobs({
        offers: (tool) => tool === "current_time",
        now: world.now,
        onLeft: (jobId, tool) => told.push(`${jobId} ${tool}`),
      });
      without = { kinds: ALL_KINDS, left };
    });

    it("are left by a process without their tool, which starts the others, and started by one that has it", async () => {
      const count = countLeft(backend);
      for (let i = 0; i < count; i++) await once(START + i, "send_mail");
      await once(START + 100, "current_time");
      await once(START + 200, "current_time", "b");
      world.pass(1_000);
      expect(await claimAll(without)).toEqual(["current_time", "current_time"]);
      expect(new Set(told).size).toBe(count);
      expect(told).toHaveLength(count);
      expect(await claimAll({ kinds: ALL_KINDS })).toEqual(Array(count).fill("send_mail"));
    });

    it("are looked at again after a while, for they may have been changed", async () => {
      const { jobId } = await once(START, "send_mail");
      expect(await claimAll(without)).toEqual([]);
      expect(await world.runQueue.nextDueAt(without)).toBe(START + LOOK_AGAIN_MS);
      await world.user("a").jobs.update(jobId, () => ({
        action: { kind: "tool", tool: "current_time", arguments: {} },
      }));
      world.pass(LOOK_AGAIN_MS);
      expect(await claimAll(without)).toEqual(["current_time"]);
      expect(await world.runQueue.nextDueAt(without)).toBeNull();
    });

    it("keep their queued runs, and do not keep other users waiting, however many users have some", async () => {
      for (let user = 0; user < 40; user++) {
        const { jobId } = await once(START + user, "send_mail", `user ${user}`);
        await world.user(`user ${user}`).runs.enqueue(jobId);
      }
      await once(START + 500, "current_time", "z");
      world.pass(1_000);
      expect(await claimAll(without, 8)).toEqual(["current_time"]);
      const [queued] = (await world.user("user 7").runs.list()).runs;
      expect(queued?.status).toBe("queued");
    });
  });
}
