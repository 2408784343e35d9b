import { existsSync, readFileSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { start } from "./child-process.ts";
import { ROOT, tempDir } from "./harness.ts";

const README = join(ROOT, "README.md");

interface Block {
  /** The line of the fence, for whoever looks for it. */
  readonly line: number;
  readonly code: string;
}

/** The fenced `ts` blocks of a Markdown text; those to be run have `<!-- run -->` on the line before. */
function blocksOf(text: string, isMarked: boolean): Block[] {
  const marker = isMarked ? "^<!-- run -->\\n" : "^";
  return [...text.matchAll(new RegExp(`${marker}\`\`\`ts\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(
    ({ index, 1: code = "" }) => ({
      line: text.slice(0, index).split("\n").length,
      code,
    }),
  );
}

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

describe.skipIf(!existsSync(README))("README.md", () => {
  const text = existsSync(README) ? readFileSync(README, "utf8") : "";
  const examples = blocksOf(text, true);

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
    for (const { line, code } of blocksOf(text, false)) {
      const file = join(dir, `line-${line}.ts`);
      await writeFile(file, code);
      const child = start(["--check", file], { cwd: dir });
      child.end();
      expect(await child.exited, `line ${line}: ${child.stderr()}`).toMatchObject({ code: 0 });
    }
  });

  it("names only files, scripts and settings that there are", () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    for (const [, script = ""] of text.matchAll(/npm run (?:-s )?([a-z:]+)/g))
      expect(scripts).toHaveProperty(script);
    for (const [, path = ""] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g))
      expect(existsSync(join(ROOT, path)), path).toBe(true);
    const config = readFileSync(join(ROOT, "src/config.ts"), "utf8");
    for (const [name] of text.matchAll(/NIGHTSHIFT_[A-Z_]+[A-Z]/g))
      expect(config, name).toContain(`"${name}"`);
  });
});
