import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { tempDir } from "../harness.ts";
import { ask, endedRun, openProgram } from "../program.ts";
import { STDIO_SERVER } from "./servers.ts";

async function mcpConfig(): Promise<string> {
  const file = join(await tempDir(), "servers.json");
  const mcpServers = {
    other: { command: process.execPath, args: [STDIO_SERVER] },
    broken: { command: "/nowhere/at-all" },
  };
  await writeFile(file, JSON.stringify({ mcpServers }));
  return file;
}
const LATER = { cron: "0 9 * * *", timezone: "UTC" };

describe("a server with a file that cannot be used", () => {
  it("does not start", async () => {
    const file = join(await tempDir(), "servers.json");
    await writeFile(file, '{"mcpServers": {"a": {"command": "x", "color": "red"}}}');
    await expect(openProgram({ mcpConfig: file })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining("mcpServers.a.color"),
    });
  });
});

describe("a job that names tools of another server", () => {
  it("is made, shows them, and its run has them", async () => {
    const program = await openProgram({
      mcpConfig: await mcpConfig(),
      script: () => ({ text: "ok" }),
      scheduler: true,
    });
    const alice = program.open();
    const job = await ask(alice, "schedule_task", {
      prompt: "p",
      ...LATER,
      allowed_tools: ["other__echo", "whoami"],
    });
    expect(job.allowed_tools).toEqual(["whoami", "other__echo"]);
    const tool = { name: "other__echo", arguments: { text: "tea" } };
    const { job_id } = await ask(alice, "schedule_task", { tool, ...LATER });
    await ask(alice, "run_job", { job_id });
    expect(await endedRun(alice, job_id)).toMatchObject({ status: "succeeded", output: "tea" });
  });

  it("is refused where the server has no such tool, with those that it has", async () => {
    const program = await openProgram({ mcpConfig: await mcpConfig(), script: () => ({ text: "ok" }) });
    const alice = program.open();
    const job = await ask(alice, "schedule_task", { prompt: "p", ...LATER });
    const wrong = { allowed_tools: ["other__ecko"] };
    const message = /other has no tool "other__ecko"\. Its tools: other__echo, .*; other__\* names all/;
    await expect(ask(alice, "schedule_task", { prompt: "p", ...LATER, ...wrong })).rejects.toThrow(message);
    await expect(ask(alice, "update_job", { job_id: job.job_id, ...wrong })).rejects.toThrow(message);
    const tool = { name: "elsewhere__echo" };
    await expect(ask(alice, "schedule_task", { tool, ...LATER })).rejects.toThrow(
      /A ghost has no tool "elsewhere__echo"\. .*other__\*, broken__\*/,
    );
    expect((await ask(alice, "get_job", { job_id: job.job_id })).allowed_tools).not.toContain("other__ecko");
  });

  it("is made with a warning where the server cannot be asked", async () => {
    const program = await openProgram({ mcpConfig: await mcpConfig(), script: () => ({ text: "ok" }) });
    const alice = program.open();
    const job = await ask(alice, "schedule_task", { prompt: "p", ...LATER, allowed_tools: ["broken__x"] });
    expect(job.note).toMatch(
      /broken could not be asked for its tools now: it could not be reached \(ENOENT\)/,
    );
    expect(job.allowed_tools).toEqual(["broken__x"]);
    const changed = await alice.toolkit.call("update_job", {
      job_id: job.job_id,
      allowed_tools: ["other__*", "broken__x"],
    });
    expect(changed.content[0]?.text).toContain("broken could not be asked");
  });
});
