import { Client } from "pg";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openPostgres as openDatabase } from "../../src/database/open-postgres.ts";
import { readBacklog } from "../../src/store/fair-order.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { openRunQueue } from "../../src/store/open-run-queue.ts";
import { openRunStore } from "../../src/store/run-store.ts";
import { openPostgres } from "../postgres.ts";
import { ALL_KINDS, newJob, START, worker } from "../world.ts";

describe("queries on a large jobs database in Postgres", () => {
  let db: Awaited<ReturnType<typeof openDatabase>>;
  let raw: Client;
  let now = START;

  beforeEach(async () => {
    now = START;
    const { url } = await openPostgres();
    db = await openDatabase({ url, now: () => now });
    raw = new Client({ connectionString: url });
    await raw.connect();
    // Postgres reads the whole of a small table, whatever indexes there are.
    await raw.query("set search_path = nightshift; set enable_seqscan = off");
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await raw.end();
    await db.close();
  });

  /** The statements of `work` that read a table from end to end. */
  async function scansOf(work: () => Promise<unknown>): Promise<string[]> {
    const spy = vi.spyOn(Client.prototype, "query");
    await work();
    const calls = spy.mock.calls as unknown as [string, unknown[] | undefined][];
    spy.mockRestore();
    const read = calls.filter(([sql]) => /^(select|update|delete|insert)/i.test(sql));
    expect(read.length).toBeGreaterThan(10);
    const scans: string[] = [];
    for (const [sql, values] of read) {
      const { rows } = await raw.query(`explain ${sql}`, values);
      const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
      if (plan.includes("Seq Scan")) scans.push(`${sql}\n${plan}`);
    }
    return scans;
  }

  it("find, claim and end what is due by index alone", async () => {
    const store = openJobStore(db, { userKey: "a", userId: "alice", now: () => now });
    const { jobId } = await store.create(newJob());
    await openRunStore(db, { userKey: "a", now: () => now }).enqueue(jobId, { overlap: "allow_all" });
    now += 120_000;
    const runQueue = openRunQueue(db);
    const options = { now, limit: 16, filter: { kinds: ALL_KINDS }, worker: worker("w1"), leaseMs: 1000 };
    const scans = await scansOf(async () => {
      await runQueue.nextDueAt(options.filter);
      expect((await readBacklog(db, now)).depth).toBe(2);
      const claimed = await runQueue.claimDue(options);
      expect(claimed).toHaveLength(1);
      const runIds = claimed.map(({ run }) => run.runId);
      await runQueue.renewLeases({ runIds, ...options });
      await runQueue.checkRunning({ runIds, worker: options.worker });
      await runQueue.reapLost({ now: now + 9000, worker: worker("w2"), isAlive: () => true });
    });
    expect(scans).toEqual([]);
  });

  it("read a user's jobs and runs by index alone", async () => {
    const store = openJobStore(db, { userKey: "a", userId: "alice", now: () => now });
    const runs = openRunStore(db, { userKey: "a", now: () => now });
    const scans = await scansOf(async () => {
      const { jobId } = await store.create(newJob());
      const { runId } = await runs.enqueue(jobId);
      await store.list({ status: "active" });
      await store.counts();
      await runs.get(runId);
      await runs.list({ status: "queued" });
      await runs.list({ jobId });
      await runs.backfill(jobId, { from: now, to: now });
      await store.counters([jobId]);
      await store.update(jobId, () => ({ status: "cancelled" }));
    });
    expect(scans).toEqual([]);
  });
});
