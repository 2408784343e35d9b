import { beforeEach, describe, expect, it } from "vitest";
import type { RunStore } from "../../src/jobs/contracts.ts";
import { isEnded, NEXT_STATUSES } from "../../src/jobs/run.ts";
import type { RunQueue } from "../../src/store/run-queue.ts";
import { type Backend, newJob, openWorld, resultOf, START, type World, worker } from "../world.ts";

const LEASE_MS = 30_000;
const OUTCOME = resultOf("succeeded", { output: "first", usage: { input_tokens: 1, output_tokens: 1 } });
const everyoneAlive = () => true;

/** Leases, as every RunQueue keeps them. */
export function leasesContract(backend: Backend): void {
  describe(`leases kept in ${backend}`, () => {
    let world: World;
    let runs: RunStore;
    let runQueue: RunQueue;
    /** A run held by worker `holder` of process 100 on the host of all workers. */
    const started = async (holder = worker("w1", 100)): Promise<string> => {
      const store = world.user("a").jobs;
      const { jobId } = await store.create(newJob({ nextRunAt: world.now() + 86_400_000 }));
      await runs.enqueue(jobId);
      const [claimed] = await world.claim({ limit: 1, worker: holder, leaseMs: LEASE_MS });
      return claimed?.run.runId ?? "none";
    };
    const reap = (by = worker("w2", 200), isAlive: (pid: number) => boolean = everyoneAlive) =>
      runQueue.reapLost({ now: world.now(), worker: by, isAlive });
    const renewLeases = (runIds: readonly string[]) =>
      runQueue.renewLeases({ runIds, now: world.now(), leaseMs: LEASE_MS, worker: worker("w1", 100) });

    beforeEach(async () => {
      world = await openWorld(backend);
      runs = world.user("a").runs;
      runQueue = world.runQueue;
    });

    it("writes the end of a run once", async () => {
      const runId = await started();
      expect(await runQueue.finish(runId, OUTCOME, START)).toBe(true);
      expect(await runQueue.finish(runId, { ...OUTCOME, output: "second" }, START)).toBe(false);
      expect((await runs.get(runId)).output).toBe("first");
    });

    it("lets a running run end in each of the ways it may", async () => {
      for (const status of NEXT_STATUSES.running.filter(isEnded)) {
        const runId = await started();
        const end = { ...OUTCOME, status, statusReason: "because" };
        expect(await runQueue.finish(runId, end, START)).toBe(true);
        expect(await runs.get(runId)).toMatchObject({ status, statusReason: "because" });
      }
    });

    it("doesn't end a run that nobody started, or that isn't there", async () => {
      const store = world.user("a").jobs;
      const { runId } = await runs.enqueue((await store.create(newJob())).jobId);
      expect(await runQueue.finish(runId, OUTCOME, START)).toBe(false);
      expect(await runQueue.finish("run_0", OUTCOME, START)).toBe(false);
      expect((await runs.get(runId)).status).toBe("queued");
    });

    it("keeps a run whose lease is renewed, and marks one that is not as lost", async () => {
      const kept = await started();
      const silent = await started();
      world.pass(LEASE_MS);
      await renewLeases([kept]);
      world.pass(1);
      const lost = await reap();
      expect(lost.map((run) => run.runId)).toEqual([silent]);
      expect(lost[0]).toEqual(await runs.get(silent));
      expect(lost[0]).toMatchObject({ status: "lost", error: { code: "GHOST_CRASHED" } });
      expect((await runs.get(kept)).status).toBe("running");
      expect(await reap()).toEqual([]);
    });

    it("marks a run as lost at once when its process on this host is dead", async () => {
      const runId = await started();
      expect(await reap(worker("w2", 200), (pid) => pid !== 100)).toHaveLength(1);
      expect(await runQueue.finish(runId, OUTCOME, START)).toBe(false);
    });

    it("isn't fooled by a pid that was given to a new process", async () => {
      await started();
      expect(await reap(worker("w2", 100))).toHaveLength(1);
    });

    it("leaves alone its own runs and those of other hosts while their leases last", async () => {
      await started(worker("w1", 100));
      await started({ workerId: "w3", host: "day", pid: 300 });
      expect(await reap(worker("w1", 100), () => false)).toEqual([]);
    });

    it("tells the holder what its owner wants cancelled and what it has lost", async () => {
      const wanted = await started();
      const foreign = await started(worker("w9", 900));
      const ended = await started();
      await runs.cancel(wanted);
      await runQueue.finish(ended, OUTCOME, START);
      const holder = worker("w1", 100);
      expect(await runQueue.checkRunning({ runIds: [wanted, foreign, ended], worker: holder })).toEqual({
        cancel: [{ runId: wanted, reason: null }],
        gone: [foreign, ended],
      });
      expect(await runQueue.checkRunning({ runIds: [], worker: holder })).toEqual({ cancel: [], gone: [] });
    });
  });
}
