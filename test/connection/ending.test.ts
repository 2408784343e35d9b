import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { startScriptedModel } from "../../src/model/scripted.ts";
import { type StdioServer, startServer } from "../child-process.ts";
import { eventually, tempDir } from "../harness.ts";
import { ask, openProgram } from "../program.ts";

const ENDINGS: [string, (server: StdioServer) => void][] = [
  ["its stdin ends", (server) => server.end()],
  ["it gets SIGTERM", (server) => server.kill("SIGTERM")],
  ["it gets SIGINT", (server) => server.kill("SIGINT")],
];

/** A stdio server whose ghost waits for a model that never answers. */
async function startBusy(dir: string) {
  const model = await startScriptedModel({ script: () => ({ text: "too late", delayMs: 600_000 }) });
  onTestFinished(() => model.close());
  const env = { NIGHTSHIFT_MODEL: "openai-compatible:scripted", NIGHTSHIFT_MODEL_BASE_URL: model.baseUrl };
  const server = await startServer(["--data", dir, "--user", "alice"], { env });
  const { job_id } = await server.call("schedule_task", { prompt: "Think for ever.", every_seconds: 86_400 });
  const { run_id } = await server.call("run_job", { job_id });
  await eventually(async () => model.requests.length > 0);
  expect(await server.call("get_run", { run_id })).toMatchObject({ status: "running" });
  return { server, run_id };
}

describe.each(ENDINGS)("a stdio server ends when %s", (_how, finish) => {
  it("with exit code 0 when nothing is at work", async () => {
    const server = await startServer(["--data", await tempDir()]);
    await server.call("save_fact", { fact: "Kept." });
    finish(server);
    expect(await server.exited).toEqual({ code: 0, signal: null });
    expect(server.stderr()).not.toMatch(/"level":[56]0/);
  });

  it("with exit code 0, before its ghost is done, when one is at work, whose run waits to go on", async () => {
    const dir = await tempDir();
    const { server, run_id } = await startBusy(dir);
    finish(server);
    expect(await server.exited).toEqual({ code: 0, signal: null });
    const alice = (await openProgram({ dataDir: dir })).open();
    const run = await ask(alice, "get_run", { run_id });
    expect(run).toMatchObject({ status: "queued", output: null, finished_at: null, resumed: 1 });
    expect(server.stderr()).not.toContain("ghost run ended");
  });
});

describe("a stdio server", () => {
  it("ends although a tool ignores that it should, and lets tools put their things away", async () => {
    const dir = await tempDir();
    const notes = join(dir, "notes.txt");
    await writeFile(
      join(dir, "mine.mjs"),
      `import { appendFileSync } from "node:fs";
       import { setTimeout as wait } from "node:timers/promises";
       export const stuck = { name: "stuck", description: "Never ends.", run: () => new Promise(() => setInterval(() => {}, 1000)) };
       export const tidy = { name: "tidy", description: "Tidies up.", create: () => ({ run: () => "ok",
         dispose: async () => { await wait(100); appendFileSync(${JSON.stringify(notes)}, "tidied"); } }) };`,
    );
    const server = await startServer(["--data", dir, "--tools", join(dir, "mine.mjs")]);
    await server.call("tidy");
    void server.call("stuck").catch(() => {});
    await server.call("whoami");
    server.end();
    expect((await server.exited).code).toBe(0);
    expect(await readFile(notes, "utf8")).toBe("tidied");
  });

  it("writes nothing but JSON-RPC to stdout, whatever its tools, jobs and ghosts print", async () => {
    const dir = await tempDir();
    const print = `console.log("printed"); console.info("printed"); console.table([1]); process.stdout.write("printed\\n");`;
    await writeFile(
      join(dir, "loud.mjs"),
      `import { log } from "node:console"; ${print}
       export const loud = { name: "loud", description: "Prints.", annotations: { readOnlyHint: true },
         run() { ${print} log("printed"); return { said: "loud" }; } };
       export function register(server) { ${print} server.registerTool("louder", { description: "Prints." }, () => { ${print} return { content: [] }; }); }`,
    );
    await writeFile(
      join(dir, "job.mjs"),
      `${print} export default { every: "1h", run: async () => { ${print} return "done"; } };`,
    );
    const jobs = ["--jobs", dir, "--tools", join(dir, "loud.mjs")];
    const server = await startServer(["--data", dir, ...jobs], { env: { NIGHTSHIFT_LOG_LEVEL: "trace" } });
    expect(await server.call("loud")).toEqual({ said: "loud" });
    await server.request("tools/call", { name: "louder", arguments: {} });
    const { job_id } = await server.call("schedule_task", { tool: { name: "loud" }, every_seconds: 1 });
    const jobList = await eventually(async () => {
      const { jobs: found } = await server.call("list_jobs");
      return found.length === 2 && found;
    });
    for (const job of jobList) await server.call("run_job", { job_id: job.job_id });
    await eventually(async () => {
      const { runs } = await server.call("list_runs", { status: "succeeded" });
      return new Set(runs.map((run: { job_id: string }) => run.job_id)).size === 2;
    });
    await server.call("pause_job", { job_id });
    server.write("this is no JSON\n");
    server.write('{"jsonrpc":"2.0","id":99,"method":"no/such/method"}\n');
    await server.call("whoami");
    server.end();
    expect((await server.exited).code).toBe(0);
    const lines = server.stdout().split("\n");
    expect(lines.pop()).toBe("");
    for (const line of lines) expect(JSON.parse(line), line).toMatchObject({ jsonrpc: "2.0" });
    expect(lines.length).toBeGreaterThan(8);
    // The module's output is not lost: it is on stderr.
    expect(server.stderr().match(/^printed$/gm)?.length).toBeGreaterThan(8);
  }, 40_000);

  it("ends quietly when its client breaks off without a word", async () => {
    const server = await startServer(["--data", await tempDir()]);
    server.write('{"jsonrpc":"2.0","id":1000,"method":"tools/call","params":{"name":"whoami"');
    server.end();
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });
});
