import { pino } from "pino";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import {
  classify,
  createNetworkPolicy,
  MAX_ATTEMPTS,
  type NetworkPolicy,
} from "../../src/webhooks/attempt.ts";
import { createDispatcher, type DispatcherOptions } from "../../src/webhooks/dispatcher.ts";
import { createOutbox } from "../../src/webhooks/outbox.ts";
import { eventually } from "../harness.ts";
import { openWorld, type World } from "../world.ts";
import { startReceiver } from "./receiver.ts";
import { userOf } from "./webhook-world.ts";

let world: World;
let alice: ReturnType<typeof userOf>;
let lines: string[];

beforeEach(async () => {
  world = await openWorld("SQLite");
  alice = userOf(world, "a");
  lines = [];
});

function dispatcher(options: Partial<DispatcherOptions> & { db?: World["db"] } = {}) {
  const { db = world.db, ...rest } = options;
  const made = createDispatcher({
    outbox: createOutbox(db),
    network: createNetworkPolicy(true),
    log: pino({ level: "debug" }, { write: (line) => lines.push(line) }),
    now: world.now,
    ...rest,
  });
  onTestFinished(() => made.stop());
  return made;
}

/** Sends what is due, then moves the time to the next attempt, until there is none. */
async function attempts(runId: string, sender = dispatcher()) {
  const seen: (number | null)[] = [];
  for (;;) {
    await sender.drain();
    const [delivery] = await alice.deliveries.ofRun(runId);
    const pauseMs = delivery?.nextAttemptAt && delivery.nextAttemptAt - world.now();
    seen.push(pauseMs ?? null);
    if (!delivery || !pauseMs) return { delivery, pauses: seen.slice(0, -1) };
    world.pass(pauseMs);
  }
}

describe("a delivery that does not arrive", () => {
  it("is tried again, later and later, over a day, under the same id and a new signature", async () => {
    const receiver = await startReceiver();
    receiver.reply(503);
    const runId = await alice.end((await alice.addJob(`${receiver.url}/token-4711?key=4712`)).jobId);
    const { delivery, pauses } = await attempts(runId);
    expect(delivery).toMatchObject({
      status: "failed",
      attempts: 8,
      lastStatus: 503,
      lastError: "It answered 503.",
    });
    expect(pauses).toHaveLength(MAX_ATTEMPTS - 1);
    for (const [i, pauseMs] of pauses.entries()) {
      expect(pauseMs).toBeGreaterThanOrEqual(5_000 * 5 ** i * 0.75);
      expect(pauseMs).toBeLessThanOrEqual(5_000 * 5 ** i * 1.25);
    }
    const headers = receiver.received.map((one) => one.headers);
    expect(new Set(headers.map((one) => one["webhook-id"]))).toEqual(new Set([delivery?.deliveryId]));
    expect(new Set(headers.map((one) => one["webhook-signature"])).size).toBe(8);
    expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
    // One log line, without the parts of the URL that may be secret.
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({
      msg: "a webhook message could not be delivered, and is not sent again",
      delivery_id: delivery?.deliveryId,
      run_id: runId,
      host: new URL(receiver.url).host,
      attempts: 8,
      last_status: 503,
    });
    expect(lines.join("")).not.toMatch(/hook\/|471\d|whsec_/);
  });

  it("is done when it arrives after all", async () => {
    const receiver = await startReceiver();
    receiver.reply((res) => void res.writeHead(receiver.received.length < 3 ? 500 : 200).end());
    const runId = await alice.end((await alice.addJob(receiver.url)).jobId);
    const { delivery } = await attempts(runId);
    expect(delivery).toMatchObject({ status: "delivered", attempts: 3, lastStatus: 200, lastError: null });
    expect(lines).toEqual([]);
  });

  it.each([400, 401, 404, 410, 301, 302, 304, 307, 308])("is given up at once for %d", async (status) => {
    const inner = await startReceiver();
    const receiver = await startReceiver();
    receiver.reply((res) => void res.writeHead(status, { location: inner.url }).end());
    const runId = await alice.end((await alice.addJob(receiver.url)).jobId);
    const { delivery } = await attempts(runId);
    expect(delivery).toMatchObject({ status: "failed", attempts: 1, lastStatus: status });
    expect(delivery?.lastError).toMatch(
      status < 400 ? /redirects are not followed/ : new RegExp(`^It answered ${status}\\.$`),
    );
    expect(inner.connections()).toBe(0);
  });

  it("is refused for a private address, when it is sent, and for a URL that is no longer allowed", async () => {
    const receiver = await startReceiver({ tls: true });
    const leads: NetworkPolicy = {
      ...createNetworkPolicy(false),
      resolve: async () => [{ address: "127.0.0.1", family: 4 }],
    };
    for (const url of [
      receiver.url,
      `http://hook.example:${receiver.port}/secret-4711`,
      `https://hook.example:${receiver.port}/secret-4711`,
    ]) {
      const runId = await alice.end((await alice.addJob(url)).jobId);
      const { delivery } = await attempts(runId, dispatcher({ network: leads }));
      expect(delivery).toMatchObject({
        status: "failed",
        attempts: 1,
        host: new URL(url).host,
        lastStatus: null,
      });
      expect(delivery?.lastError).toMatch(/NIGHTSHIFT_WEBHOOK_ALLOW_PRIVATE/);
    }
    expect(receiver.connections()).toBe(0);
    expect(lines.join("")).not.toContain("4711");
  });

  it("is given up when its webhook was removed meanwhile", async () => {
    const receiver = await startReceiver();
    await alice.webhooks.set(receiver.url);
    const runId = await alice.end((await alice.addJob()).jobId);
    await alice.webhooks.remove();
    const { delivery } = await attempts(runId);
    expect(delivery).toMatchObject({ status: "failed", lastError: expect.stringContaining("removed") });
    expect(receiver.connections()).toBe(0);
  });
});

describe("what a receiver answers", () => {
  const now = Date.UTC(2026, 1, 20, 9);
  const pause = (status: number, retryAfter?: string) => {
    const result = classify(
      { kind: "answered", status, retryAfter },
      { host: "h", attempt: 1, now, chance: 0.5 },
    );
    return result.kind === "again" ? (result.at - now) / 1_000 : result.kind;
  };

  it("decides whether it is tried again", () => {
    expect([200, 201, 202, 204, 299].map((status) => pause(status))).toEqual(Array(5).fill("delivered"));
    expect([408, 425, 429, 500, 502, 503, 504].map((status) => pause(status))).toEqual(Array(7).fill(5));
    expect([300, 303, 400, 403, 405, 409, 413, 422].map((status) => pause(status))).toEqual(
      Array(8).fill("failed"),
    );
  });

  it("may ask for time, up to six hours, and not for less than there would be", () => {
    expect(pause(429, "60")).toBe(60);
    expect(pause(503, "Fri, 20 Feb 2026 09:10:00 GMT")).toBe(600);
    expect(pause(429, "999999999")).toBe(6 * 3_600);
    for (const odd of ["1", "0", "-5", "soon", "", "1e9", "Fri, 20 Feb 2026 08:00:00 GMT", "9".repeat(400)])
      expect(pause(429, odd), odd).toBe(5);
  });
});

describe("the dispatcher", () => {
  it("lets nobody's dead endpoint hold up another user", async () => {
    const dead = await startReceiver();
    dead.reply(() => {});
    const good = await startReceiver();
    const { jobId } = await alice.addJob(dead.url);
    for (let i = 0; i < 6; i++) await alice.end(jobId);
    const bob = userOf(world, "b");
    const sender = dispatcher({ maxAtOnce: 3, maxEach: 2 });
    sender.start();
    await eventually(async () => dead.received.length === 2);
    const bobs = await bob.addJob(good.url);
    for (let i = 0; i < 5; i++) await bob.end(bobs.jobId);
    sender.wake();
    await eventually(async () => good.received.length === 5);
    expect(dead.received).toHaveLength(2);
  });

  it("sends each delivery once, however many there are", async () => {
    const receiver = await startReceiver();
    const { jobId } = await alice.addJob(receiver.url);
    const senders = [dispatcher(), dispatcher({ db: await world.reopen() })];
    for (const sender of senders) sender.start();
    for (let i = 0; i < 30; i++) {
      await alice.end(jobId);
      for (const sender of senders) sender.wake();
    }
    await eventually(async () => (await alice.webhooks.counts()).delivered === 30);
    const ids = receiver.received.map(({ headers }) => headers["webhook-id"]);
    expect(ids).toHaveLength(30);
    expect(new Set(ids).size).toBe(30);
  });

  it("sends only the deliveries of one run where its filter names the run", async () => {
    const receiver = await startReceiver();
    const { jobId } = await alice.addJob(receiver.url);
    const [first, second] = [await alice.end(jobId), await alice.end(jobId)];
    await dispatcher({ filter: { userKey: "a", runId: second } }).drain();
    const runs = receiver.received.map(({ body }) => JSON.parse(body).data.run_id);
    expect(runs).toEqual([second]);
    expect(await alice.deliveries.ofRun(first)).toMatchObject([{ status: "pending", attempts: 0 }]);
  });

  it("gives up what it is sending when it stops, and leaves it to the next", async () => {
    const receiver = await startReceiver();
    receiver.reply(() => {});
    const runId = await alice.end((await alice.addJob(receiver.url)).jobId);
    const sender = dispatcher();
    sender.start();
    await eventually(async () => receiver.received.length === 1);
    await sender.stop();
    expect(await alice.deliveries.ofRun(runId)).toMatchObject([
      { status: "pending", attempts: 0, lastError: null },
    ]);
    receiver.reply(200);
    await dispatcher().drain();
    expect(await alice.deliveries.ofRun(runId)).toMatchObject([{ status: "delivered", attempts: 1 }]);
    expect(lines).toEqual([]);
  });

  it("sees what another process has ended", async () => {
    const receiver = await startReceiver();
    dispatcher({ db: await world.reopen(), lookMs: 20 }).start();
    const { jobId } = await alice.addJob(receiver.url);
    await alice.end(jobId);
    await eventually(async () => receiver.received.length === 1);
    await alice.end(jobId);
    await eventually(async () => (await alice.webhooks.counts()).delivered === 2);
  });

  it("sends what was written before it was there, and tells of it", async () => {
    const receiver = await startReceiver();
    const runId = await alice.end((await alice.addJob(receiver.url)).jobId);
    const told: string[] = [];
    dispatcher({ db: await world.reopen(), onAttempt: (attempt) => told.push(attempt.runId) }).start();
    await eventually(async () => told.includes(runId));
    expect(receiver.received).toHaveLength(1);
  });
});
