import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { openPostgres as openDatabase } from "../../src/database/open-postgres.ts";
import { runSql } from "../../src/database/sql.ts";
import type { JobChange } from "../../src/jobs/contracts.ts";
import { createSchedulerLoop, type LoopOptions } from "../../src/scheduler/loop.ts";
import { openPgBoss, type PgBossOptions } from "../../src/scheduler/pg-boss.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { emptyResult } from "../../src/store/run-end.ts";
import type { Claimed } from "../../src/store/run-queue.ts";
import { openRunStore } from "../../src/store/run-store.ts";
import { start } from "../child-process.ts";
import { startPostgres } from "../postgres/start.ts";
import { openPostgres } from "../postgres.ts";
import { newJob } from "../world.ts";

const LEASE_MS = 10_000;
const DONE = emptyResult("succeeded", null);
const WAIT_OPTIONS = { timeout: 150_000, interval: 100 };
let nodes = 0;

/** A node on real time with its own connections and its own pg-boss, closed when the test has finished. */
async function openNode(url: string, options: Partial<PgBossOptions> = {}) {
  const db = await openDatabase({ url, now: Date.now, timeoutMs: 5_000 });
  const log = pino({ level: "silent" });
  const runQueue = await openPgBoss(db, { log, ...options });
  onTestFinished(async () => {
    await runQueue.close();
    await db.close();
  });
  // A host of its own: on one host another node of this very process would be taken for a dead one whose pid was reused.
  const name = `node ${nodes++}`;
  const worker = { workerId: name, host: name, pid: process.pid };
  const claim = (limit = 8, now = Date.now()): Promise<readonly Claimed[]> =>
    runQueue.claimDue({ now, limit, filter: { kinds: ["tool", "code"] }, worker, leaseMs: LEASE_MS });
  return {
    db,
    runQueue,
    worker,
    claim,
    jobs: (userKey: string) => openJobStore(db, { userKey, userId: userKey, now: Date.now, maxJobs: 10_000 }),
    runs: (userKey: string) => openRunStore(db, { userKey, now: Date.now }),
    once: (userKey: string, at: number, change: JobChange = {}) =>
      openJobStore(db, { userKey, userId: userKey, now: Date.now, maxJobs: 10_000 }).create(
        newJob({ schedule: { kind: "at", at }, nextRunAt: at, ...(change as object) }),
      ),
    finish: (runId: string) => runQueue.finish(runId, DONE, Date.now()),
    /** Starts a scheduler loop that ends every run at once. Returns the ids of the jobs it ran. */
    async run(change: Partial<LoopOptions> = {}) {
      const ran: string[] = [];
      const loop = createSchedulerLoop({
        runQueue,
        worker,
        filter: { kinds: ["tool"] },
        leaseMs: LEASE_MS,
        maxGhosts: 16,
        log,
        run: async ({ run }) => {
          ran.push(run.jobId);
          await vi.waitFor(() => runQueue.finish(run.runId, DONE, Date.now()), WAIT_OPTIONS);
        },
        ...change,
      });
      await loop.start();
      onTestFinished(() => loop.stop());
      return { loop, ran };
    },
  };
}

const waitUntil = (at: number) => sleep(Math.max(0, at - Date.now()) + 20);

describe("nodes with one Postgres", () => {
  it("run a thousand occurrences, none twice and none lost", async () => {
    const { url } = await openPostgres();
    const three = await Promise.all([openNode(url), openNode(url), openNode(url)]);
    const due = Date.now();
    const users = ["a", "b", "c", "d", "e"];
    for (let i = 0; i < 1_000; i++) await three[i % 3]?.once(users[i % 5] ?? "a", due + (i % 100));
    const running = await Promise.all(three.map((node) => node.run()));
    const ran = () => running.flatMap((one) => one.ran);
    await vi.waitFor(() => expect(ran().length).toBeGreaterThanOrEqual(1_000), WAIT_OPTIONS);
    await Promise.all(running.map(({ loop }) => loop.idle()));
    expect(ran()).toHaveLength(1_000);
    expect(new Set(ran()).size).toBe(1_000);
    for (const one of running) expect(one.ran.length).toBeGreaterThan(0);
    const db = three[0].db.kysely;
    const rows = await db.selectFrom("runs").select(["job_id", "status"]).execute();
    expect(rows.filter(({ status }) => status === "succeeded")).toHaveLength(1_000);
    expect(new Set(rows.map(({ job_id }) => job_id)).size).toBe(1_000);
  });

  it("hand pg-boss one job for each occurrence, for its time, ahead of it", async () => {
    const { url } = await openPostgres();
    const [here, there] = [await openNode(url), await openNode(url)];
    const at = Date.now() + 30_000;
    const { jobId } = await here.once("a", at);
    const far = await here.once("a", at + 3_600_000);
    expect(await Promise.all([here.claim(), there.claim()])).toEqual([[], []]);
    const sent = await runSql<{ key: string; at: Date; user: string; renewSeconds: number }>(
      here.db.kysely,
      `select singleton_key as key, start_after as at, group_id as "user", heartbeat_seconds as "renewSeconds"
        from nightshift_boss.job where name = 'tool'`,
    );
    expect(sent).toEqual([
      { key: `${jobId}@${at}`, at: new Date(at), user: "a", renewSeconds: LEASE_MS / 1000 },
    ]);
    expect(JSON.stringify(sent)).not.toContain(far.jobId);
  });

  it("heed what is done on another: pause, cancel, a new time, and a run asked for", async () => {
    const { url } = await openPostgres();
    const [here, there] = [await openNode(url), await openNode(url)];
    const at = Date.now() + 3_000;
    const [paused, cancelled, moved, kept] = await Promise.all(
      ["a", "b", "c", "d"].map((user) => here.once(user, at)),
    );
    const later = Date.now() + 3_600_000;
    const asked = await here.once("e", later);
    // The other node sends them to pg-boss ahead of their time; only then are they changed here.
    expect(await there.claim()).toEqual([]);
    await here.jobs("a").update(paused?.jobId ?? "", () => ({ status: "paused" }));
    await here.jobs("b").update(cancelled?.jobId ?? "", () => ({ status: "cancelled" }));
    const change = { schedule: { kind: "at", at: later }, nextRunAt: later } as const;
    await here.jobs("c").update(moved?.jobId ?? "", () => change);
    await waitUntil(at);
    expect((await there.claim()).map(({ run }) => run.jobId)).toEqual([kept?.jobId]);
    expect(await there.claim()).toEqual([]);
    const { runId } = await here.runs("e").enqueue(asked.jobId);
    expect((await there.claim()).map(({ run }) => run.runId)).toEqual([runId]);
    // A run on the other node is told to stop when its node looks.
    await here.runs("e").cancel(runId);
    expect(await there.runQueue.checkRunning({ runIds: [runId], worker: there.worker })).toEqual({
      cancel: [{ runId, reason: null }],
      gone: [],
    });
  });

  it("leave what they can't run for one that can, and find it in the database for one user's own process", async () => {
    const { url } = await openPostgres();
    const node = await openNode(url);
    const now = Date.now();
    await node.once("a", now, { action: { kind: "prompt", prompt: "p" } });
    expect(await node.claim()).toEqual([]);
    const own = { ...node, now, limit: 8, leaseMs: LEASE_MS };
    expect(await node.runQueue.claimDue({ ...own, filter: { kinds: ["prompt"], userKey: "b" } })).toEqual([]);
    const mine = await node.runQueue.claimDue({ ...own, filter: { kinds: ["prompt"], userKey: "a" } });
    expect(mine).toHaveLength(1);
    // The job that pg-boss still has for it is recognised as finished.
    expect(await node.runQueue.claimDue({ ...own, filter: { kinds: ["prompt"] } })).toEqual([]);
    const states = await runSql(
      node.db.kysely,
      "select state from nightshift_boss.job where name = 'prompt'",
    );
    expect(states).toEqual([{ state: "completed" }]);
  });

  it("find a lost run by pg-boss's dead letter when a node is killed", async () => {
    const { url } = await openPostgres();
    // The lease in our own database lasts a year, so it is not what reveals the loss.
    const node = await openNode(url, { slackMs: 31_536_000_000 });
    const { jobId } = await node.once("a", Date.now());
    const holder = start([join(import.meta.dirname, "holder.ts"), url]);
    const runId = await holder.line(0);
    const reap = () => node.runQueue.reapLost({ now: Date.now(), worker: node.worker, isAlive: () => true });
    expect(await node.runs("a").get(runId)).toMatchObject({ jobId, status: "running" });
    expect(await reap()).toEqual([]);
    holder.kill("SIGKILL");
    await holder.exited;
    await vi.waitFor(
      async () => expect(await reap()).toMatchObject([{ runId, status: "lost" }]),
      WAIT_OPTIONS,
    );
    expect(await node.runs("a").get(runId)).toMatchObject({
      status: "lost",
      error: { code: "GHOST_CRASHED" },
    });
    expect(await reap()).toEqual([]);
  });

  it("go on when Postgres is restarted under load", async () => {
    const server = await startPostgres();
    onTestFinished(() => server.close());
    const [one, two] = [await openNode(server.url), await openNode(server.url)];
    for (let i = 0; i < 200; i++) await one.once(["a", "b", "c"][i % 3] ?? "a", Date.now() + (i % 20) * 100);
    const running = [await one.run(), await two.run()];
    const ran = () => running.flatMap((node) => node.ran);
    await vi.waitFor(() => expect(ran().length).toBeGreaterThan(20), WAIT_OPTIONS);
    await server.stop();
    await sleep(500);
    await server.start();
    const statuses = () => one.db.kysely.selectFrom("runs").select(["job_id", "status"]).execute();
    await vi.waitFor(async () => {
      const rows = await statuses();
      expect(rows.filter(({ status }) => status === "succeeded")).toHaveLength(200);
      expect(new Set(rows.map(({ job_id }) => job_id)).size).toBe(200);
    }, WAIT_OPTIONS);
  });

  it("start what is due by the database's clock, whatever a node's own says", async () => {
    const { url } = await openPostgres();
    const [ahead, behind] = [await openNode(url), await openNode(url)];
    const at = Date.now() + 2_000;
    const { jobId } = await ahead.once("a", at);
    expect(await ahead.claim(8, at + 30_000)).toEqual([]);
    await waitUntil(at);
    expect((await behind.claim(8, at - 30_000)).map(({ run }) => run.jobId)).toEqual([jobId]);
    expect(await ahead.claim(8, at + 30_000)).toEqual([]);
  });

  it("send again what pg-boss has lost", async () => {
    const { url } = await openPostgres();
    const node = await openNode(url);
    const at = Date.now() + 2_000;
    const { jobId } = await node.once("a", at);
    expect(await node.claim()).toEqual([]);
    await runSql(node.db.kysely, "delete from nightshift_boss.job");
    const later = Date.now() + 120_000;
    expect(await node.claim(8, later)).toEqual([]);
    await node.runQueue.reapLost({ now: later, worker: node.worker, isAlive: () => true });
    await waitUntil(at);
    expect((await node.claim(8, later)).map(({ run }) => run.jobId)).toEqual([jobId]);
  });
});
