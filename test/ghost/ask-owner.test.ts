import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { OpenContext } from "../../src/connection/connection.ts";
import { type ScriptedAnswer, type ScriptedRequest, startScriptedModel } from "../../src/model/scripted.ts";
import { cli } from "../child-process.ts";
import { eventually, tempDir } from "../harness.ts";
import { ask, endedRun, openProgram, type ProgramOptions } from "../program.ts";

const results = ({ messages }: ScriptedRequest) =>
  messages.filter(({ role }) => role === "tool").map(({ content }) => content);

/** A model that makes these calls, one after the other, and then says what came of them. */
const making =
  (...calls: { tool: string; arguments: Record<string, unknown> }[]) =>
  (request: ScriptedRequest): ScriptedAnswer => {
    const call = calls[results(request).length];
    return call ? { calls: [call] } : { text: results(request).join(" | ") };
  };

const QUESTION = { tool: "ask_owner", arguments: { question: "Send it?", options: ["yes", "no"] } };
const SEND = { tool: "send", arguments: { to: "bob" } };

async function open(options: ProgramOptions) {
  const dir = await tempDir();
  const sent = join(dir, "sent");
  await writeFile(
    join(dir, "tools.mjs"),
    `import { appendFileSync } from "node:fs";
    export default { name: "send", description: "Sends.", inputSchema: { type: "object", properties: { to: { type: "string" } } },
      run: ({ to }) => { appendFileSync(${JSON.stringify(sent)}, to + " "); return "sent to " + to; } };`,
  );
  const program = await openProgram({ scheduler: true, tools: [join(dir, "tools.mjs")], ...options });
  const alice = program.open();
  const run = async (job: object) => {
    const made = { prompt: "Do it.", every_seconds: 86_400, ...job };
    const { job_id } = await ask(alice, "schedule_task", made);
    return { job_id, run_id: (await ask(alice, "run_job", { job_id })).run_id as string };
  };
  const waiting = (run_id: string, context: OpenContext = alice) =>
    eventually(async () => {
      const found = await ask(context, "get_run", { run_id });
      return found.status === "waiting" && found;
    }, 20_000);
  const effects = () => readFile(sent, "utf8").catch(() => "");
  return { program, alice, run, waiting, effects };
}

describe("a ghost that may ask", () => {
  it("waits without a thread, is shown, and goes on with its owner's answer", async () => {
    const world = await open({ script: making(QUESTION) });
    const { job_id, run_id } = await world.run({ may_ask: true });
    const run = await world.waiting(run_id);
    expect(run.waiting_for).toMatchObject({ kind: "question", question: "Send it?", options: ["yes", "no"] });
    const day = Date.parse(run.waiting_for.until) - Date.parse(run.waiting_for.asked_at);
    expect(day).toBe(86_400_000);
    const { items } = await ask(world.alice, "inbox", {});
    expect(items).toMatchObject([{ kind: "question", run_id, status: "waiting" }]);
    expect(items[0].note).toContain("Send it?");
    expect((await ask(world.alice, "list_runs", { status: "waiting" })).runs).toHaveLength(1);
    expect((await ask(world.alice, "list_runs", { status: "queued" })).runs).toHaveLength(0);
    await ask(world.alice, "answer_run", { run_id, answer: "yes" });
    const ended = await endedRun(world.alice, job_id, run_id);
    expect(ended).toMatchObject({ status: "succeeded", output: "The owner answered: yes" });
    expect(ended.waiting_for).toBeUndefined();
    const left = (await ask(world.alice, "inbox", {})).items;
    expect(left.map(({ kind }: { kind: string }) => kind)).toEqual(["result"]);
    // A second answer comes too late.
    const again = ask(world.alice, "answer_run", { run_id, answer: "no" });
    await expect(again).rejects.toThrow(/RUN_STATE|has ended/);
  }, 60_000);

  it("is told that nobody answered, or gets its job's default, when the time is over", async () => {
    const world = await open({ script: making(QUESTION) });
    const silent = await world.run({ may_ask: true, answer_within_seconds: 1 });
    const fallback = await world.run({ may_ask: true, answer_within_seconds: 1, default_answer: "no" });
    expect((await endedRun(world.alice, silent.job_id, silent.run_id)).output).toMatch(
      /Nobody answered in time/,
    );
    expect((await endedRun(world.alice, fallback.job_id, fallback.run_id)).output).toMatch(/default is: no/);
  }, 60_000);

  it("is answered by its owner alone, and can be cancelled while it waits", async () => {
    const world = await open({ script: making(QUESTION) });
    const { job_id, run_id } = await world.run({ may_ask: true });
    await world.waiting(run_id);
    const stranger = world.program.open("bob");
    await expect(ask(stranger, "answer_run", { run_id, answer: "yes" })).rejects.toThrow(
      /no run with this id/,
    );
    await expect(ask(world.alice, "answer_run", { run_id, approve: true })).rejects.toThrow(/give an answer/);
    expect(await ask(world.alice, "cancel_run", { run_id })).toMatchObject({ status: "cancelled" });
    await expect(ask(world.alice, "answer_run", { run_id, answer: "yes" })).rejects.toThrow(/has ended/);
    expect((await endedRun(world.alice, job_id, run_id)).transcript).not.toEqual([]);
  }, 60_000);

  it("without may_ask has no such tool", async () => {
    const world = await open({ script: making(QUESTION) });
    const { job_id, run_id } = await world.run({});
    const run = await endedRun(world.alice, job_id, run_id);
    expect(run.transcript[1]).toMatchObject({ tool: "ask_owner", denied: true });
  }, 60_000);
});

describe("a call that needs an approval", () => {
  it("is made once, with just these arguments, when the owner approves of it", async () => {
    const world = await open({ script: making(SEND) });
    const { job_id, run_id } = await world.run({ approve_tools: ["send"] });
    const run = await world.waiting(run_id);
    expect(run.waiting_for).toMatchObject({ kind: "approval", tool: "send", arguments: { to: "bob" } });
    expect(await world.effects()).toBe("");
    await ask(world.alice, "answer_run", { run_id, approve: true });
    expect(await endedRun(world.alice, job_id, run_id)).toMatchObject({ output: "sent to bob" });
    expect(await world.effects()).toBe("bob ");
  }, 60_000);

  it("is not made when it is denied, or nobody answers, and the ghost reads why", async () => {
    const world = await open({ script: making(SEND) });
    const { job_id, run_id } = await world.run({ approve_tools: ["send"] });
    await world.waiting(run_id);
    await ask(world.alice, "answer_run", { run_id, approve: false, note: "Not today." });
    const denied = await endedRun(world.alice, job_id, run_id);
    expect(denied.output).toContain("denied this call: Not today.");
    expect(denied.transcript[1]).toMatchObject({ tool: "send", denied: true });
    const late = await world.run({
      approve_tools: ["send"],
      answer_within_seconds: 1,
      default_answer: "yes",
    });
    expect((await endedRun(world.alice, late.job_id, late.run_id)).output).toContain("Nobody approved");
    expect(await world.effects()).toBe("");
  }, 60_000);

  it("is remembered for the run or the job, for the same arguments and no others", async () => {
    const world = await open({ script: making(SEND, SEND, { ...SEND, arguments: { to: "eve" } }) });
    const { job_id, run_id } = await world.run({ approve_tools: ["send"] });
    await world.waiting(run_id);
    await ask(world.alice, "answer_run", { run_id, approve: true, remember: "this_job" });
    const other = await eventually(async () => {
      const found = await ask(world.alice, "get_run", { run_id });
      return found.waiting_for?.arguments.to === "eve" && found;
    }, 20_000);
    expect(other.status).toBe("waiting");
    expect(await world.effects()).toBe("bob bob ");
    await ask(world.alice, "answer_run", { run_id, approve: false });
    await endedRun(world.alice, job_id, run_id);
    const second = (await ask(world.alice, "run_job", { job_id })).run_id;
    expect((await world.waiting(second)).waiting_for.arguments).toEqual({ to: "eve" });
    expect(await world.effects()).toBe("bob bob bob bob ");
  }, 60_000);
});

it("a code job keeps its steps, sleeps without a thread, and asks", async () => {
  const jobsDir = await tempDir();
  const seen = join(jobsDir, "seen.txt");
  await writeFile(
    join(jobsDir, "work.ts"),
    `import { appendFileSync } from "node:fs";
    export default { every: "7d", may_ask: true, run: async (ghost) => {
      const first = await ghost.step("first", () => { appendFileSync(${JSON.stringify(seen)}, "1"); return { n: 1 }; });
      await ghost.sleep(0.2);
      const answer = await ghost.ask("Go on?", ["yes", "no"]);
      const twice = await ghost.step("first", () => 0).catch((error) => error.message);
      return [first.n, answer, twice].join(" | ");
    } };`,
  );
  const world = await open({ jobsDir });
  const { jobs } = await eventually(async () => {
    const page = await ask(world.alice, "list_jobs");
    return page.jobs.length > 0 && page;
  }, 20_000);
  const { job_id } = jobs[0];
  const { run_id } = await ask(world.alice, "run_job", { job_id });
  await eventually(async () => {
    const { waiting_for } = await ask(world.alice, "get_run", { run_id });
    return waiting_for?.kind === "question";
  }, 20_000);
  await ask(world.alice, "answer_run", { run_id, answer: "yes" });
  const run = await endedRun(world.alice, job_id, run_id);
  expect(run).toMatchObject({ status: "succeeded" });
  expect(run.output).toMatch(/^1 \| yes \| .*used before/);
  expect(await readFile(seen, "utf8")).toBe("1");
}, 60_000);

it("`jobs run` ends when the run waits, and `runs answer` lets it go on", async () => {
  const model = await startScriptedModel({ script: making(QUESTION) });
  onTestFinished(() => model.close());
  const env = { NIGHTSHIFT_MODEL: "openai-compatible:scripted", NIGHTSHIFT_MODEL_BASE_URL: model.baseUrl };
  const data = ["--data", await tempDir(), "--user", "alice"];
  const program = await openProgram({
    dataDir: data[1] ?? "",
    model: "openai-compatible:scripted",
    modelBaseUrl: model.baseUrl,
  });
  const job = { prompt: "Do it.", every_seconds: 86_400, may_ask: true };
  const { job_id } = await ask(program.open(), "schedule_task", job);
  const run = await cli(["jobs", "run", job_id, ...data], { env });
  expect(run.code).toBe(1);
  expect(run.stdout).toMatch(
    /It waits for an answer to: Send it\? \(yes \/ no\)\. Only its owner can answer/,
  );
  const answered = await cli(["runs", "answer", "last", "yes", ...data]);
  expect(answered).toMatchObject({ code: 0, stdout: expect.stringContaining("Answered") });
  const again = await cli(["runs", "answer", "last", "no", ...data]);
  expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining("was answered already") });
}, 60_000);
