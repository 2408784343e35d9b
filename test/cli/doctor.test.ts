import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { cli } from "../child-process.ts";
import { tempDir } from "../harness.ts";
import { ask, openProgram } from "../program.ts";
import { STDIO_SERVER } from "../upstream/servers.ts";

const CHECKS = [
  "node",
  "data folder",
  "facts.sqlite",
  "jobs.sqlite",
  "model",
  "own tools",
  "mcp servers",
  "jobs folder",
];

interface Finding {
  readonly check: string;
  readonly status: string;
  readonly found: string;
  readonly advice?: string;
}

async function examine(args: string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await cli(["doctor", "--json", ...args], { env });
  expect(stderr).toBe("");
  const { ok, findings, ...rest } = JSON.parse(stdout) as { ok: boolean; findings: Finding[] };
  expect(rest).toEqual({});
  expect(findings.map(({ check }) => check)).toEqual(CHECKS);
  expect(code).toBe(ok ? 0 : 1);
  return { ok, of: (check: string) => findings.find((finding) => finding.check === check) };
}

describe("nightshift doctor", () => {
  it("finds nothing wrong with a new folder, and says what to do for a model", async () => {
    const dir = await tempDir();
    const { ok, of } = await examine(["--data", dir]);
    expect(ok).toBe(true);
    for (const file of ["facts.sqlite", "jobs.sqlite"])
      expect(of(file)?.found).toMatch(/not there yet; .* can make it/);
    expect(await readdir(dir)).toEqual([]);
    expect(of("model")).toMatchObject({
      status: "warning",
      advice: expect.stringContaining("NIGHTSHIFT_MODEL"),
    });
  });

  it("looks into data that is there", async () => {
    const program = await openProgram();
    await ask(program.open(), "save_fact", { fact: "Tea." });
    await ask(program.open(), "schedule_task", { tool: { name: "whoami" }, every_seconds: 60 });
    await program.close();
    const { ok, of } = await examine(["--data", program.dataDir]);
    expect(ok).toBe(true);
    for (const file of ["facts.sqlite", "jobs.sqlite"]) {
      expect(of(file)).toMatchObject({ status: "ok" });
      expect(of(file)?.found).not.toMatch(/not there/);
    }
  });

  it("finds what is broken, and goes on", async () => {
    const dir = await tempDir();
    await writeFile(join(dir, "facts.sqlite"), "this is no database, whatever its name says".repeat(100));
    await writeFile(join(dir, "jobs.sqlite"), "nor is this".repeat(500));
    await writeFile(join(dir, "bad.md"), "no front matter");
    const { ok, of } = await examine(["--data", dir, "--jobs", dir, "--tools", join(dir, "none.js")]);
    expect(ok).toBe(false);
    for (const file of ["facts.sqlite", "jobs.sqlite"])
      expect(of(file)).toMatchObject({ status: "problem", advice: expect.stringContaining("copy") });
    expect(of("own tools")).toMatchObject({ status: "problem", found: expect.stringContaining("none.js") });
    expect(of("jobs folder")).toMatchObject({
      status: "problem",
      found: expect.stringContaining("bad.md:1"),
    });
  });

  it("finds a folder that cannot be made, and calls nothing in it ok", async () => {
    const file = join(await tempDir(), "file");
    await writeFile(file, "");
    const { ok, of } = await examine(["--data", join(file, "data")]);
    expect(ok).toBe(false);
    expect(of("data folder")).toMatchObject({
      status: "problem",
      found: expect.stringMatching(/cannot be made: a part of its path is a file/),
    });
    for (const name of ["facts.sqlite", "jobs.sqlite"])
      expect(of(name)).toMatchObject({
        status: "problem",
        found: expect.stringMatching(/data folder (?:exists|cannot be made)/),
      });
  });

  it("knows the files of a newer Nightshift, which no repair makes older", async () => {
    const program = await openProgram();
    await ask(program.open(), "save_fact", { fact: "Tea." });
    await ask(program.open(), "schedule_task", { tool: { name: "whoami" }, every_seconds: 60 });
    await program.close();
    const change = (file: string, sql: string) => {
      const database = new DatabaseSync(join(program.dataDir, file));
      database.exec(sql);
      database.close();
    };
    change("facts.sqlite", "PRAGMA user_version = 99");
    change("jobs.sqlite", "INSERT INTO schema_version VALUES (99, 99, 0)");
    const { ok, of } = await examine(["--data", program.dataDir]);
    expect(ok).toBe(false);
    for (const file of ["facts.sqlite", "jobs.sqlite"]) {
      expect(of(file)).toMatchObject({
        status: "problem",
        found: expect.stringMatching(/newer Nightshift \(version 99/),
      });
      expect(of(file)).not.toHaveProperty("advice");
    }
  });

  it("finds a model and other settings that are not valid, and checks the rest", async () => {
    const args = ["--data", await tempDir()];
    const { ok, of } = await examine(args, { NIGHTSHIFT_MODEL: "gpt-secret-4711" });
    expect(ok).toBe(false);
    expect(of("model")).toMatchObject({
      status: "problem",
      found: "model (NIGHTSHIFT_MODEL): use anthropic:<id>, openai:<id> or openai-compatible:<id>",
    });
    const { code, stdout } = await cli(["doctor", "--json", ...args], { env: { NIGHTSHIFT_PORT: "http" } });
    const { findings } = JSON.parse(stdout) as { findings: Finding[] };
    expect(code).toBe(1);
    expect(findings.find(({ check }) => check === "settings")).toMatchObject({
      status: "problem",
      found: expect.stringMatching(/^port \(NIGHTSHIFT_PORT\): /),
    });
    expect(findings.map(({ check }) => check)).toEqual(expect.arrayContaining(CHECKS));
  });

  it("finds a model without an address, and one whose server does not answer", async () => {
    const args = ["--data", await tempDir()];
    const NIGHTSHIFT_MODEL = "openai-compatible:small";
    expect((await examine(args, { NIGHTSHIFT_MODEL })).of("model")).toMatchObject({ status: "problem" });
    // Port 9 is discard's: nothing serves HTTP there.
    const NIGHTSHIFT_MODEL_BASE_URL = "http://127.0.0.1:9/v1";
    const silent = await examine(args, { NIGHTSHIFT_MODEL, NIGHTSHIFT_MODEL_BASE_URL });
    expect(silent.of("model")).toMatchObject({
      status: "warning",
      found: "openai-compatible:small at 127.0.0.1:9, which does not answer",
    });
  });

  it("takes ~ for the home folder, in each setting that is a path", async () => {
    const HOME = await tempDir();
    await writeFile(join(HOME, "tools.mjs"), "export const tools = [];");
    await writeFile(join(HOME, "servers.json"), JSON.stringify({ mcpServers: {} }));
    await writeFile(join(HOME, "bad.md"), "no front matter");
    const { of } = await examine([], {
      HOME,
      NIGHTSHIFT_DATA_DIR: "~/data",
      NIGHTSHIFT_JOBS_DIR: "~",
      NIGHTSHIFT_TOOLS: "~/tools.mjs",
      NIGHTSHIFT_MCP_CONFIG: "~/servers.json",
    });
    expect(of("data folder")).toMatchObject({ status: "ok", found: join(HOME, "data") });
    expect(of("jobs folder")?.found).toContain("bad.md:1");
    expect(of("own tools")?.found).not.toContain("~");
    expect(of("mcp servers")).toMatchObject({ status: "ok", found: "none" });
  });

  it("connects to the servers of --mcp-config, and names the key of what is wrong there", async () => {
    const dir = await tempDir();
    const file = join(dir, "servers.json");
    const write = (mcpServers: object) => writeFile(file, JSON.stringify({ mcpServers }));
    const other = { command: process.execPath, args: [STDIO_SERVER] };
    await write({ other });
    const args = ["--data", dir, "--mcp-config", file];
    expect((await examine(args)).of("mcp servers")).toMatchObject({ status: "ok", found: "other: 9 tools" });
    await write({ other, gone: { command: "/nowhere/at-all" } });
    const partly = await examine(["--data", dir], { NIGHTSHIFT_MCP_CONFIG: file });
    expect(partly.of("mcp servers")).toMatchObject({
      status: "warning",
      found: "other: 9 tools; gone: it could not be reached (ENOENT)",
    });
    await write({ other: { cmd: "x" } });
    const wrong = await examine(args);
    expect(wrong.ok).toBe(false);
    expect(wrong.of("mcp servers")?.found).toContain("mcpServers.other.cmd: there is no such key");
  });

  it("tells which model, and never its key", async () => {
    const env = { NIGHTSHIFT_MODEL: "openai:gpt-x", NIGHTSHIFT_MODEL_API_KEY: "sk-secret-4711" };
    const { of } = await examine(["--data", await tempDir()], env);
    expect(of("model")).toMatchObject({ status: "ok", found: "openai:gpt-x, with a key" });
  });

  it("tells people the same, a line a finding", async () => {
    const { code, stdout } = await cli(["doctor", "--data", await tempDir()]);
    expect(code).toBe(0);
    for (const check of CHECKS) expect(stdout).toMatch(new RegExp(`^(?:ok|warning) +${check}`, "m"));
  });
});
