import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { startScriptedModel } from "../src/model/scripted.ts";
import { start } from "./child-process.ts";
import { ROOT, tempDir } from "./harness.ts";

const NIGHTSHIFT = JSON.stringify(join(ROOT, "src/index.ts"));

/** Runs a user's own program, whose `nightshift` is this source. Resolves to the lines that it printed. */
async function run(program: string, extra: Record<string, unknown> = {}) {
  const dir = await tempDir();
  const given = { dataDir: join(dir, "data"), logLevel: "warn", user: "operator", ...extra };
  await writeFile(
    join(dir, "program.ts"),
    `import { createNightshift, defineJob, defineTool, ERROR_CODES, getEntityType, NightshiftError, type Toolkit } from ${NIGHTSHIFT};
     import { setTimeout as wait } from "node:timers/promises";
     const given = ${JSON.stringify(given)};
     const say = (value: unknown) => console.log(JSON.stringify(value));
     const ask = async (toolkit: Toolkit, name: string, args = {}) => {
       const result = await toolkit.call(name, args);
       if (result.isError) throw new Error(name + ": " + result.content[0]?.text);
       return result.structuredContent as Record<string, any>;
     };
     ${program}`,
  );
  const child = start([join(dir, "program.ts")], { cwd: dir });
  child.end();
  const { code } = await child.exited;
  const lines = child.stdout().trim().split("\n").filter(Boolean);
  // biome-ignore lint/suspicious/noExplicitAny: what the programs below print
  return { code, stderr: child.stderr(), said: lines.map((line) => JSON.parse(line) as any), dir };
}

async function scripted() {
  const model = await startScriptedModel({
    script: ({ messages }) =>
      messages.some(({ role }) => role === "tool")
        ? { text: "Written without memory." }
        : { calls: [{ tool: "recall_facts", arguments: { query: "key" } }] },
  });
  onTestFinished(() => model.close());
  return { model: "openai-compatible:scripted", modelBaseUrl: model.baseUrl };
}

describe("Nightshift inside a program of one's own", () => {
  it("keeps two users apart, runs what they schedule, and lets the program end", async () => {
    const { code, said, stderr } = await run(
      `const night = await createNightshift(given);
       const alice = await night.openContext({ user: "alice" });
       const bob = await night.openContext({ user: "bob", entityType: "api" });
       await ask(alice, "save_fact", { fact: "The spare key is under the blue pot." });
       const query = { query: "Where is the spare key?" };
       say((await ask(alice, "recall_facts", query)).facts.length);
       say((await ask(bob, "recall_facts", query)).facts.length);
       say([await ask(alice, "whoami"), await ask(bob, "whoami")].map(({ user_id, entity_type }) => [user_id, entity_type]));
       const execute_at = new Date(Date.now() + 300).toISOString();
       const { job_id } = await ask(alice, "schedule_task", { prompt: "Write.", execute_at, use_react_loop: true, max_iterations: 10 });
       say((await ask(bob, "list_jobs")).jobs.length);
       let run;
       do { await wait(50); [run] = (await ask(alice, "list_runs", { job_id })).runs; } while (!run?.finished_at);
       const { status, output, transcript } = await ask(alice, "get_run", { run_id: run.run_id });
       say({ status, output, skipped: transcript.filter((step: any) => step.skipped).length });
       say((await bob.call("get_run", { run_id: run.run_id })).isError);
       await alice.dispose();
       say((await alice.call("whoami")).content[0]);
       say(getEntityType());
       await night.close();
       await night.close();
       say((await bob.call("whoami")).isError);`,
      await scripted(),
    );
    expect(stderr).toBe("");
    expect(said).toEqual([
      1,
      0,
      [
        ["alice", "human"],
        ["bob", "api"],
      ],
      0,
      { status: "succeeded", output: "Written without memory.", skipped: 1 },
      true,
      { type: "text", text: expect.stringContaining("CONTEXT_CLOSED") },
      "unknown",
      true,
    ]);
    // Nobody called process.exit: nothing was left open.
    expect(code).toBe(0);
  }, 40_000);

  it("ends also when it is closed while ghosts are at work", async () => {
    const model = await startScriptedModel({ script: () => ({ text: "late", delayMs: 60_000 }) });
    onTestFinished(() => model.close());
    const { code, said } = await run(
      `const night = await createNightshift(given);
       const alice = await night.openContext({ user: "alice" });
       const { job_id } = await ask(alice, "schedule_task", { prompt: "Think.", every_seconds: 1 });
       let run;
       do { await wait(50); [run] = (await ask(alice, "list_runs", { job_id })).runs; } while (run?.status !== "running");
       await night.close();
       const again = await createNightshift({ ...given, scheduler: false });
       say((await ask(await again.openContext({ user: "alice" }), "get_run", { run_id: run.run_id })).status);
       await again.close();`,
      { model: "openai-compatible:scripted", modelBaseUrl: model.baseUrl, logLevel: "silent" },
    );
    // It goes on when the program is opened again with a scheduler.
    expect(said).toEqual(["queued"]);
    expect(code).toBe(0);
  }, 40_000);

  it("runs no jobs with scheduler: false, and costs nothing to open", async () => {
    const { code, said, dir } = await run(
      `const night = await createNightshift({ ...given, scheduler: false });
       say((await import("node:fs")).existsSync(given.dataDir));
       const alice = await night.openContext({ user: "alice" });
       const { job_id } = await ask(alice, "schedule_task", { tool: { name: "whoami" }, every_seconds: 1 });
       await wait(1500);
       say((await ask(alice, "list_runs", { job_id })).runs);
       await night.close();`,
    );
    expect(dir).toBeTruthy();
    expect(said).toEqual([false, []]);
    expect(code).toBe(0);
  });

  it("refuses what it does not know, with a code and without a value", async () => {
    const { said } = await run(
      `const attempt = (work: () => Promise<unknown>) => work().then(() => "done", (error) => [error instanceof NightshiftError, error.code, error.message]);
       say(await attempt(() => createNightshift({ ...given, colour: "secret" } as never)));
       say(await attempt(() => createNightshift({ ...given, maxGhosts: "secret" })));
       say(await attempt(() => createNightshift({ ...given, tools: ["./none.js"] })));
       say(ERROR_CODES.includes("CONFIG_INVALID"));`,
    );
    expect(said).toMatchObject([
      [true, "CONFIG_INVALID", expect.stringContaining("colour")],
      [true, "CONFIG_INVALID", expect.stringContaining("maxGhosts (NIGHTSHIFT_MAX_GHOSTS)")],
      [true, "TOOL_MODULE_INVALID", expect.stringContaining("none.js")],
      true,
    ]);
    expect(JSON.stringify(said)).not.toContain("secret");
  });

  it("gives nobody's memory to a user who was forgotten, and none to a kind that cannot be claimed", async () => {
    const { said } = await run(
      `const night = await createNightshift({ ...given, scheduler: false });
       for (const user of [undefined, "", null])
         say(await night.openContext({ user } as never).then(() => "opened", (error) => error.message));
       const claimed = await night.openContext({ user: "alice", entityType: "scheduler" } as never).then(
         async (toolkit) => (await toolkit.call("save_fact", { fact: "x" })).content[0], (error) => error.message);
       say(claimed);
       await night.close();`,
    );
    expect(said.slice(0, 3)).toEqual(Array(3).fill("a principal needs an issuer and a subject"));
    expect(JSON.stringify(said[3])).toMatch(/Memory save skipped|entity type/);
  });

  it("has the helpers that return what they are given", async () => {
    const { said } = await run(
      `const tool = { name: "add", description: "Adds.", run: () => 3 };
       const job = { every: "1h", run: async () => "ok" };
       say([defineTool(tool) === tool, defineJob(job) === job]);`,
    );
    expect(said).toEqual([[true, true]]);
  });
});
