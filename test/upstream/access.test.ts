// Its import opens stdin: before a test is watched for what it leaves open.
import "@modelcontextprotocol/server";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Scope } from "../../src/context/scopes.ts";
import { readMcpConfig, type UpstreamAccess } from "../../src/upstream/config.ts";
import { openUpstreams } from "../../src/upstream/open.ts";
import { openGhostWorld } from "../ghost/ghost-world.ts";
import { tempDir } from "../harness.ts";
import { type Caller, openCaller } from "../http/caller.ts";
import { serve } from "../http/harness.ts";
import { ask, endedRun, openProgram } from "../program.ts";
import { overHttp, overStdio, STDIO_SERVER, startHttp } from "./servers.ts";

const NEVER = new AbortController().signal;
const [ALICE, BOB] = ["a".repeat(64), "b".repeat(64)];

async function writeConfig(nightshift: unknown): Promise<string> {
  const file = join(await tempDir(), "servers.json");
  const other = { command: process.execPath, args: [STDIO_SERVER], nightshift };
  await writeFile(file, JSON.stringify({ mcpServers: { other } }));
  return file;
}

describe("who may use a server, in --mcp-config", () => {
  const user = { issuer: "https://login.example", subject: "bob" };

  it.each([
    [undefined, undefined],
    [{}, {}],
    [{ users: [] }, { userKeys: [] }],
    [{ users: ["alice", user] }, { userKeys: ["key of alice", "key of bob"] }],
    [{ tools: ["echo"] }, { tools: ["echo"] }],
  ])("is read as it is written: %j", async (given, access) => {
    const keyOf = (one: string | typeof user) => `key of ${typeof one === "string" ? one : one.subject}`;
    const [server] = await readMcpConfig(await writeConfig(given), () => undefined, keyOf);
    expect(server?.access).toEqual(access);
  });

  it("is nobody where nobody can tell the users' keys", async () => {
    const [server] = await readMcpConfig(await writeConfig({ users: ["alice"] }), () => undefined);
    expect(server?.access).toEqual({ userKeys: [] });
  });

  it.each([
    [{ user: ["alice"] }],
    [{ users: "alice" }],
    [{ users: [7] }],
    [{ tools: [""] }],
    [null],
    ["all"],
  ])("is refused where it cannot be meant: %j", async (given) => {
    await expect(readMcpConfig(await writeConfig(given), () => undefined)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining("mcpServers.other.nightshift"),
    });
  });
});

describe("a run", () => {
  async function openFor(userKey: string, access: UpstreamAccess) {
    const web = await startHttp({ legacy: "stateless" });
    const config = [
      { ...overHttp("web", web.url), access },
      { ...overStdio("other"), access: { tools: ["echo", "where"] } },
    ];
    const log = { debug: () => {}, warn: () => {} };
    const upstreams = openUpstreams(config, { grants: ["web__*", "other__*"], userKey, log });
    onTestFinished(upstreams.close);
    return { ...upstreams, seen: web.seen };
  }

  it.each([[{ userKeys: [BOB] }], [{ userKeys: [] }]])(
    "of a user who may not use a server is offered none of it, and does not connect to it: %j",
    async (access) => {
      const upstreams = await openFor(ALICE, access);
      const { tools, notes } = await upstreams.list(NEVER);
      expect(tools.map(({ name }) => name)).toEqual(["other__echo", "other__where"]);
      expect(notes).toContain("The tools of web are absent: the operator lets only other users use them.");
      await expect(upstreams.call("web__add", { a: 1, b: 2 }, NEVER)).rejects.toMatchObject({
        code: "TOOL_DENIED",
      });
      expect(upstreams.seen).toEqual([]);
    },
  );

  it("is offered the tools that the operator names and can call no other", async () => {
    const upstreams = await openFor(ALICE, { userKeys: [BOB, ALICE], tools: ["add"] });
    const { tools } = await upstreams.list(NEVER);
    expect(tools.map(({ name }) => name)).toEqual(["web__add", "other__echo", "other__where"]);
    expect(await upstreams.call("web__add", { a: 1, b: 2 }, NEVER)).toMatchObject({ text: "3" });
    await expect(upstreams.call("other__environment", {}, NEVER)).rejects.toMatchObject({
      code: "TOOL_DENIED",
    });
  });

  it("of a job that was made before the operator took the right away says so", async () => {
    const upstreams = [{ ...overStdio("other"), access: { userKeys: [BOB] } }];
    const world = await openGhostWorld({ upstreams, script: () => ({ text: "done" }) });
    const run = await world.prompt("p", { tools: ["other__echo", "whoami"] });
    expect(world.scripted?.requests[0]?.tools).toEqual(["whoami"]);
    expect(run.transcript[0]?.text).toMatch(/^The tools of other are absent: the operator lets only/);
    const tool = await world.runJob({ kind: "tool", tool: "other__echo", arguments: { text: "tea" } });
    expect(tool).toMatchObject({ status: "failed", error: { code: "TOOL_DENIED" } });
  });
});

describe("a job", () => {
  it("is made by those whom the operator names, with the tools that are named", async () => {
    const mcpConfig = await writeConfig({ users: ["alice"], tools: ["echo"] });
    const program = await openProgram({ mcpConfig, script: () => ({ text: "ok" }), scheduler: true });
    const [alice, bob] = [program.open("alice"), program.open("bob")];
    const tool = { name: "other__echo", arguments: { text: "tea" } };
    const later = { cron: "0 9 * * *", timezone: "UTC" };
    const { job_id } = await ask(alice, "schedule_task", { tool, ...later });
    await ask(alice, "run_job", { job_id });
    expect(await endedRun(alice, job_id)).toMatchObject({ status: "succeeded", output: "tea" });

    for (const named of [{ tool }, { prompt: "p", allowed_tools: ["other__*"] }])
      await expect(ask(bob, "schedule_task", { ...named, ...later })).rejects.toThrow(
        /lets only other users use other.*TOOL_DENIED/s,
      );
    await expect(
      ask(alice, "schedule_task", { tool: { name: "other__environment" }, ...later }),
    ).rejects.toThrow(/other has no tool "other__environment"\. Its tools: other__echo;/);
  });

  it("is made and changed with a server's tools by a key that has the server's scope, and run by any that may", async () => {
    const mcpConfig = await writeConfig(undefined);
    const server = await serve({ mcpConfig, script: () => ({ text: "ok" }) });
    const keyWith = async (...scopes: readonly Scope[]) =>
      openCaller(
        "modern",
        server,
        await server.key("alice", { scopes: ["jobs:read", "jobs:write", ...scopes] }),
      );
    const [none, other, elsewhere, all] = [
      await keyWith(),
      await keyWith("upstream:other"),
      await keyWith("upstream:elsewhere"),
      await keyWith("upstream:*"),
    ];
    const text = async (caller: Caller, tool: string, args: object) => {
      const { isError, content } = await caller.call(tool, args);
      return isError ? content[0]?.text : "done";
    };
    const denied = expect.stringMatching(/lacks the scope upstream:other.*TOOL_DENIED/s);
    const later = { cron: "0 9 * * *", timezone: "UTC" };
    const named = [
      { tool: { name: "other__echo", arguments: { text: "tea" } } },
      { prompt: "p", allowed_tools: ["other__*"] },
      { prompt: "p", check: { name: "other__echo", arguments: {} } },
    ];
    for (const job of named) {
      for (const caller of [none, elsewhere])
        expect(await text(caller, "schedule_task", { ...job, ...later })).toEqual(denied);
      for (const caller of [other, all])
        expect(await text(caller, "schedule_task", { ...job, ...later })).toBe("done");
    }
    const made = await other.call("schedule_task", { ...named[1], ...later });
    const { job_id } = made.structuredContent;
    expect(await text(none, "update_job", { job_id, prompt: "something else" })).toEqual(denied);
    expect(await text(none, "update_job", { job_id, prompt: "p", allowed_tools: ["whoami"] })).toBe("done");
    expect(await text(none, "run_job", { job_id })).toBe("done");
    expect(await text(none, "schedule_task", { prompt: "p", ...later })).toBe("done");
  });
});
