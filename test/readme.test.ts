import { existsSync, readFileSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { ENVIRONMENT } from "../src/config.ts";
import { scanFolder } from "../src/jobs-folder/scan.ts";
import { peopleTools } from "../src/tools/builtin.ts";
import { jobArguments } from "../src/tools/jobs/prepare.ts";
import { cli, start } from "./child-process.ts";
import { ROOT, tempDir } from "./harness.ts";
import { ask, openProgram } from "./program.ts";

const README = join(ROOT, "README.md");

interface Block {
  /** The line number of the fence, for error messages. */
  readonly line: number;
  readonly code: string;
}

/** The fenced blocks of one language in a Markdown text; those to be run have `<!-- run -->` on the line before. */
function blocksOf(text: string, language: string, isMarked = false): Block[] {
  const marker = isMarked ? "^<!-- run -->\\n" : "^";
  return [...text.matchAll(new RegExp(`${marker}\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(
    ({ index, 1: code = "" }) => ({
      line: text.slice(0, index).split("\n").length,
      code,
    }),
  );
}

/** Each `nightshift …` line of a text's shell examples, as the command line's arguments. */
const commandsIn = (text: string): string[][] =>
  blocksOf(text, "sh").flatMap(({ code }) =>
    [...code.matchAll(/^(?:npx -y nightshift|npm run -s nightshift --|nightshift) ([^#\n]*)/gm)].map(
      ([, line = ""]) => line.trim().split(/\s+/),
    ),
  );

/** A project of a user's own, in which `nightshift` is this source and what it needs is installed. */
async function projectDir(): Promise<string> {
  const dir = await tempDir();
  const modules = join(dir, "node_modules");
  await mkdir(join(modules, "nightshift"), { recursive: true });
  const manifest = { name: "nightshift", type: "module", exports: "./index.js" };
  await writeFile(join(modules, "nightshift/package.json"), JSON.stringify(manifest));
  const source = JSON.stringify(join(ROOT, "src/index.ts"));
  await writeFile(join(modules, "nightshift/index.js"), `export * from ${source};`);
  for (const name of ["zod", "@modelcontextprotocol"])
    await symlink(join(ROOT, "node_modules", name), join(modules, name));
  await writeFile(join(dir, "package.json"), '{ "type": "module" }');
  return dir;
}

describe("README.md", () => {
  const text = readFileSync(README, "utf8");
  const examples = blocksOf(text, "ts", true);

  it("has an example that runs", () => {
    expect(examples.length).toBeGreaterThan(0);
  });

  it.each(examples)(
    "runs what it shows on line $line",
    async ({ code }) => {
      const dir = await projectDir();
      await writeFile(join(dir, "example.ts"), code);
      const child = start([join(dir, "example.ts")], { cwd: dir, env: { HOME: dir } });
      child.end();
      const { code: exitCode } = await child.exited;
      expect(child.stderr()).toBe("");
      expect(exitCode).toBe(0);
    },
    40_000,
  );

  it("shows only TypeScript that can be loaded", async () => {
    const dir = await projectDir();
    for (const { line, code } of blocksOf(text, "ts")) {
      const file = join(dir, `line-${line}.ts`);
      await writeFile(file, code);
      const child = start(["--check", file], { cwd: dir });
      child.end();
      expect(await child.exited, `line ${line}: ${child.stderr()}`).toMatchObject({ code: 0 });
    }
  });

  it("shows the configuration of mcp.json, and arguments that schedule_task takes", async () => {
    const [configuration, task] = blocksOf(text, "json").map(({ code }) => JSON.parse(code));
    expect(configuration).toEqual(JSON.parse(readFileSync(join(ROOT, "mcp.json"), "utf8")));
    const program = await openProgram({ script: () => ({ text: "" }) });
    const job = await ask(program.open(), "schedule_task", task);
    expect(job.next_runs).toHaveLength(3);
    expect(job).toMatchObject({ max_iterations: 10, max_tokens: 100_000, timeout_seconds: 300 });
  });

  it("shows job files that are valid", async () => {
    const dir = await tempDir();
    const [prompt] = blocksOf(text, "markdown");
    const code = blocksOf(text, "ts").find((block) => block.code.startsWith("export default"));
    await writeFile(join(dir, "prompt.md"), prompt?.code ?? "");
    await writeFile(join(dir, "code.ts"), code?.code ?? "");
    const { jobs, problems } = await scanFolder(dir, Date.now());
    expect([jobs.map(({ file }) => file), problems]).toEqual([["code.ts", "prompt.md"], []]);
  });

  it("lists the tools that there are", () => {
    const table = /^\| tool \|[\s\S]*?\n\n/m.exec(text)?.[0] ?? "";
    const rows = [...table.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, cell = ""]) => [
      ...cell.matchAll(/`(\w+)`/g),
    ]);
    expect(rows.map(([, name]) => name).sort()).toEqual(peopleTools.map(({ name }) => name).sort());
  });
});

const PAGES = [
  "README.md",
  "jobs/README.md",
  "CHANGELOG.md",
  ".github/CLIENTS.md",
  ".github/CONTRIBUTING.md",
  ".github/OPERATIONS.md",
  ".github/SECURITY.md",
];

describe.each(PAGES)("%s", (page) => {
  const text = readFileSync(join(ROOT, page), "utf8");

  it("names only files, scripts and settings that there are", () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    for (const [, script = ""] of text.matchAll(/npm run (?:-s )?([a-z:]+)/g))
      expect(scripts).toHaveProperty(script);
    for (const [, path = ""] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g))
      expect(existsSync(join(ROOT, dirname(page), path)), path).toBe(true);
    for (const [path] of text.matchAll(/\b(?:src|test)\/[\w./-]*\w/g))
      expect(existsSync(join(ROOT, path)), path).toBe(true);
    const settings = Object.values(ENVIRONMENT);
    for (const [name] of text.matchAll(/NIGHTSHIFT_[A-Z_]+[A-Z]/g)) expect(settings, name).toContain(name);
  });

  it("shows only commands and flags that there are", async () => {
    for (const args of commandsIn(text)) {
      const help = await cli([...args.filter((arg) => /^[a-z]+$/.test(arg)).slice(0, 2), "--help"]);
      expect(help.code, args.join(" ")).toBe(0);
      for (const flag of args.filter((arg) => arg.startsWith("--")))
        expect(help.stdout).toContain(`${flag} `);
    }
  }, 40_000);
});

describe("jobs/README.md", () => {
  it("lists only fields that a job has", () => {
    const text = readFileSync(join(ROOT, "jobs/README.md"), "utf8");
    const cells = [...text.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = ""]) => [
      ...cell.matchAll(/`(\w+)`/g),
    ]);
    expect(cells.length).toBeGreaterThan(10);
    for (const [, field = ""] of cells) expect(jobArguments).toHaveProperty(field);
  });
});
