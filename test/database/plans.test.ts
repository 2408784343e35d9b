import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { openDatabase } from "../../src/database/open-sqlite.ts";
import { openInbox } from "../../src/inbox/inbox-store.ts";
import { readBacklog } from "../../src/store/fair-order.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { openRunQueue } from "../../src/store/open-run-queue.ts";
import { forgetOldRuns } from "../../src/store/retention.ts";
import { openRunStore } from "../../src/store/run-store.ts";
import { createOutbox } from "../../src/webhooks/outbox.ts";
import { tempDir } from "../harness.ts";
import { copyRun } from "../store/retention-contract.ts";
import { userOf } from "../webhooks/webhook-world.ts";
import { ALL_KINDS, newJob, START, worker } from "../world.ts";

describe("queries on a large jobs database", () => {
  let db: Database;
  let raw: DatabaseSync;
  let now = START;

  beforeEach(async () => {
    const dir = await tempDir();
    now = START;
    const file = join(dir, "jobs.sqlite");
    db = await openDatabase({ file, now: () => now });
    raw = new DatabaseSync(file);
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    raw.close();
    await db.close();
  });

  /** SQLite's plans of every statement that `work` runs for the first time. */
  async function plansOf(work: () => Promise<unknown>): Promise<string[]> {
    const spy = vi.spyOn(DatabaseSync.prototype, "prepare");
    await work();
    const statements = spy.mock.calls.map(([sql]) => sql);
    spy.mockRestore();
    const explained = statements.filter((sql) => /^(select|update|delete|insert)/i.test(sql));
    expect(explained.length).toBeGreaterThan(0);
    return explained.flatMap((sql) => {
      const steps = raw.prepare(`explain query plan ${sql}`).all() as { detail: string }[];
      return steps.map(({ detail }) => `${detail} <- ${sql.slice(0, 300)}`);
    });
  }
  /** The alias `own` stands for the rows of a limited subselect. */
  const reads = (plans: readonly string[]) =>
    plans.filter((plan) => /^SCAN (?!CONSTANT ROW|own\b|\d+-ROW VALUES)|USE TEMP B-TREE/.test(plan));

  it.each([{ kinds: ALL_KINDS }, { kinds: ALL_KINDS, userKey: "a" }])(
    "find and claim what is due by index alone (%j)",
    async (filter) => {
      const store = openJobStore(db, { userKey: "a", userId: "alice", now: () => now });
      const runs = openRunStore(db, { userKey: "a", now: () => now });
      const runQueue = openRunQueue(db);
      const { jobId } = await store.create(newJob());
      await runs.enqueue(jobId);
      now += 120_000;
      const options = { now, limit: 16, filter, worker: worker("w1"), leaseMs: 1000 };
      expect(reads(await plansOf(() => readBacklog(db, now)))).toEqual([]);
      const plans = await plansOf(async () => {
        await runQueue.nextDueAt(filter);
        const claimed = await runQueue.claimDue(options);
        const runIds = claimed.map(({ run }) => run.runId);
        expect(runIds).toHaveLength(1);
        await runQueue.renewLeases({ runIds, ...options });
        await runQueue.checkRunning({ runIds, worker: options.worker });
        await runQueue.reapLost({ now: now + 9000, worker: worker("w2"), isAlive: () => true });
      });
      expect(reads(plans)).toEqual([]);
      for (const index of ["jobs_due", "runs_queued"]) {
        const name = "userKey" in filter ? `${index}_of_user` : index;
        const ways = plans.filter((plan) => plan.includes(`INDEX ${index}`));
        expect(ways).not.toEqual([]);
        // All of them search by kind and time, and by user where there is one: none scans the due rows of others.
        for (const plan of ways)
          expect(plan).toMatch(new RegExp(`INDEX ${name}(_of_user)? \\((user_key=\\? AND )?kind=\\?`));
      }
    },
  );

  it("find by index alone what is no longer to be kept", async () => {
    const store = openJobStore(db, { userKey: "a", userId: "alice", now: () => now });
    const runs = openRunStore(db, { userKey: "a", now: () => now });
    const { jobId } = await store.create(newJob());
    const { runId } = await runs.enqueue(jobId);
    await runs.cancel(runId);
    await copyRun(db, runId, 449, now);
    raw.exec("insert into transcripts select run_id, '[]' from runs");
    now += 86_400_001;
    const plans = await plansOf(async () => {
      const age = { keepRunsPerJob: 0, keepTranscriptsDays: 1, keepRunsDays: 1 };
      expect(await forgetOldRuns(db, { ...age, keepRunsDays: 0 }, now)).toMatchObject({ transcripts: 450 });
      const count = { keepRunsPerJob: 240, keepTranscriptsDays: 0, keepRunsDays: 0 };
      expect(await forgetOldRuns(db, count, now)).toMatchObject({ runs: 210 });
      expect(await forgetOldRuns(db, age, now)).toMatchObject({ runs: 240 });
    });
    expect(reads(plans)).toEqual([]);
  });

  it("end a run, put it into an inbox and read that by index alone", async () => {
    const clock = () => now;
    const { jobId } = await openJobStore(db, { userKey: "a", userId: "alice", now: clock }).create(newJob());
    await openRunStore(db, { userKey: "a", now: clock }).enqueue(jobId);
    const runQueue = openRunQueue(db, { retention: { days: 1, items: 1 } });
    const options = { now, limit: 1, filter: { kinds: ALL_KINDS }, worker: worker("w1"), leaseMs: 1000 };
    const runId = (await runQueue.claimDue(options))[0]?.run.runId ?? "none";
    const usage = { input_tokens: 0, output_tokens: 0 };
    const outcome = { status: "failed", output: null, error: null, transcript: [], usage } as const;
    const inbox = openInbox(db, { userKey: "a", now: clock });
    const plans = await plansOf(async () => {
      expect(await runQueue.finish(runId, outcome, now)).toBe(true);
      const { items } = await inbox.list({ unreadOnly: true });
      expect(items).toHaveLength(1);
      await inbox.list({ jobId });
      await inbox.unread();
      await inbox.markRead([items[0]?.itemId ?? ""]);
      await inbox.markRunRead(runId);
      await db.kysely.deleteFrom("runs").where("run_id", "=", "run_none").execute();
    });
    expect(reads(plans)).toEqual([]);
  });

  it("read a user's jobs and runs by index alone", async () => {
    const store = openJobStore(db, { userKey: "a", userId: "alice", now: () => now });
    const runs = openRunStore(db, { userKey: "a", now: () => now });
    const plans = await plansOf(async () => {
      const { jobId } = await store.create(newJob());
      const { runId } = await runs.enqueue(jobId);
      await store.list();
      await store.list({ status: "active" });
      await store.counts();
      await runs.get(runId);
      await runs.list();
      await runs.list({ status: "queued" });
      await runs.list({ jobId });
      await runs.enqueue(jobId, { overlap: "cancel_other" });
      await runs.backfill(jobId, { from: now, to: now });
      await store.counters([jobId]);
      await store.update(jobId, () => ({ status: "paused" }));
      await store.update(jobId, () => ({ status: "cancelled" }));
      await store.syncFolder([]);
    });
    expect(reads(plans)).toEqual([]);
  });

  it("find due deliveries of webhooks and record their results by index alone", async () => {
    const user = userOf({ db, now: () => now }, "a");
    const outbox = createOutbox(db);
    const { jobId } = await user.addJob("https://example.com/hook");
    await user.end(jobId);
    now += 60_000;
    const plans = await plansOf(async () => {
      await user.webhooks.set("https://example.com/user");
      const runId = await user.end(jobId);
      for (const filter of [{}, { userKey: "a" }]) {
        await outbox.nextAt(filter, []);
        const options = { now, limit: 1, each: 2, busy: new Map([["b", 2]]), filter };
        const [attempt] = await outbox.claim(options);
        if (!attempt) throw new Error("nothing was claimed");
        await outbox.recordResult(attempt, { kind: "stopped" }, now);
      }
      await user.deliveries.ofRun(runId);
      await user.webhooks.counts();
      await user.webhooks.remove();
    });
    // A run has few deliveries: these are sorted without an index.
    expect(reads(plans).filter((plan) => !/TEMP B-TREE.*"run_id" = \?/.test(plan))).toEqual([]);
    for (const index of ["webhooks_turns", "deliveries_due", "deliveries_of_run", "deliveries_of_user"])
      expect(plans.filter((plan) => plan.includes(`INDEX ${index}`))).not.toEqual([]);
  });
});
