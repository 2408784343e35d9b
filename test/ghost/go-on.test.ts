import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type ScriptedRequest, startScriptedModel } from "../../src/model/scripted.ts";
import { type StdioServer, startServer } from "../child-process.ts";
import { eventually, tempDir } from "../harness.ts";

/** `send` has an effect, which a file counts; `look` has none. Each stays at work while there is a file of its name. */
const TOOLS = (dir: string) => `
  import { appendFileSync, existsSync } from "node:fs";
  const stay = async (name) => {
    appendFileSync(${JSON.stringify(join(dir, "calls"))}, name + "\\n");
    while (existsSync(${JSON.stringify(dir)} + "/stay-in-" + name)) await new Promise((go) => setTimeout(go, 20));
    return "did " + name;
  };
  export default [
    { name: "look", description: "Looks.", annotations: { readOnlyHint: true }, run: () => stay("look") },
    { name: "send", description: "Sends.", run: () => stay("send") },
  ];`;

/** The steps of a ghost: a tool without effects, one with effects, and an answer. */
const STEPS = ["look", "send"];

const resultsIn = ({ messages }: ScriptedRequest) =>
  messages.filter(({ role }) => role === "tool").map(({ content }) => content);

async function openWorld() {
  const dir = await tempDir();
  await writeFile(join(dir, "tools.mjs"), TOOLS(dir));
  let stayAt: number | undefined;
  const model = await startScriptedModel({
    async script(request) {
      const step = resultsIn(request).length;
      await eventually(async () => stayAt !== step, 60_000);
      const tool = STEPS[step];
      return tool
        ? { calls: [{ tool, arguments: {} }] }
        : { text: `All done: ${resultsIn(request).join(", ")}.` };
    },
  });
  onTestFinished(() => model.close());
  const open = () =>
    startServer(["--data", join(dir, "data"), "--user", "alice", "--tools", join(dir, "tools.mjs")], {
      env: { NIGHTSHIFT_MODEL: "openai-compatible:scripted", NIGHTSHIFT_MODEL_BASE_URL: model.baseUrl },
    });
  const schedule = async (server: StdioServer, policy: object = {}) => {
    const job = { prompt: "Look, then send.", every_seconds: 86_400, allowed_tools: STEPS, ...policy };
    const { job_id } = await server.call("schedule_task", job);
    return (await server.call("run_job", { job_id })).run_id as string;
  };
  const ended = (server: StdioServer, run_id: string) =>
    eventually(async () => {
      const run = await server.call("get_run", { run_id });
      return run.finished_at && run;
    }, 40_000);
  return {
    model,
    open,
    schedule,
    ended,
    calls: async () => (await readFile(join(dir, "calls"), "utf8").catch(() => "")).split("\n").slice(0, -1),
    stayInModel: (step: number | undefined) => {
      stayAt = step;
    },
    stayIn: (tool: string) => writeFile(join(dir, `stay-in-${tool}`), ""),
    letGo: (tool: string) => rm(join(dir, `stay-in-${tool}`)),
  };
}

const shown = (run: { transcript: { type: string; tool?: string }[] }) =>
  run.transcript.map(({ type, tool }) => tool ?? type);

describe("a run whose process is killed", () => {
  it.each([
    { at: "the first model call", model: 0, tool: undefined, asked: [2, 1, 1], calls: ["look", "send"] },
    {
      at: "a tool without effects",
      model: undefined,
      tool: "look",
      asked: [1, 1, 1],
      calls: ["look", "look", "send"],
    },
    { at: "the second model call", model: 1, tool: undefined, asked: [1, 2, 1], calls: ["look", "send"] },
    { at: "a tool with effects", model: undefined, tool: "send", asked: [1, 1, 1], calls: ["look", "send"] },
    { at: "the last model call", model: 2, tool: undefined, asked: [1, 1, 2], calls: ["look", "send"] },
  ])(
    "in $at goes on with its next step in another process",
    async ({ model, tool, asked, calls }) => {
      const world = await openWorld();
      world.stayInModel(model);
      if (tool) await world.stayIn(tool);
      const first = await world.open();
      const run_id = await world.schedule(first);
      await eventually(async () =>
        tool
          ? (await world.calls()).includes(tool)
          : world.model.requests.some((request) => resultsIn(request).length === model),
      );
      first.kill("SIGKILL");
      await first.exited;

      world.stayInModel(undefined);
      if (tool) await world.letGo(tool);
      const second = await world.open();
      const run = await world.ended(second, run_id);
      expect(run).toMatchObject({ status: "succeeded", resumed: 1 });
      expect(await world.calls()).toEqual(calls);
      const counts = [0, 1, 2].map(
        (step) => world.model.requests.filter((request) => resultsIn(request).length === step).length,
      );
      expect(counts).toEqual(asked);
      const steps = shown(run).filter((step) => step !== "note");
      expect(steps).toEqual(["model", "look", "model", "send", "model"]);
      const notes = run.transcript.filter(({ type }: { type: string }) => type === "note");
      expect(notes.map(({ text }: { text: string }) => /is not known/.test(text))).toEqual(
        model === undefined ? [] : [true],
      );
      expect(run.output).toMatch(
        tool === "send" ? /did look.*outcome of this call is unknown/ : /did look, did send/,
      );
      second.end();
      expect((await second.exited).code).toBe(0);
    },
    90_000,
  );

  it("ends as lost where its job says so, or when it went on too often, with its steps and tokens", async () => {
    const world = await openWorld();
    world.stayInModel(1);
    const first = await world.open();
    const losing = await world.schedule(first, { on_interrupt: "lose" });
    const limited = await world.schedule(first, { max_resumes: 0 });
    await eventually(
      async () => world.model.requests.filter((request) => resultsIn(request).length === 1).length === 2,
    );
    expect(await first.call("get_run", { run_id: limited })).toMatchObject({ status: "running" });
    first.kill("SIGKILL");
    await first.exited;
    world.stayInModel(undefined);
    const second = await world.open();
    expect(await world.ended(second, losing)).toMatchObject({ status: "lost", transcript: [] });
    const run = await world.ended(second, limited);
    expect(run).toMatchObject({ status: "lost", failure: { code: "GHOST_CRASHED" } });
    expect(shown(run)).toEqual(["model", "look"]);
    expect(run.usage.input_tokens).toBeGreaterThan(0);
  }, 90_000);

  it("begins anew where its job says so", async () => {
    const world = await openWorld();
    world.stayInModel(2);
    const first = await world.open();
    const run_id = await world.schedule(first, { on_interrupt: "restart" });
    await eventually(async () => world.model.requests.length === 3);
    first.kill("SIGKILL");
    await first.exited;
    world.stayInModel(undefined);
    const run = await world.ended(await world.open(), run_id);
    expect(run).toMatchObject({ status: "succeeded", resumed: 1 });
    expect(await world.calls()).toEqual(["look", "send", "look", "send"]);
  }, 90_000);
});

describe("a server that is stopped in mid-run", () => {
  it("queues the run again, and the next one goes on with it", async () => {
    const world = await openWorld();
    world.stayInModel(2);
    const first = await world.open();
    const run_id = await world.schedule(first);
    await eventually(async () => world.model.requests.length === 3);
    first.end();
    expect((await first.exited).code).toBe(0);
    world.stayInModel(undefined);
    const second = await world.open();
    const run = await world.ended(second, run_id);
    expect(run).toMatchObject({ status: "succeeded", resumed: 1, output: "All done: did look, did send." });
    expect(await world.calls()).toEqual(["look", "send"]);
  }, 90_000);
});
