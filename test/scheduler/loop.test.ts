import { hostname } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { RunQueue } from "../../src/store/run-queue.ts";
import { eventually } from "../harness.ts";
import { openLoop } from "./open-loop.ts";

const START = Date.UTC(2026, 1, 20, 9);

/** Counts the calls of a method that have ended. */
function countCalls(runQueue: RunQueue, method: "nextDueAt" | "checkRunning" | "reapLost") {
  const calls = { count: 0 };
  const original = runQueue[method] as (options: unknown) => Promise<unknown>;
  const counting = (options: unknown) => original(options).finally(() => calls.count++);
  Object.assign(runQueue, { [method]: counting });
  return calls;
}

describe("a tick", () => {
  it("starts what is due at the time that is passed in, and nothing before", async () => {
    const { loop, add, begun } = await openLoop({ now: () => START });
    await add(START + 60_000);
    expect(await loop.tick(START + 59_999)).toBe(0);
    expect(await loop.tick(START + 60_000)).toBe(1);
    expect(begun[0]?.run.scheduledFor).toBe(START + 60_000);
    expect(await loop.tick(START + 60_001)).toBe(0);
  });

  it("fills the free slots and no more, oldest first, and the rest follow in order", async () => {
    const { loop, add, begun } = await openLoop({ now: () => START, maxGhosts: 3, autoFinish: false });
    for (const [i, offset] of [5, 1, 4, 2, 3, 6].entries()) await add(START + offset, `due ${offset} (${i})`);
    expect(await loop.tick(START + 1_000)).toBe(3);
    expect(begun.map(({ run }) => run.scheduledFor - START)).toEqual([1, 2, 3]);
    expect(await loop.tick(START + 1_000)).toBe(0);
    await begun[1]?.finish();
    await eventually(async () => loop.running.length === 2);
    expect(await loop.tick(START + 1_000)).toBe(1);
    expect(begun.map(({ run }) => run.scheduledFor - START)).toEqual([1, 2, 3, 4]);
  });

  it("leaves places free of a user who has as many as one user may, and fills all where it serves one", async () => {
    const options = { now: () => START, maxGhosts: 4, maxGhostsPerUser: 2, autoFinish: false };
    const { loop, add, begun } = await openLoop(options);
    for (let i = 0; i < 4; i++) await add(START + i);
    expect([await loop.tick(START + 1_000), await loop.tick(START + 1_000)]).toEqual([2, 0]);
    await begun[0]?.finish();
    await eventually(async () => loop.running.length === 1);
    expect(await loop.tick(START + 1_000)).toBe(1);

    const filter = { kinds: ["tool" as const], userKey: "a".repeat(64) };
    const own = await openLoop({ ...options, filter });
    for (let i = 0; i < 4; i++) await own.add(START + i);
    expect(await own.loop.tick(START + 1_000)).toBe(4);
  });

  it("gives others their turn between claims", async () => {
    const { loop, add } = await openLoop({ now: () => START, maxGhosts: 200 });
    for (let i = 0; i < 100; i++) await add(START);
    let turns = 0;
    let isDone = false;
    const count = () => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    expect(await loop.tick(START)).toBe(100);
    isDone = true;
    expect(turns).toBeGreaterThan(10);
  });
});

describe("a running loop", () => {
  it("fires each in its order and never early", async () => {
    const { loop, add, begun } = await openLoop();
    const due = [150, 300, 300, 451].map((ms) => Date.now() + ms);
    await loop.start();
    for (const at of due) await add(at);
    loop.wake();
    await eventually(async () => begun.length === due.length);
    expect(begun.map(({ run }) => run.scheduledFor)).toEqual(due);
    for (const { at, run } of begun) expect(at).toBeGreaterThanOrEqual(run.scheduledFor);
  });

  it("starts what waited for a slot as soon as one is free", async () => {
    const { loop, add, begun } = await openLoop({ maxGhosts: 2, autoFinish: false });
    for (let i = 0; i < 6; i++) await add(Date.now());
    await loop.start();
    for (let ended = 0; ended < 6; ended++) {
      const next = await eventually(async () => begun[ended]);
      expect(loop.running.length).toBeLessThanOrEqual(2);
      await next.finish();
    }
    await loop.idle();
  });

  it("sleeps without a query until something is due, and again when nothing is", async () => {
    const { loop, add, begun, runQueue } = await openLoop();
    const queries = countCalls(runQueue, "nextDueAt");
    await add(Date.now() + 40 * 24 * 3_600_000);
    await loop.start();
    await wait(1_200);
    expect(begun).toHaveLength(0);
    expect(queries.count).toBe(1);
  });

  it("has spare threads started before something is due, and not long before", async () => {
    let warmed = 0;
    const { loop, add } = await openLoop({ warm: () => void warmed++ });
    await loop.start();
    await add(Date.now() + 3_600_000);
    loop.wake();
    await wait(50);
    expect(warmed).toBe(0);
    await add(Date.now() + 3_000);
    loop.wake();
    await eventually(async () => warmed > 0);
  });

  it("notices what another process has written, of which nobody tells it", async () => {
    const one = await openLoop();
    const other = await openLoop({ file: one.file });
    const looks = countCalls(one.runQueue, "nextDueAt");
    await one.loop.start();
    // Then the loop sleeps: nothing that it knows of is due.
    await eventually(async () => looks.count > 0);
    await other.add(Date.now());
    await eventually(async () => one.begun.length === 1);
  });

  it("runs each occurrence once though two processes have the same folder", async () => {
    const one = await openLoop();
    const two = await openLoop({ file: one.file });
    const due = Date.now() + 300;
    for (let i = 0; i < 40; i++) await one.add(due);
    await one.loop.start();
    await two.loop.start();
    await eventually(async () => one.begun.length + two.begun.length >= 40);
    await wait(700);
    const ids = [...one.begun, ...two.begun].map(({ job }) => job.jobId);
    expect(ids).toHaveLength(40);
    expect(new Set(ids).size).toBe(40);
  });

  it("goes on when the wall clock jumps forward", async () => {
    let ahead = 0;
    const { loop, add, begun } = await openLoop({ now: () => Date.now() + ahead });
    await add(Date.now() + 3_600_000);
    await loop.start();
    await wait(50);
    expect(begun).toHaveLength(0);
    ahead = 3_600_000;
    await eventually(async () => begun.length === 1);
  });

  it("goes on after the store has failed for a while", async () => {
    const { loop, add, begun, runQueue } = await openLoop();
    const { claimDue } = runQueue;
    let failures = 2;
    Object.assign(runQueue, {
      claimDue: (options: never) =>
        failures-- > 0 ? Promise.reject(new Error("locked")) : claimDue(options),
    });
    await add(Date.now());
    await loop.start();
    await eventually(async () => begun.length === 1);
  });

  it("ends a run that its owner cancels from another process", async () => {
    const one = await openLoop({ autoFinish: false });
    await one.add(Date.now());
    await one.loop.start();
    const claimed = await eventually(async () => one.begun[0]);
    const other = await openLoop({ file: one.file });
    await other.runs.cancel(claimed.run.runId);
    await one.loop.idle();
    expect(claimed.signal.reason).toMatchObject({ code: "CANCELLED", message: "Cancelled by its owner." });
    expect((await one.runs.get(claimed.run.runId)).status).toBe("cancelled");
  });

  it("extends the leases of what runs, so that nobody takes it for lost", async () => {
    const { loop, add, begun, runQueue } = await openLoop({ autoFinish: false, leaseMs: 300 });
    await add(Date.now());
    await loop.start();
    await eventually(async () => begun.length === 1);
    await wait(900);
    const stranger = { workerId: "stranger", host: "elsewhere", pid: 1 };
    expect(await runQueue.reapLost({ now: Date.now(), worker: stranger, isAlive: () => true })).toEqual([]);
  });

  it("writes nothing because another process has written, so that two do not wake each other for ever", async () => {
    const options = { autoFinish: false, leaseMs: 3_600_000 };
    const one = await openLoop(options);
    const neighbour = { workerId: "neighbour", host: hostname(), pid: process.ppid };
    const two = await openLoop({ ...options, file: one.file, worker: neighbour });
    for (const { loop, add, begun } of [one, two]) {
      await add(Date.now());
      await loop.tick();
      await loop.start();
      expect(begun).toHaveLength(1);
    }
    const third = await openLoop({ file: one.file });
    const looks = countCalls(one.runQueue, "checkRunning");
    await third.add(Date.now() + 3_600_000);
    await eventually(async () => looks.count > 0);
    third.runQueue.changedElsewhere();
    // Three looks of each loop for writes of others.
    await wait(1_600);
    expect(third.runQueue.changedElsewhere()).toBe(false);
    expect([one.loop.running, two.loop.running].map(({ length }) => length)).toEqual([1, 1]);
  });

  it("ends as lost what a dead process left running", async () => {
    const { loop, add, runQueue, runs } = await openLoop();
    await add(Date.now() - 10);
    const dead = { workerId: "dead", host: hostname(), pid: 2 ** 22 + 1 };
    const [left] = await runQueue.claimDue({
      now: Date.now(),
      limit: 1,
      filter: { kinds: ["tool"] },
      worker: dead,
      leaseMs: 60_000,
    });
    await loop.start();
    expect((await runs.get(left?.run.runId ?? "")).status).toBe("lost");
  });

  it("gives a process that slept with the machine the time to renew its leases, before it is taken for dead", async () => {
    let ahead = 0;
    const now = () => Date.now() + ahead;
    const leaseMs = 1_500;
    const one = await openLoop({ autoFinish: false, leaseMs, now });
    await one.add(now());
    await one.loop.start();
    const { run } = await eventually(async () => one.begun[0]);
    ahead = 3_600_000;
    const neighbour = { workerId: "neighbour", host: hostname(), pid: process.ppid };
    const two = await openLoop({ file: one.file, leaseMs, now, worker: neighbour });
    const looks = countCalls(two.runQueue, "reapLost");
    await two.loop.start();
    await eventually(async () => looks.count >= 2, 20_000);
    expect((await one.runs.get(run.runId)).status).toBe("running");
    await one.begun[0]?.finish();
    expect((await one.runs.get(run.runId)).status).toBe("succeeded");
  });

  it("ends as lost what a machine held that stays silent", async () => {
    const { loop, add, runQueue, runs } = await openLoop({ leaseMs: 600 });
    await add(Date.now() - 10);
    const [held] = await runQueue.claimDue({
      now: Date.now(),
      limit: 1,
      filter: { kinds: ["tool"] },
      worker: { workerId: "silent", host: "elsewhere", pid: 1 },
      leaseMs: 600,
    });
    await loop.start();
    await eventually(async () => (await runs.get(held?.run.runId ?? "")).status === "lost", 20_000);
  });

  it("stops: tells what runs to end, waits for it, and claims nothing more", async () => {
    const { loop, add, begun, runs } = await openLoop({ autoFinish: false });
    await add(Date.now());
    await loop.start();
    await eventually(async () => begun.length === 1);
    await loop.stop({ graceMs: 1_000 });
    expect((await runs.get(begun[0]?.run.runId ?? "")).status).toBe("cancelled");
    await add(Date.now());
    loop.wake();
    await wait(700);
    expect(begun).toHaveLength(1);
  });

  it("stops in the middle of much that is due: what it has not claimed is left for the next start", async () => {
    const { loop, add, begun, runs } = await openLoop({ autoFinish: false, maxGhosts: 200 });
    for (let i = 0; i < 60; i++) await add(Date.now());
    await loop.start();
    await loop.stop();
    expect(begun.length).toBeLessThan(30);
    expect((await runs.list({ limit: 100 })).runs).toHaveLength(begun.length);
  });

  it("stops though a run ignores it", async () => {
    const { loop, add } = await openLoop({ run: () => new Promise(() => {}) });
    await add(Date.now());
    await loop.tick();
    await loop.stop({ graceMs: 200 });
    expect(loop.running).toHaveLength(1);
  });
});
