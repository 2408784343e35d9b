import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Database } from "../../src/database/database.ts";
import type { RunResult } from "../../src/jobs/run.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { openRunQueue } from "../../src/store/open-run-queue.ts";
import type { Claimed } from "../../src/store/run-queue.ts";
import { openRunStore } from "../../src/store/run-store.ts";
import { openDailyTokens } from "../../src/store/usage.ts";
import { ALL_KINDS, type Backend, newJob, type OpenBackend, START, worker } from "./temporary.ts";

const OUTCOME: RunResult = {
  status: "succeeded",
  output: "done",
  error: null,
  transcript: [{ step: 1, type: "note", text: "done" }],
  usage: { input_tokens: 1, output_tokens: 1 },
};

/** Holds for every database on which several nodes write at the same time. */
export function contentionContract(name: string, open: OpenBackend): void {
  describe(`several nodes on ${name}`, () => {
    let backend: Backend;
    let nodes: Database[];

    const jobsOf = (node: Database, userKey: string, maxJobs = 1_000) =>
      openJobStore(node, { userKey, userId: userKey, now: backend.clock, maxJobs });
    const runsOf = (node: Database, userKey: string, maxQueued = 1_000) =>
      openRunStore(node, { userKey, now: backend.clock, maxQueued });
    /** `count` pieces of work at once, on all nodes in turn; how many of them were done. */
    async function atOnce(count: number, work: (node: Database, i: number) => Promise<unknown>) {
      const tried = await Promise.allSettled(
        Array.from({ length: count }, (_, i) => work(nodes[i % nodes.length] ?? backend.db, i)),
      );
      const refused = tried.flatMap((one) => (one.status === "rejected" ? [String(one.reason)] : []));
      return { done: count - refused.length, refused };
    }
    const claim = (node: Database, i = 0, maxRunsPerDay = 0) =>
      openRunQueue(node).claimDue({
        now: backend.clock(),
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
        const next = await openRunQueue(backend.db).nextDueAt({ kinds: ALL_KINDS });
        if (next === null || next > backend.clock()) return all;
      }
    };
    const once = (node: Database, userKey: string, at: number) =>
      jobsOf(node, userKey).create(newJob({ schedule: { kind: "at", at }, nextRunAt: at }));

    beforeEach(async () => {
      backend = await open();
      nodes = [backend.db, await backend.reopen(), await backend.reopen()];
    });
    afterEach(() => backend.close());

    it("let a user have exactly as many jobs as may be", async () => {
      const { done, refused } = await atOnce(12, (node) => jobsOf(node, "a", 5).create(newJob()));
      expect(done).toBe(5);
      for (const reason of refused) expect(reason).toContain("which is the limit");
      expect((await jobsOf(backend.db, "a").counts()).active).toBe(5);
    });

    it("let a user have exactly as many waiting runs as may be", async () => {
      const { jobId } = await jobsOf(backend.db, "a").create(newJob());
      expect((await atOnce(12, (node) => runsOf(node, "a", 5).enqueue(jobId))).done).toBe(5);
      expect((await runsOf(backend.db, "a").list({ status: "queued" })).runs).toHaveLength(5);
    });

    it("let a user have exactly as many runs in a day as may be", async () => {
      for (let i = 0; i < 20; i++) await once(nodes[i % 3] ?? backend.db, "a", START + i);
      backend.pass(100);
      expect(await claimAll(7)).toHaveLength(7);
      expect((await runsOf(backend.db, "a").list({ status: "skipped" })).runs).toHaveLength(13);
    });

    it("count every token", async () => {
      const tokens = (node: Database) =>
        openDailyTokens(node, { userKey: "a", maxTokens: 200, now: backend.clock });
      await atOnce(20, (node) => tokens(node).spend(10));
      await expect(tokens(backend.db).assertLeft()).rejects.toMatchObject({ data: { spent: 200 } });
    });

    it("take the place of an overlap once", async () => {
      const { jobId } = await jobsOf(backend.db, "a").create(newJob());
      await atOnce(9, (node) => runsOf(node, "a").enqueue(jobId, { overlap: "skip" }));
      const { runs } = await runsOf(backend.db, "a").list();
      expect(runs.map(({ status }) => status).sort()).toEqual(["queued", ...Array(8).fill("skipped")]);
    });

    it("close no circle of jobs between them", async () => {
      const one = await jobsOf(backend.db, "a").create(newJob());
      const two = await jobsOf(backend.db, "a").create(newJob());
      const follow = (node: Database, jobId: string, other: string) =>
        jobsOf(node, "a").update(jobId, () => ({ schedule: { kind: "after", jobId: other } }));
      const { done } = await atOnce(6, (node, i) =>
        i % 2 ? follow(node, one.jobId, two.jobId) : follow(node, two.jobId, one.jobId),
      );
      // Whichever came first, the same again is no circle.
      expect(done).toBe(3);
    });

    it("run each occurrence of many users once, whoever claims, changes and ends what meanwhile", async () => {
      const users = ["a", "b", "c", "d", "e"];
      for (let i = 0; i < 60; i++) await once(backend.db, users[i % 5] ?? "a", START + i);
      backend.pass(1_000);
      const ran: string[] = [];
      const worked = nodes.map(async (node, i) => {
        const runQueue = openRunQueue(node);
        for (let idle = 0; idle < 3; ) {
          const claimed = await claim(node, i);
          idle = claimed.length > 0 ? 0 : idle + 1;
          ran.push(...claimed.map(({ job }) => job.jobId));
          const runIds = claimed.map(({ run }) => run.runId);
          const renewal = { runIds, now: backend.clock(), leaseMs: 30_000, worker: worker(`w${i}`) };
          const [{ gone }, ...ends] = await Promise.all([
            runQueue.renewLeases(renewal),
            ...runIds.map((runId) => runQueue.finish(runId, OUTCOME, backend.clock())),
          ]);
          // One that has its end may be gone already; the ends are all ours.
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

    it("give a run that is cancelled while it is claimed one fate", async () => {
      const { jobId } = await jobsOf(backend.db, "a").create(newJob());
      for (let i = 0; i < 10; i++) {
        const { runId } = await runsOf(backend.db, "a").enqueue(jobId);
        const [, second = backend.db, third = backend.db] = nodes;
        const [claimed, asked] = await Promise.all([claim(second), runsOf(third, "a").cancel(runId)]);
        const { status, cancelRequestedAt } = await runsOf(backend.db, "a").get(runId);
        expect(claimed.length === 1 ? "running" : "cancelled").toBe(status);
        expect(asked.status).toBe(status);
        expect(cancelRequestedAt !== null).toBe(status === "running");
      }
    });

    it("write the end of a run once, however many write one", async () => {
      const { jobId } = await jobsOf(backend.db, "a").create(newJob());
      const { runId } = await runsOf(backend.db, "a").enqueue(jobId);
      expect(await claim(backend.db)).toHaveLength(1);
      backend.pass(31_000);
      const dead = { now: backend.clock(), worker: worker("other"), isAlive: () => true };
      const [lost, ...ends] = await Promise.all([
        openRunQueue(backend.db).reapLost(dead),
        ...nodes.map((node) => openRunQueue(node).finish(runId, OUTCOME, backend.clock())),
      ]);
      expect(lost.length + ends.filter(Boolean).length).toBe(1);
      const counters = (await jobsOf(backend.db, "a").counters([jobId])).get(jobId);
      expect(Number(counters?.runsSucceeded) + Number(counters?.runsFailed)).toBe(1);
    });

    it("mark no run as lost that has renewed its lease since it was looked at", async () => {
      const { jobId } = await jobsOf(backend.db, "a").create(newJob());
      const { runId } = await runsOf(backend.db, "a").enqueue(jobId);
      await claim(backend.db);
      backend.pass(31_000);
      const now = backend.clock();
      const renewal = { runIds: [runId], now, leaseMs: 30_000, worker: worker("w0") };
      // The lease is renewed between the look at all leases and the marking, just in time.
      const slow: Database = {
        ...backend.db,
        transact: async (work, options) => {
          await openRunQueue(nodes[1] ?? backend.db).renewLeases(renewal);
          return backend.db.transact(work, options);
        },
      };
      const other = { now, worker: worker("w1", 2), isAlive: () => true };
      expect(await openRunQueue(slow).reapLost(other)).toEqual([]);
      expect((await runsOf(backend.db, "a").get(runId)).status).toBe("running");
    });
  });
}
