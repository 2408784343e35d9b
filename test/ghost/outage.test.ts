import { describe, expect, it } from "vitest";
import { DEFAULT_POLICY, type Policy } from "../../src/jobs/job.ts";
import type { ScriptedAnswer } from "../../src/model/scripted.ts";
import { openGhostWorld } from "./ghost-world.ts";

const MINUTE = 60_000;
/** The header keeps the run's own two further tries short. */
const AWAY: ScriptedAnswer = { status: 503, body: "{}", headers: { "retry-after-ms": "1" } };

/** A ghost world with a clock of its own, and a model that answers with what `model.answer` holds. */
async function openOutage(answer: ScriptedAnswer, config: { modelCallsPerMinute?: number } = {}) {
  const model = { answer, byPrompt: new Map<string, ScriptedAnswer>() };
  // Only the test lets time pass, besides a millisecond for each look, so that ids have their order.
  let time = Date.now();
  const now = () => ++time;
  const world = await openGhostWorld({
    ...config,
    now,
    script: ({ messages }) => model.byPrompt.get(messages.at(-1)?.content ?? "") ?? model.answer,
  });
  const { jobs, runs, loop, scripted, db } = world;
  const everyMinute = async (prompt: string, policy: Partial<Policy> = {}) => {
    const { jobId } = await world.addJob({ kind: "prompt", prompt });
    const schedule = { kind: "every", everySeconds: 60, anchor: now() - MINUTE } as const;
    await jobs.update(jobId, () => ({
      schedule,
      policy: { ...DEFAULT_POLICY, ...policy },
      nextRunAt: now(),
    }));
    return jobId;
  };
  return {
    ...world,
    model,
    now,
    everyMinute,
    pass(ms: number) {
      time += ms;
    },
    /** Starts what may start, to its end. */
    tick: async () => {
      const started = await loop.tick();
      await loop.idle();
      return started;
    },
    asked: () => scripted?.requests.length ?? 0,
    statusesOf: async (jobId: string) => (await runs.list({ jobId })).runs.map(({ status }) => status),
    failuresOf: async (jobId: string) => (await jobs.counters([jobId])).get(jobId)?.consecutiveFailures ?? 0,
    inbox: () => db.kysely.selectFrom("inbox").select(["kind", "note"]).execute(),
  };
}

describe("an outage of the model's provider", () => {
  it("makes prompts wait, is told once, and counts for no job", async () => {
    const world = await openOutage(AWAY);
    const { model, tick, pass, asked, statusesOf } = world;
    const ids = await Promise.all(
      ["a", "b", "c"].map((prompt) => world.everyMinute(prompt, { pauseAfterFailures: 1 })),
    );
    expect(await tick()).toBe(3);
    for (const jobId of ids) {
      expect(await statusesOf(jobId)).toEqual(["queued", "failed"]);
      expect(await world.failuresOf(jobId)).toBe(0);
      expect((await world.jobs.get(jobId)).status).toBe("active");
    }
    expect(await world.inbox()).toMatchObject([
      { kind: "warning", note: expect.stringContaining("provider is away") },
    ]);
    expect(asked()).toBe(9);
    // All wait, whatever is due meanwhile; what needs no model goes on.
    pass(9_000);
    expect(await tick()).toBe(0);
    expect((await world.runJob({ kind: "tool", tool: "current_time", arguments: {} })).status).toBe(
      "succeeded",
    );
    // One is tried, then the wait is twice as long.
    pass(1_500);
    expect(await tick()).toBe(1);
    pass(19_000);
    expect(await tick()).toBe(0);
    expect(asked()).toBe(12);
    model.answer = { text: "here" };
    pass(1_500);
    const started = [await tick(), await tick(), await tick()];
    expect(started).toEqual([1, 2, expect.any(Number)]);
    for (const jobId of ids)
      expect((await statusesOf(jobId)).filter((status) => status === "succeeded")).not.toEqual([]);
    const told = world.lines.filter(({ msg }) => /provider (is away|answers again)/.test(String(msg)));
    expect(told.map(({ level }) => level)).toEqual([40, 30]);
    expect((await world.inbox()).filter(({ kind }) => kind === "warning")).toHaveLength(1);
  }, 120_000);

  it("ends a run that has used tools, and one that a person asked for; neither counts", async () => {
    const world = await openOutage(AWAY);
    world.model.byPrompt.set("later", AWAY);
    const { jobId } = await world.addJob({ kind: "prompt", prompt: "look" });
    let count = 0;
    Object.defineProperty(world.model, "answer", {
      get: () => (count++ === 0 ? { calls: [{ tool: "current_time", arguments: {} }] } : AWAY),
    });
    await world.tick();
    expect(await world.statusesOf(jobId)).toEqual(["failed"]);
    expect(await world.failuresOf(jobId)).toBe(0);
    world.pass(10 * MINUTE);
    const other = await world.addJob({ kind: "prompt", prompt: "later" }, { dueAt: world.now() + 1e9 });
    await world.runs.enqueue(other.jobId);
    await world.tick();
    expect(await world.statusesOf(other.jobId)).toEqual(["failed"]);
    expect(await world.inbox()).toMatchObject([{ kind: "result" }, { kind: "result" }]);
  });

  it("is none where the provider answers others and fails for one job", async () => {
    const world = await openOutage({ text: "fine" });
    world.model.byPrompt.set("bad", AWAY);
    const bad = await world.everyMinute("bad", { pauseAfterFailures: 1 });
    await world.tick();
    expect(await world.statusesOf(bad)).toEqual(["queued", "failed"]);
    const good = await world.everyMinute("good");
    world.pass(11_000);
    // The provider is tried with the oldest; whichever that is, the other follows.
    for (let i = 0; i < 4; i++) {
      await world.tick();
      world.pass(MINUTE);
    }
    expect(await world.statusesOf(good)).toContain("succeeded");
    expect(await world.jobs.get(bad)).toMatchObject({
      status: "paused",
      statusReason: expect.stringContaining("pause_after_failures"),
    });
  });

  it("is none where it refuses: that counts, and is told each time", async () => {
    const world = await openOutage({ status: 401, body: "{}" });
    const jobId = await world.everyMinute("a", { pauseAfterFailures: 1 });
    await world.tick();
    expect((await world.jobs.get(jobId)).status).toBe("paused");
  });
});

describe("the model's calls", () => {
  it("are retried by the job no sooner than the provider asks", async () => {
    const world = await openOutage({ status: 429, body: "{}", headers: { "retry-after": "90" } });
    const retry = { ...DEFAULT_POLICY.retry, attempts: 2, backoffSeconds: 1 };
    const jobId = await world.everyMinute("a", { retry });
    await world.tick();
    // The run had 15 s, so it did not wait for the provider itself.
    expect(world.asked()).toBe(1);
    expect(await world.statusesOf(jobId)).toEqual(["queued", "failed"]);
    const dueAt = await world.db.kysely
      .selectFrom("runs")
      .select("due_at")
      .where("status", "=", "queued")
      .executeTakeFirst();
    const waitMs = Number(dueAt?.due_at) - world.now();
    expect(waitMs).toBeGreaterThan(30_000);
    expect(waitMs).toBeLessThanOrEqual(90_000);
  });

  it("are spread, where there may be only so many a minute", async () => {
    const world = await openOutage({ text: "fine" }, { modelCallsPerMinute: 1 });
    for (const prompt of ["a", "b", "c"]) await world.everyMinute(prompt);
    world.pass(60 * MINUTE);
    expect(await world.tick()).toBe(1);
    expect(await world.tick()).toBe(0);
    expect(world.asked()).toBe(1);
    // What needs no model goes on.
    expect((await world.runJob({ kind: "tool", tool: "current_time", arguments: {} })).status).toBe(
      "succeeded",
    );
  });
});
