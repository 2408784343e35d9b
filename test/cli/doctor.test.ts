import { writeFile } from "node:fs/promises";
import { join } from "node:path";
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
    const { ok, of } = await examine(["--data", await tempDir()]);
    expect(ok).toBe(true);
    expect(of("facts.sqlite")?.found).toMatch(/not there yet/);
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
