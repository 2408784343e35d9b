import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { TranscriptStep } from "../../src/jobs/run.ts";
import { tempDir } from "../harness.ts";
import { openGhostWorld } from "./ghost-world.ts";

/** A jobs folder with these files. */
async function folder(files: Record<string, string>): Promise<string> {
  const dir = await tempDir();
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
  return dir;
}

describe("a tool job", () => {
  it("calls its one tool and no model", async () => {
    const world = await openGhostWorld();
    const run = await world.runJob({ kind: "tool", tool: "current_time", arguments: { timezone: "UTC" } });
    expect(run).toMatchObject({ status: "succeeded", usage: { input_tokens: 0, output_tokens: 0 } });
    expect(run.output).toMatch(/^It is \w+day, /);
    expect(run.transcript).toHaveLength(1);
  });

  it("records that memory was skipped, and is no failure", async () => {
    const world = await openGhostWorld();
    const run = await world.runJob({ kind: "tool", tool: "save_fact", arguments: { fact: "x" } });
    expect(run).toMatchObject({
      status: "succeeded",
      output: "[Scheduler Task] Memory save skipped - automated tasks cannot write to user memories",
    });
    expect(run.transcript[0]?.skipped).toBe(true);
  });

  it("fails with what the tool said", async () => {
    const world = await openGhostWorld();
    const run = await world.runJob({
      kind: "tool",
      tool: "get_run",
      arguments: { run_id: "run_1", user_id: "bob" },
    });
    expect(run).toMatchObject({ status: "failed", error: { code: "TOOL_FAILED" } });
    expect(run.error?.message).toMatch(/get_run was not run: .*user_id/);
  });

  it("is denied a tool that no ghost has", async () => {
    const world = await openGhostWorld();
    const run = await world.runJob({ kind: "tool", tool: "schedule_task", arguments: {} });
    expect(run).toMatchObject({ status: "failed", error: { code: "TOOL_DENIED" } });
    expect(run.transcript[0]?.denied).toBe(true);
  });

  it("runs a user's own tool, loaded in the thread", async () => {
    const dir = await folder({
      "own.js": `let calls = 0;
export const count = { name: "count", description: "counts", run: () => ({ calls: ++calls }) };
export const where = { name: "where", description: "says where it runs", annotations: { readOnlyHint: true },
  run: async () => String((await import("node:worker_threads")).isMainThread) };`,
    });
    const world = await openGhostWorld({ tools: [dir], script: () => ({ text: "ok" }) });
    expect((await world.runJob({ kind: "tool", tool: "where", arguments: {} })).output).toBe("false");
    for (const _ of [1, 2])
      expect((await world.runJob({ kind: "tool", tool: "count", arguments: {} })).output).toBe('{"calls":1}');
    await world.prompt("p");
    const offered = world.scripted?.requests[0]?.tools;
    expect(offered).toContain("where");
    expect(offered).not.toContain("count");
    await world.prompt("p", { tools: ["count"] });
    expect(world.scripted?.requests[1]?.tools).toEqual(["count"]);
  });
});

describe("a code job", () => {
  it("has its run, its tools, a model and a transcript", async () => {
    const jobsDir = await folder({
      "report.ts": `export default { cron: "0 9 * * *", async run(ghost: any) {
  ghost.note("begun");
  const recalled = await ghost.callTool("recall_facts", { query: "city" });
  const denied = await ghost.callTool("forget_fact", { fact_id: "f" });
  return { who: ghost.context.entityType, session: ghost.context.sessionId, key: "userKey" in ghost.context,
    late: ghost.lateBySeconds >= 0, due: ghost.scheduledFor instanceof Date,
    said: await ghost.ask("Say hello"), status: recalled.structuredContent.status, denied: denied.isError };
} };`,
    });
    const world = await openGhostWorld({ jobsDir, script: () => ({ text: "hello" }) });
    const run = await world.runJob({ kind: "code", file: "report.ts" });
    expect(run.status).toBe("succeeded");
    expect(JSON.parse(run.output ?? "")).toEqual({
      who: "scheduler",
      session: `ghost_scheduler_${run.jobId}`,
      key: false,
      late: true,
      due: true,
      said: "hello",
      status: "skipped",
      denied: true,
    });
    expect(run.transcript.map(({ type, tool, skipped, denied }) => [type, tool, skipped, denied])).toEqual([
      ["note", undefined, undefined, undefined],
      ["tool", "recall_facts", true, undefined],
      ["tool", "forget_fact", undefined, true],
      ["model", undefined, undefined, undefined],
    ]);
  });

  it("says in its own words why it failed", async () => {
    const jobsDir = await folder({
      "bad.js": `export default { run() { throw new Error("the feed is down"); } };`,
    });
    const world = await openGhostWorld({ jobsDir });
    expect((await world.runJob({ kind: "code", file: "bad.js" })).error).toEqual({
      code: "TOOL_FAILED",
      message: "The job's code failed: the feed is down",
    });
  });

  it.each([
    ['throw "the feed is down"', "The job's code failed: the feed is down"],
    ["throw false", "The job's code failed: false"],
    ["throw 0n", "The job's code failed: 0"],
    ["throw ''", "it threw an empty text"],
    ["throw new Error('')", "The job's code failed: Error"],
    ["throw () => 1", "The job's code failed: () => 1"],
    ["throw new Proxy({}, { get() { throw 1; } })", "it threw a value of type object"],
    ["throw 42", "The job's code failed: 42"],
    ["throw { status: 503 }", 'The job\'s code failed: {"status":503}'],
    ["throw Symbol('x')", "The job's code failed: Symbol(x)"],
    ["throw Object.create(null)", "The job's code failed: {}"],
    ["throw { get message() { throw 1; } }", "it threw a value of type object"],
    ["return Promise.reject('no')", "The job's code failed: no"],
    ["return () => 1", "The job's code returned a value of type function"],
    ["return Symbol('x')", "The job's code returned a value of type symbol"],
    ["return 10n", "The job's code returned what JSON cannot hold: Do not know how to serialize a BigInt"],
    ["const a = {}; a.a = a; return a", "The job's code returned what JSON cannot hold: Converting circular"],
  ])("that does `%s` fails with what it was", async (body, said) => {
    const jobsDir = await folder({ "bad.js": `export default { run() { ${body}; } };` });
    const { status, error } = await (await openGhostWorld({ jobsDir })).runJob({
      kind: "code",
      file: "bad.js",
    });
    expect({ status, code: error?.code }).toEqual({ status: "failed", code: "TOOL_FAILED" });
    expect(error?.message).toContain(said);
  });

  it("fails clearly when its file is gone, has no run, does not parse, or is outside of the folder", async () => {
    const jobsDir = await folder({ "none.js": "export default {};", "syntax.ts": "export default {{" });
    const world = await openGhostWorld({ jobsDir });
    for (const [file, code] of [
      ["gone.js", "JOB_FILE_INVALID"],
      ["none.js", "JOB_FILE_INVALID"],
      ["syntax.ts", "JOB_FILE_INVALID"],
      ["../outside.js", "JOB_FILE_INVALID"],
    ])
      expect(await world.runJob({ kind: "code", file: file as string })).toMatchObject({
        status: "failed",
        error: { code },
      });
  });

  it("sees no environment, no arguments and no flags of the process", async () => {
    process.env.NIGHTSHIFT_TEST_SECRET = "sk-in-the-environment";
    try {
      const jobsDir = await folder({
        "env.js": `export default { run: () => JSON.stringify([process.env, process.argv.slice(2), process.execArgv]) };`,
      });
      const world = await openGhostWorld({ jobsDir });
      const { output } = await world.runJob({ kind: "code", file: "env.js" });
      expect(output).toBe("[{},[],[]]");
    } finally {
      delete process.env.NIGHTSHIFT_TEST_SECRET;
    }
  });

  it("shares no module state with a ghost beside it", async () => {
    const jobsDir = await folder({
      "state.js": `let value = 0; globalThis.seen ??= 0;`,
      "a.js": `import { counter } from "./counter.js";
export default { async run() { globalThis.seen = (globalThis.seen ?? 0) + 1; counter.n++; await new Promise((r) => setTimeout(r, 300)); return counter.n + "," + globalThis.seen; } };`,
      "counter.js": "export const counter = { n: 0 };",
    });
    const world = await openGhostWorld({ jobsDir });
    const both = await Promise.all([1, 2].map(() => world.addJob({ kind: "code", file: "a.js" })));
    expect(await world.loop.tick()).toBe(2);
    await world.loop.idle();
    for (const { jobId } of both) expect((await world.runOf(jobId)).output).toBe("1,1");
  });
});

describe("the end of a run", () => {
  it("is one audit line, with the prompt cut to 120 characters", async () => {
    const world = await openGhostWorld({ script: () => ({ text: "the secret answer" }) });
    const prompt = "p".repeat(500);
    const run = await world.prompt(prompt);
    const audits = world.lines.filter(({ msg }) => msg === "ghost run ended");
    expect(audits).toHaveLength(1);
    expect(audits[0]).toMatchObject({
      job_id: run.jobId,
      run_id: run.runId,
      ghost_session_id: `ghost_scheduler_${run.jobId}`,
      entity_type: "scheduler",
      is_automated: true,
      parent_session_id: "session_of_alice",
      prompt: "p".repeat(120),
      status: "succeeded",
      correlation_id: expect.any(String),
      execution_time_seconds: expect.any(Number),
    });
    const logged = JSON.stringify(world.lines);
    expect(logged).not.toContain("p".repeat(121));
    expect(logged).not.toContain("secret");
  });

  it("reaches listeners a step at a time and at the end, and a failing listener harms nothing", async () => {
    const steps: TranscriptStep[] = [];
    const ends: string[] = [];
    const world = await openGhostWorld({
      listener: {
        onStep: (_claimed, step) => void steps.push(step),
        onEnd: ({ run }, { status }) => {
          ends.push(`${run.runId} ${status}`);
          throw new Error("a bad listener");
        },
      },
    });
    const run = await world.runJob({ kind: "tool", tool: "whoami", arguments: {} });
    expect(steps).toEqual(run.transcript);
    expect(ends).toEqual([`${run.runId} succeeded`]);
  });
});
