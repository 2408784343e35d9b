import { beforeEach, describe, expect, it } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { openRunQueue } from "../../src/store/open-run-queue.ts";
import type { Claimed } from "../../src/store/run-queue.ts";
import { dailyTokens, openTokenBudget } from "../../src/store/usage.ts";
import {
  ALL_KINDS,
  type Backend,
  newJob,
  openWorld,
  resultOf,
  START,
  spend,
  type World,
  worker,
} from "../world.ts";

const OUTCOME = resultOf("succeeded", {
  output: "done",
  transcript: [{ step: 1, type: "note", text: "done" }],
  usage: { input_tokens: 1, output_tokens: 1 },
});

/** Holds for every database on which several nodes write at the same time. */
export function contentionContract(backend: Backend): void {
  describe(`several nodes on ${backend}`, () => {
    let world: World;
    let nodes: Database[];

    const jobsOf = (node: Database, userKey: string, maxJobs = 1_000) =>
      world.user(userKey, { db: node, maxJobs }).jobs;
    const runsOf = (node: Database, userKey: string, maxQueued = 1_000) =>
      world.user(userKey, { db: node, maxQueued }).runs;
    /** Runs `count` pieces of work at once, spread over all nodes; resolves to how many succeeded. */
    async function atOnce(count: number, work: (node: Database, i: number) => Promise<unknown>) {
      const tried = await Promise.allSettled(
        Array.from({ length: count }, (_, i) => work(nodes[i % nodes.length] ?? world.db, i)),
      );
      const refused = tried.flatMap((one) => (one.status === "rejected" ? [String(one.reason)] : []));
      return { done: count - refused.length, refused };
    }
    const claim = (node: Database, i = 0, maxRunsPerDay = 0) =>
      openRunQueue(node).claimDue({
        now: world.now(),
        limit: 4,
        filter: { kinds: ALL_KINDS },
        worker: worker(`w${i}`),
        leaseMs: 30_000,
        maxRunsPerDay,
      });
    /** Every node claims until nothing is due. */
    const claimAll = async (maxRunsPerDay = 0): Promise<Claimed[]> => {
      const all: Claimed[] = [];
      for (;;) {
        const claims = await Promise.all(nodes.map((node, i) => claim(node, i, maxRunsPerDay)));
        all.push(...claims.flat());
        if (claims.flat().length > 0) continue;
        const next = await world.runQueue.nextDueAt({ kinds: ALL_KINDS });
        if (next === null || next > world.now()) return all;
      }
    };
    const once = (node: Database, userKey: string, at: number) =>
      jobsOf(node, userKey).create(newJob({ schedule: { kind: "at", at }, nextRunAt: at }));

    beforeEach(async () => {
      world = await openWorld(backend);
      nodes = [world.db, await world.reopen(), await world.reopen()];
    });

    it("let a user have exactly as many jobs as may be", async () => {
      const { done, refused } = await atOnce(12, (node) => jobsOf(node, "a", 5).create(newJob()));
      expect(done).toBe(5);
      for (const reason of refused) expect(reason).toContain("which is the limit");
      expect((await jobsOf(world.db, "a").counts()).active).toBe(5);
    });

    it("let a user have exactly as many waiting runs as may be", async () => {
      const { jobId } = await jobsOf(world.db, "a").create(newJob());
      expect((await atOnce(12, (node) => runsOf(node, "a", 5).enqueue(jobId))).done).toBe(5);
      expect((await runsOf(world.db, "a").list({ status: "queued" })).runs).toHaveLength(5);
    });

    it("let a user have exactly as many runs in a day as may be", async () => {
      for (let i = 0; i < 20; i++) await once(nodes[i % 3] ?? world.db, "a", START + i);
      world.pass(100);
      expect(await claimAll(7)).toHaveLength(7);
      expect((await runsOf(world.db, "a").list({ status: "skipped" })).runs).toHaveLength(13);
    });

    it("count every token", async () => {
      const tokens = (node: Database) =>
        openTokenBudget(node, [dailyTokens({ userKey: "a", maxTokens: 200, now: world.now })]);
      await atOnce(20, (node) => spend(node, tokens(node), 10));
      await expect(tokens(world.db).assertLeft()).rejects.toMatchObject({ data: { spent: 200 } });
    });

    it("take the place of an overlap once", async () => {
      const { jobId } = await jobsOf(world.db, "a").create(newJob());
      await atOnce(9, (node) => runsOf(node, "a").enqueue(jobId, { overlap: "skip" }));
      const { runs } = await runsOf(world.db, "a").list();
      expect(runs.map(({ status }) => status).sort()).toEqual(["queued", ...Array(8).fill("skipped")]);
    });

    it("close no circle of jobs between them", async () => {
      const one = await jobsOf(world.db, "a").create(newJob());
      const two = await jobsOf(world.db, "a").create(newJob());
      const follow = (node: Database, jobId: string, other: string) =>
        jobsOf(node, "a").update(jobId, () => ({ schedule: { kind: "after", jobId: other } }));
      const { done } = await atOnce(6, (node, i) =>
        i % 2 ? follow(node, one.jobId, two.jobId) : follow(node, two.jobId, one.jobId),
      );
      // Whichever came first, repeating it makes no circle.
      expect(done).toBe(3);
    });

    it("run each occurrence of many users once, while all nodes claim, change and end jobs", async () => {
      const users = ["a", "b", "c", "d", "e"];
      for (let i = 0; i < 60; i++) await once(world.db, users[i % 5] ?? "a", START + i);
      world.pass(1_000);
      const ran: string[] = [];
      const worked = nodes.map(async (node, i) => {
        const runQueue = openRunQueue(node);
        for (let idle = 0; idle < 3; ) {
          const claimed = await claim(node, i);
          idle = claimed.length > 0 ? 0 : idle + 1;
          ran.push(...claimed.map(({ job }) => job.jobId));
          const runIds = claimed.map(({ run }) => run.runId);
          const renewal = { runIds, now: world.now(), leaseMs: 30_000, worker: worker(`w${i}`) };
          const [{ gone }, ...ends] = await Promise.all([
            runQueue.renewLeases(renewal).then(() => runQueue.checkRunning(renewal)),
            ...runIds.map((runId) => runQueue.finish(runId, OUTCOME, world.now())),
          ]);
          // A run that has ended may count as gone by now; all ends were written here.
          expect(runIds).toEqual(expect.arrayContaining([...gone]));
          expect(ends).toEqual(runIds.map(() => true));
        }
      });
      const changed = atOnce(30, (node, i) => jobsOf(node, users[i % 5] ?? "a").create(newJob()));
      await Promise.all([...worked, changed]);
      expect((await changed).refused).toEqual([]);
      expect(ran).toHaveLength(60);
      expect(new Set(ran).size).toBe(60);
    });

    it("either cancel or start a run that is cancelled while it is claimed", async () => {
      const { jobId } = await jobsOf(world.db, "a").create(newJob());
      for (let i = 0; i < 10; i++) {
        const { runId } = await runsOf(world.db, "a").enqueue(jobId);
        const [, second = world.db, third = world.db] = nodes;
        const [claimed, asked] = await Promise.all([claim(second), runsOf(third, "a").cancel(runId)]);
        const { status, cancelRequestedAt } = await runsOf(world.db, "a").get(runId);
        expect(claimed.length === 1 ? "running" : "cancelled").toBe(status);
        expect(asked.status).toBe(status);
        expect(cancelRequestedAt !== null).toBe(status === "running");
      }
    });

    it("write the end of a run once, however many write one", async () => {
      const { jobId } = await jobsOf(world.db, "a").create(newJob());
      const { runId } = await runsOf(world.db, "a").enqueue(jobId);
      expect(await claim(world.db)).toHaveLength(1);
      world.pass(31_000);
      const dead = { now: world.now(), worker: worker("other"), isAlive: () => true };
      const [lost, ...ends] = await Promise.all([
        world.runQueue.reapLost(dead),
        ...nodes.map((node) => openRunQueue(node).finish(runId, OUTCOME, world.now())),
      ]);
      expect(lost.length + ends.filter(Boolean).length).toBe(1);
      const counters = (await jobsOf(world.db, "a").counters([jobId])).get(jobId);
      expect(Number(counters?.runsSucceeded) + Number(counters?.runsFailed)).toBe(1);
    });

    it("mark no run as lost that has renewed its lease since it was looked at", async () => {
      const { jobId } = await jobsOf(world.db, "a").create(newJob());
      const { runId } = await runsOf(world.db, "a").enqueue(jobId);
      await claim(world.db);
      world.pass(31_000);
      const now = world.now();
      const renewal = { runIds: [runId], now, leaseMs: 30_000, worker: worker("w0") };
      // The lease is renewed between the look at all leases and the marking, just in time.
      const slow: Database = {
        ...world.db,
        transact: async (work, options) => {
          await openRunQueue(nodes[1] ?? world.db).renewLeases(renewal);
          return world.db.transact(work, options);
        },
      };
      const other = { now, worker: worker("w1", 2), isAlive: () => true };
      expect(await openRunQueue(slow).reapLost(other)).toEqual([]);
      expect((await runsOf(world.db, "a").get(runId)).status).toBe("running");
    });
  });
}
