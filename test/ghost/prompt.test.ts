import { describe, expect, it } from "vitest";
import { DEFAULT_POLICY } from "../../src/jobs/job.ts";
import type { Script, ScriptedAnswer } from "../../src/model/scripted.ts";
import { eventually } from "../harness.ts";
import { openGhostWorld } from "./ghost-world.ts";

const RECALL = "[Scheduler Task] Memory recall skipped - automated tasks cannot access user memories";
const SAVE = "[Scheduler Task] Memory save skipped - automated tasks cannot write to user memories";

/** A script that gives each of `answers` in turn. */
const inTurn =
  (...answers: ScriptedAnswer[]): Script =>
  () =>
    answers.shift() ?? { text: "nothing left to say" };

const call = (tool: string, args: Record<string, unknown> = {}) => ({ calls: [{ tool, arguments: args }] });

describe("a prompt with the ReAct loop", () => {
  it("is told that memory is skipped, word for word, and goes on", async () => {
    const world = await openGhostWorld({
      script: inTurn(
        {
          calls: [
            { tool: "recall_facts", arguments: { query: "my city" } },
            { tool: "save_fact", arguments: { fact: "alice lives in Berlin" } },
          ],
        },
        call("current_time", { timezone: "UTC" }),
        { text: "Done without memory." },
      ),
    });
    const run = await world.prompt("Where do I live?");
    expect(run).toMatchObject({ status: "succeeded", output: "Done without memory.", error: null });
    expect(run.transcript).toMatchObject([
      { step: 1, type: "model" },
      {
        step: 2,
        type: "tool",
        tool: "recall_facts",
        arguments: { query: "my city" },
        result: RECALL,
        skipped: true,
      },
      { step: 3, type: "tool", tool: "save_fact", result: SAVE, skipped: true },
      { step: 4, type: "model" },
      { step: 5, type: "tool", tool: "current_time" },
      { step: 6, type: "model", text: "Done without memory." },
    ]);
    expect(run.transcript[4]).not.toHaveProperty("skipped");
    const told = world.scripted?.requests[1]?.messages.filter(({ role }) => role === "tool");
    expect(told?.map(({ content }) => content)).toEqual([RECALL, SAVE]);
  });

  it("tells the model what it is, when it was due, how late it is and what was missed", async () => {
    const world = await openGhostWorld({ script: inTurn({ text: "ok" }) });
    const { jobId } = await world.jobs.create({
      ...(await world.addJob({ kind: "prompt", prompt: "p" }, { dueAt: Date.now() + 3_600_000 })),
      name: "Weekly digest",
      schedule: { kind: "every", everySeconds: 3_600, anchor: Date.now() - 3 * 3_600_000 - 60_000 },
      nextRunAt: Date.now() - 3 * 3_600_000 - 60_000,
    });
    await world.loop.tick();
    await world.loop.idle();
    expect((await world.runOf(jobId)).coalesced).toBe(3);
    const [system, user] = world.scripted?.requests[0]?.messages ?? [];
    expect(system?.role).toBe("system");
    expect(system?.content).toContain(`automated run of the scheduled job "Weekly digest" (${jobId})`);
    expect(system?.content).toMatch(
      /It was scheduled for \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0[12]:00 \(Europe\/Berlin\)/,
    );
    expect(system?.content).toMatch(/started 6\d seconds late/);
    expect(system?.content).toContain("3 earlier occurrences were missed");
    expect(system?.content).toContain("You have no access to anyone's memory");
    expect(user).toMatchObject({ role: "user", content: "p" });
  });

  it("offers the harmless built-in tools and nothing that schedules", async () => {
    const world = await openGhostWorld({ script: inTurn({ text: "ok" }) });
    await world.prompt("p");
    expect(world.scripted?.requests[0]?.tools.toSorted()).toEqual(
      ["current_time", "get_run", "list_runs", "recall_facts", "save_fact", "whoami"].toSorted(),
    );
  });

  it("knows that it is a ghost", async () => {
    const world = await openGhostWorld({ script: inTurn(call("whoami"), { text: "ok" }) });
    const run = await world.prompt("Who are you?");
    expect(run.transcript[1]?.result).toBe(
      `You act for alice as scheduler, in session ghost_scheduler_${run.jobId}.`,
    );
  });

  it("refuses a tool that is not allowed, says why to the model, and records it as denied", async () => {
    const world = await openGhostWorld({
      script: inTurn(call("schedule_task", { prompt: "again", every_seconds: 1 }), { text: "Could not." }),
    });
    const run = await world.prompt("Schedule yourself.");
    expect(run).toMatchObject({ status: "succeeded", output: "Could not." });
    expect(run.transcript[1]).toMatchObject({ tool: "schedule_task", denied: true, is_error: true });
    expect(run.transcript[1]?.result).toMatch(/^Denied: "schedule_task" is not among the tools/);
    expect(world.scripted?.requests[1]?.messages.at(-1)?.content).toMatch(/^Denied: /);
    expect((await world.jobs.list()).jobs).toHaveLength(1);
  });

  it("limits a job to the tools it names", async () => {
    const world = await openGhostWorld({ script: inTurn(call("whoami"), { text: "ok" }) });
    const run = await world.prompt("p", { tools: ["current_time", "no_such_tool"] });
    expect(world.scripted?.requests[0]?.tools).toEqual(["current_time"]);
    expect(run.transcript[0]).toMatchObject({ type: "note", text: expect.stringContaining("no_such_tool") });
    expect(run.transcript[2]).toMatchObject({ tool: "whoami", denied: true });
  });

  it("gives a tool's error back to the model, which goes on", async () => {
    const world = await openGhostWorld({
      script: inTurn(call("current_time", { timezone: "Mars/Base" }), call("current_time", { tz: 1 }), {
        text: "Gave up on Mars.",
      }),
    });
    const run = await world.prompt("p");
    expect(run).toMatchObject({ status: "succeeded", output: "Gave up on Mars." });
    expect(run.transcript[1]).toMatchObject({
      is_error: true,
      result: expect.stringContaining("no time zone"),
    });
    expect(run.transcript[3]).toMatchObject({
      is_error: true,
      result: expect.stringContaining("It takes timezone"),
    });
  });

  it("lets a ghost read the runs of its own job and of no other", async () => {
    const world = await openGhostWorld({
      script: ({ messages }) => {
        const asked = /run (run_\S+) job (\S+)/.exec(messages[1]?.content ?? "");
        if (!asked || messages.length > 2) return { text: "ok" };
        return {
          calls: [
            { tool: "get_run", arguments: { run_id: asked[1] } },
            { tool: "list_runs", arguments: { job_id: asked[2] } },
            { tool: "list_runs", arguments: {} },
          ],
        };
      },
    });
    const other = await world.prompt("the other job");
    const run = await world.prompt(`Read run ${other.runId} job ${other.jobId}`);
    expect(run.transcript[1]).toMatchObject({ tool: "get_run", is_error: true });
    expect(run.transcript[1]?.result).toContain("has no run");
    expect(run.transcript[2]?.result).toBe("No runs yet.");
    expect(run.transcript[3]?.result).toContain(run.runId);
    expect(run.transcript[3]?.result).not.toContain(other.runId);
  });

  it("counts the tokens of every model call", async () => {
    const usage = { input: 100, output: 20 };
    const world = await openGhostWorld({
      script: inTurn({ ...call("whoami"), usage }, { text: "ok", usage }),
    });
    expect((await world.prompt("p")).usage).toEqual({ input_tokens: 200, output_tokens: 40 });
  });
});

describe("the limits of a prompt", () => {
  it("without the loop is exactly one request, without tools", async () => {
    const world = await openGhostWorld({ script: inTurn({ text: "One answer." }, { text: "never asked" }) });
    const run = await world.prompt("p", { limits: { useReactLoop: false } });
    expect(run).toMatchObject({ status: "succeeded", output: "One answer." });
    expect(world.scripted?.requests).toHaveLength(1);
    expect(world.scripted?.requests[0]?.tools).toEqual([]);
  });

  it("max_iterations is a limit of model calls; the last one is asked to answer without tools", async () => {
    const world = await openGhostWorld({
      script: ({ toolChoice }) => (toolChoice === "none" ? { text: "What I have so far." } : call("whoami")),
    });
    const run = await world.prompt("p", { limits: { maxIterations: 3 } });
    expect(run).toMatchObject({ status: "succeeded", output: "What I have so far." });
    expect(world.scripted?.requests).toHaveLength(3);
    expect(run.transcript.map(({ type }) => type)).toEqual([
      "model",
      "tool",
      "model",
      "tool",
      "note",
      "model",
    ]);
    expect(run.transcript[4]?.text).toContain("max_iterations (3) reached");
  });

  it("a model that still asks for tools at the end has failed, and says how", async () => {
    const world = await openGhostWorld({ script: () => call("whoami") });
    const run = await world.prompt("p", { limits: { maxIterations: 2 } });
    expect(world.scripted?.requests).toHaveLength(2);
    expect(run).toMatchObject({ status: "failed", output: null, error: { code: "MODEL_FAILED" } });
    expect(run.error?.message).toMatch(
      /max_iterations: after 2 model calls the model still asked for whoami/,
    );
    expect(run.usage.input_tokens).toBeGreaterThan(0);
  });

  it("the token budget stops the next model call, and says what was spent", async () => {
    const world = await openGhostWorld({
      script: () => ({ ...call("whoami"), usage: { input: 40, output: 15 } }),
    });
    const run = await world.prompt("p", { limits: { maxTokens: 100 } });
    expect(world.scripted?.requests).toHaveLength(2);
    expect(run).toMatchObject({
      status: "failed",
      error: { code: "BUDGET_EXCEEDED" },
      usage: { input_tokens: 80, output_tokens: 30 },
    });
    expect(run.error?.message).toContain("110 tokens (80 in, 30 out) of the 100");
  });

  it("times out while the model thinks", async () => {
    const world = await openGhostWorld({ script: () => ({ text: "too late", delayMs: 600_000 }) });
    const run = await world.prompt("p", { limits: { timeoutSeconds: 1 } });
    expect(run).toMatchObject({ status: "timed_out", output: null, error: { code: "GHOST_TIMED_OUT" } });
    expect((run.finishedAt ?? 0) - (run.startedAt ?? 0)).toBeGreaterThanOrEqual(1_000);
  });

  it("is cancelled by its owner while the model thinks", async () => {
    const world = await openGhostWorld({ script: () => ({ text: "too late", delayMs: 20_000 }) });
    const { jobId } = await world.addJob({ kind: "prompt", prompt: "p" });
    await world.loop.tick();
    await eventually(async () => world.scripted?.requests.length === 1);
    await world.runs.cancel((await world.runOf(jobId)).runId);
    world.loop.wake();
    await world.loop.idle();
    expect(await world.runOf(jobId)).toMatchObject({
      status: "cancelled",
      error: { code: "CANCELLED", message: "Cancelled by its owner." },
    });
  });

  it("is queued again when Nightshift stops, or recorded as cancelled where its job is not to go on", async () => {
    const world = await openGhostWorld({ script: () => ({ text: "too late", delayMs: 20_000 }) });
    const going = await world.addJob({ kind: "prompt", prompt: "p" });
    const policy = { ...DEFAULT_POLICY, onInterrupt: "lose" as const };
    const losing = await world.addJob({ kind: "prompt", prompt: "p" }, { policy });
    await world.loop.tick();
    await world.loop.stop();
    expect(await world.runOf(going.jobId)).toMatchObject({ status: "queued", resumed: 1, error: null });
    const run = await world.runOf(losing.jobId);
    expect(run).toMatchObject({ status: "cancelled", error: { code: "CANCELLED" } });
    expect(run.error?.message).toMatch(/Nightshift was stopped/);
  });

  it("fails with what to set when no model is configured", async () => {
    const world = await openGhostWorld({ kinds: ["prompt"] });
    const run = await world.prompt("p");
    expect(run).toMatchObject({ status: "failed", error: { code: "MODEL_NOT_CONFIGURED" } });
    expect(run.error?.message).toContain("NIGHTSHIFT_MODEL");
  });

  it("cuts what a tool returns before the model reads it", async () => {
    const world = await openGhostWorld({
      script: inTurn(call("nowhere", { long: "y".repeat(50_000) }), { text: "ok" }),
    });
    const run = await world.prompt("p");
    expect(String(run.transcript[1]?.arguments)).toMatch(/cut: 500\d\d characters/);
  });
});
