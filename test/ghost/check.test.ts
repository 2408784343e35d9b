// Imported for its side effect, which opens stdin: the checks for leaks must not count that.
import "@modelcontextprotocol/server";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { NO_PROVISION, type Provision } from "../../src/jobs/job.ts";
import { tempDir } from "../harness.ts";
import { ask, endedRun, openProgram } from "../program.ts";
import { overStdio } from "../upstream/servers.ts";
import { openGhostWorld } from "./ghost-world.ts";

const LATER = { cron: "0 9 * * *", timezone: "UTC" };

/** A user's tools that return each kind of result that a check can have. */
async function tools(): Promise<string> {
  const file = join(await tempDir(), "tools.js");
  await writeFile(
    file,
    `const tool = (name, run) => ({ name, description: name, inputSchema: { type: "object" }, run });
export default [
  tool("empty", () => " \\n"),
  tool("no", () => ({ run: false, why: "no mail" })),
  tool("no_text", () => '{"run": false}'),
  tool("false", () => false),
  tool("yes", () => ({ run: true })),
  tool("mail", () => "2 letters"),
  tool("broken", () => { throw new Error("the mailbox is locked"); }),
];`,
  );
  return file;
}

const checking = (tool: string): Provision => ({
  ...NO_PROVISION,
  check: { kind: "tool", tool, arguments: {} },
});

describe("a check", () => {
  it.each(["empty", "no", "no_text", "false"])(
    "that says nothing to do (%s) skips the run, without a model",
    async (tool) => {
      const world = await openGhostWorld({ tools: [await tools()], script: () => ({ text: "ok" }) });
      const run = await world.prompt("p", { provision: checking(tool) });
      expect(run).toMatchObject({
        status: "skipped",
        statusReason: `The check ${tool} said that there was nothing to do.`,
        output: null,
        error: null,
        usage: { input_tokens: 0, output_tokens: 0 },
      });
      expect(run.transcript.map(({ tool: used }) => used)).toEqual([tool]);
      expect(world.scripted?.requests).toEqual([]);
    },
  );

  it.each(["yes", "mail"])(
    "that says anything else (%s) lets the run go on, without its tool",
    async (tool) => {
      const world = await openGhostWorld({ tools: [await tools()], script: () => ({ text: "ok" }) });
      const run = await world.prompt("p", { provision: checking(tool), tools: ["whoami"] });
      expect(run).toMatchObject({ status: "succeeded", output: "ok" });
      expect(world.scripted?.requests[0]?.tools).toEqual(["whoami"]);
    },
  );

  it("that fails, or is of no tool that a ghost has, is a failure and not nothing to do", async () => {
    const world = await openGhostWorld({ tools: [await tools()], script: () => ({ text: "ok" }) });
    const broken = await world.prompt("p", { provision: checking("broken") });
    expect(broken.error?.message).toBe(
      "The check broken failed: broken failed: the mailbox is locked [TOOL_FAILED]",
    );
    const denied = await world.prompt("p", { provision: checking("schedule_task") });
    expect(denied.status).toBe("failed");
    expect(denied.transcript[0]).toMatchObject({ tool: "schedule_task", denied: true });
    expect(world.scripted?.requests).toEqual([]);
  });

  it("may be a tool of another server, which the work itself does not get", async () => {
    const world = await openGhostWorld({ upstreams: [overStdio("other")], script: () => ({ text: "ok" }) });
    const idle = await world.prompt("p", { provision: checking("other__nothing") });
    expect(idle.status).toBe("skipped");
    const busy = await world.prompt("p", { provision: checking("other__where") });
    expect(busy.status).toBe("succeeded");
    expect(world.scripted?.requests[0]?.tools.filter((name) => name.includes("__"))).toEqual([]);
  });

  it("comes before the servers of the work are started, and before its tools are looked for", async () => {
    const mark = join(await tempDir(), "started");
    const start = `require("node:fs").writeFileSync(${JSON.stringify(mark)}, ""); process.exit(1);`;
    const other = { ...overStdio("other"), args: ["-e", start] };
    const world = await openGhostWorld({
      tools: [await tools()],
      upstreams: [other],
      script: () => ({ text: "ok" }),
    });
    const job = { tools: ["other__echo"] };
    const idle = await world.prompt("p", { ...job, provision: checking("no") });
    expect(idle.status).toBe("skipped");
    expect(idle.transcript).toMatchObject([{ step: 1, tool: "no" }]);
    expect(existsSync(mark)).toBe(false);
    await world.prompt("p", { ...job, provision: checking("yes") });
    expect(existsSync(mark)).toBe(true);
  });

  it("may be a file of the jobs folder, whose code asks no model", async () => {
    const jobsDir = await tempDir();
    const files = {
      "_no.js": "export default { run: () => false };",
      "_maybe.ts": `export default { async run(ghost: any) {
  return (await ghost.callTool("whoami")).structuredContent.entity_type !== "scheduler"; } };`,
      "_asks.js": `export default { run: (ghost) => ghost.ask("Is there anything?") };`,
      "_yes.js": "export default { run() {} };",
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(jobsDir, name), text);
    const world = await openGhostWorld({ jobsDir, script: () => ({ text: "ok" }) });
    const status = async (file: string) => {
      const provision: Provision = { ...NO_PROVISION, check: { kind: "code", file } };
      return (await world.prompt("p", { provision })).status;
    };
    expect(await status("_no.js")).toBe("skipped");
    expect(await status("_maybe.ts")).toBe("skipped");
    expect(await status("_asks.js")).toBe("failed");
    expect(await status("../outside.js")).toBe("failed");
    expect(world.scripted?.requests).toEqual([]);
    expect(await status("_yes.js")).toBe("succeeded");
  });

  it("is given, shown, changed and taken away with the tools that make jobs", async () => {
    const program = await openProgram({
      tools: [await tools()],
      script: () => ({ text: "ok" }),
      scheduler: true,
    });
    const alice = program.open();
    const { job_id, check } = await ask(alice, "schedule_task", {
      prompt: "p",
      ...LATER,
      check: { name: "no" },
    });
    expect(check).toEqual({ name: "no", arguments: {} });
    await ask(alice, "run_job", { job_id });
    expect(await endedRun(alice, job_id)).toMatchObject({
      status: "skipped",
      status_reason: "The check no said that there was nothing to do.",
    });
    expect((await ask(alice, "get_job", { job_id })).last_run).toBeNull();
    const wrong = { job_id, check: { name: "cancel_job" } };
    await expect(ask(alice, "update_job", wrong)).rejects.toThrow(/A ghost has no tool "cancel_job"/);
    expect((await ask(alice, "update_job", { job_id, check: null })).check).toBeUndefined();
  });
});
