import { beforeEach, describe, expect, it } from "vitest";
import { emptyResult, endRun } from "../../src/store/run-end.ts";
import { type Attempt, createOutbox, type Outbox } from "../../src/webhooks/outbox.ts";
import { type Backend, openWorld, type World, worker } from "../world.ts";
import { userOf } from "./webhook-world.ts";

const HOOK = "https://example.com/hook";
const SAID = { host: "example.com", status: 204 } as const;
const DELIVERED = { kind: "delivered", error: null, ...SAID } as const;

/** The outbox of run ends that webhooks are told of, in every jobs database. */
export function webhookStoreContract(backend: Backend): void {
  describe(`webhooks kept in ${backend}`, () => {
    let world: World;
    let outbox: Outbox;
    let alice: ReturnType<typeof userOf>;
    const claim = (
      options: { limit?: number; each?: number; busy?: [string, number][]; from?: Outbox } = {},
    ) =>
      (options.from ?? outbox).claim({
        now: world.now(),
        limit: options.limit ?? 100,
        each: options.each ?? 100,
        busy: new Map(options.busy),
        filter: {},
      });
    const told = async (runId: string) => (await alice.deliveries.ofRun(runId)).map(({ status }) => status);

    beforeEach(async () => {
      world = await openWorld(backend);
      outbox = createOutbox(world.db);
      alice = userOf(world, "a");
    });

    it("get one delivery for each end of a run, with what came of it", async () => {
      await alice.webhooks.set(HOOK);
      const { jobId } = await alice.addJob();
      const runId = await alice.begin(jobId);
      expect(await told(runId)).toEqual([]);
      await alice.finish(runId);
      expect(await alice.finish(runId)).toBe(false);
      const now = world.now();
      expect(await alice.deliveries.ofRun(runId)).toEqual([
        {
          deliveryId: expect.stringMatching(/^msg_[0-9a-f]+$/),
          status: "pending",
          attempts: 0,
          host: null,
          lastStatus: null,
          lastError: null,
          nextAttemptAt: now,
          createdAt: now,
          endedAt: null,
        },
      ]);
      const [attempt] = await claim();
      expect(attempt).toMatchObject({ runId, jobId, userKey: "a", attempt: 1, url: HOOK });
      const at = new Date(now).toISOString();
      expect(attempt?.message).toEqual({
        type: "run.succeeded",
        timestamp: at,
        data: {
          run_id: runId,
          job_id: jobId,
          job_name: "Report",
          ghost_session_id: `ghost_scheduler_${jobId}`,
          status: "succeeded",
          trigger: "manual",
          attempt: 1,
          scheduled_for: at,
          started_at: at,
          finished_at: at,
          output: "All is well.",
          output_chars: 12,
          error: null,
        },
      });
      expect(await outbox.recordResult(attempt as Attempt, DELIVERED, now)).toBe(true);
      expect(await alice.deliveries.ofRun(runId)).toMatchObject([
        {
          status: "delivered",
          attempts: 1,
          host: "example.com",
          lastStatus: 204,
          nextAttemptAt: null,
          endedAt: now,
        },
      ]);
      expect(await claim()).toEqual([]);
      expect(await alice.webhooks.counts()).toEqual({ pending: 0, delivered: 1, failed: 0 });
    });

    it("have their delivery together with the end of the run, or neither", async () => {
      const runId = await alice.begin((await alice.addJob(HOOK)).jobId);
      const ending = world.db.transact(async (trx) => {
        const outcome = emptyResult("succeeded", null);
        expect(await endRun(trx, runId, "running", outcome, world.now())).toBe(true);
        expect(await trx.selectFrom("deliveries").selectAll().execute()).toHaveLength(1);
        throw new Error("the power is gone");
      });
      await expect(ending).rejects.toThrow("the power is gone");
      expect((await alice.runs.get(runId)).status).toBe("running");
      expect(await told(runId)).toEqual([]);
      await alice.finish(runId);
      expect(await told(runId)).toEqual(["pending"]);
    });

    it("are told of failures, deadlines, cancelled work and lost runs, in words of their own", async () => {
      await alice.webhooks.set(HOOK);
      const { jobId } = await alice.addJob();
      const error = { code: "MODEL_FAILED", message: "It said no." } as const;
      for (const status of ["failed", "timed_out", "cancelled"] as const)
        await alice.end(jobId, { status, output: null, error });
      await alice.begin(jobId);
      world.pass(60_000);
      const reaping = {
        now: world.now(),
        worker: worker("w2", 2),
        isAlive: () => true,
      };
      await alice.runQueue.reapLost(reaping);
      const messages = (await claim()).map(({ message }) => message);
      expect(messages.map(({ type }) => type)).toEqual([
        "run.failed",
        "run.timed_out",
        "run.cancelled",
        "run.lost",
      ]);
      expect(messages[0]?.data).toMatchObject({ status: "failed", output: null, error });
    });

    it("are not told of runs that deliver nothing", async () => {
      await alice.webhooks.set(HOOK);
      const { jobId } = await alice.addJob();
      await alice.end(jobId, { silent: true });
      await alice.end(jobId, { status: "skipped", output: null });
      const { runId } = await alice.runs.enqueue(jobId);
      await alice.runs.cancel(runId);
      expect(await claim()).toEqual([]);
      expect(await outbox.nextAt({}, [])).toBeNull();
      expect(await told(runId)).toEqual([]);
    });

    it("are those of the job and of the user, and one where they are the same", async () => {
      const own = await alice.addJob("https://example.org/job");
      await alice.end(own.jobId);
      await alice.webhooks.set(HOOK);
      await alice.end(own.jobId);
      await alice.end((await alice.addJob(HOOK)).jobId);
      await alice.end((await alice.addJob()).jobId);
      const urls = (await claim()).map(({ url }) => url);
      expect(urls).toEqual(["https://example.org/job", "https://example.org/job", HOOK, HOOK, HOOK]);
    });

    it("are nobody else's", async () => {
      const bob = userOf(world, "b");
      await alice.webhooks.set(HOOK);
      const runId = await alice.end((await alice.addJob()).jobId);
      const other = await bob.end((await bob.addJob()).jobId);
      expect(await bob.deliveries.ofRun(runId)).toEqual([]);
      expect(await bob.deliveries.ofRun(other)).toEqual([]);
      expect(await bob.webhooks.url()).toBeNull();
      expect(await bob.webhooks.secret()).not.toBe(await alice.webhooks.secret());
      expect(await bob.webhooks.counts()).toEqual({ pending: 0, delivered: 0, failed: 0 });
      const filter = { userKey: "b" };
      expect(await outbox.nextAt(filter, [])).toBeNull();
      expect(await outbox.claim({ now: world.now(), limit: 9, each: 9, busy: new Map(), filter })).toEqual(
        [],
      );
      expect(await claim()).toHaveLength(1);
    });

    it("are those of now: what was on its way goes to the new URL, or nowhere", async () => {
      await alice.webhooks.set(HOOK);
      const { jobId } = await alice.addJob();
      await alice.end(jobId);
      await alice.end(jobId);
      await alice.webhooks.set("https://example.net/new");
      const [first] = await claim({ limit: 1 });
      expect(first?.url).toBe("https://example.net/new");
      expect(await alice.webhooks.remove()).toBe(true);
      expect(await alice.webhooks.remove()).toBe(false);
      expect((await claim()).map(({ url }) => url)).toEqual([null]);
    });

    it("have a secret of the user's own, and for a day after a rotation the old one too", async () => {
      const secret = await alice.webhooks.secret();
      expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{32}$/);
      expect(await alice.webhooks.secret()).toBe(secret);
      const { jobId } = await alice.addJob(HOOK);
      const rotated = await alice.webhooks.rotateSecret();
      expect(rotated).not.toBe(secret);
      await alice.end(jobId);
      expect((await claim())[0]?.secrets).toEqual([rotated, secret]);
      world.pass(86_400_000);
      await alice.end(jobId);
      expect((await claim()).at(-1)?.secrets).toEqual([rotated]);
    });

    it("cut a long output, and say how long it was", async () => {
      await alice.end((await alice.addJob(HOOK)).jobId, { output: "x".repeat(40_000) });
      const [attempt] = await claim();
      expect(attempt?.message.data).toMatchObject({ output: "x".repeat(32_000), output_chars: 40_000 });
    });

    it("are sent in fair order: nobody's backlog holds up another user", async () => {
      const { jobId } = await alice.addJob(HOOK);
      for (let i = 0; i < 10; i++) await alice.end(jobId);
      world.pass(1_000);
      const others = ["b", "c"].map((userKey) => userOf(world, userKey));
      for (const other of others) await other.end((await other.addJob(HOOK)).jobId);
      const order: string[] = [];
      for (let i = 0; i < 4; i++) {
        world.pass(1);
        for (const { userKey } of await claim({ limit: 2, each: 2 })) order.push(userKey);
      }
      expect(order).toEqual(["a", "a", "b", "c", "a", "a", "a", "a"]);
    });

    it("are told at most so much at once for a user, whatever is being sent for them", async () => {
      const { jobId } = await alice.addJob(HOOK);
      for (let i = 0; i < 4; i++) await alice.end(jobId);
      expect(await claim({ each: 2, busy: [["a", 2]] })).toEqual([]);
      expect(await outbox.nextAt({}, ["a"])).toBeNull();
      expect(await claim({ each: 2, busy: [["a", 1]] })).toHaveLength(1);
      expect(await outbox.nextAt({}, [])).toBe(world.now());
    });

    it("are told by one process of two", async () => {
      const { jobId } = await alice.addJob(HOOK);
      for (let i = 0; i < 20; i++) await alice.end(jobId);
      const other = createOutbox(await world.reopen());
      const claims = await Promise.all([claim({ limit: 15 }), claim({ limit: 15, from: other })]);
      const ids = claims.flat().map(({ deliveryId }) => deliveryId);
      expect(new Set(ids).size).toBe(20);
      expect(ids).toHaveLength(20);
    });

    it("are sent again under the same id when the process that had claimed it is silent", async () => {
      const runId = await alice.end((await alice.addJob(HOOK)).jobId);
      const [dead] = await claim();
      expect(await claim()).toEqual([]);
      expect(await outbox.nextAt({}, [])).toBe(world.now() + 60_000);
      world.pass(60_000);
      const other = createOutbox(await world.reopen());
      const [again] = await claim({ from: other });
      expect(again).toMatchObject({ deliveryId: dead?.deliveryId, attempt: 2 });
      // The first process was only slow: its result does not count any more.
      const late = { kind: "failed", error: "Late.", ...SAID } as const;
      expect(await outbox.recordResult(dead as Attempt, late, world.now())).toBe(false);
      expect(await other.recordResult(again as Attempt, DELIVERED, world.now())).toBe(true);
      expect(await told(runId)).toEqual(["delivered"]);
    });

    it("are told later when an attempt says so, and an attempt that was not made does not count", async () => {
      const runId = await alice.end((await alice.addJob(HOOK)).jobId);
      const [first] = await claim();
      await outbox.recordResult(first as Attempt, { kind: "stopped" }, world.now());
      const [second] = await claim();
      expect(second?.attempt).toBe(1);
      const at = world.now() + 5_000;
      const busy = {
        kind: "again",
        at,
        error: "It answered 503.",
        host: "example.com",
        status: 503,
      } as const;
      await outbox.recordResult(second as Attempt, busy, world.now());
      expect(await outbox.nextAt({}, [])).toBe(at);
      expect(await claim()).toEqual([]);
      expect(await alice.deliveries.ofRun(runId)).toMatchObject([
        { status: "pending", attempts: 1, lastStatus: 503, lastError: "It answered 503.", nextAttemptAt: at },
      ]);
      world.pass(5_000);
      expect((await claim())[0]?.attempt).toBe(2);
    });

    it("forget what was told of a run that is no longer kept", async () => {
      const runId = await alice.end((await alice.addJob(HOOK)).jobId);
      const [attempt] = await claim();
      await world.db.kysely.deleteFrom("runs").where("run_id", "=", runId).execute();
      expect(await told(runId)).toEqual([]);
      expect(await outbox.recordResult(attempt as Attempt, DELIVERED, world.now())).toBe(false);
      world.pass(60_000);
      expect(await claim()).toEqual([]);
    });

    it.each(["http://user:pw@example.com/", "ftp://example.com/", "nonsense"])("are not %s", async (url) => {
      await expect(alice.webhooks.set(url)).rejects.toMatchObject({ code: "INVALID_ARGUMENTS" });
      expect(await alice.webhooks.url()).toBeNull();
    });
  });
}
