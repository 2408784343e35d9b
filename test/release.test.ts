import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { start } from "./child-process.ts";
import { ROOT, tempDir } from "./harness.ts";

const VERSION = "3.2.1";

/** A repository with a version, a changelog and one commit. */
async function repository(
  changelog: string,
): Promise<{ git(...args: string[]): void; check(): Promise<string> }> {
  const dir = await tempDir();
  const manifest = JSON.stringify({ name: "nightshift", version: VERSION });
  for (const [name, text] of [
    ["package.json", manifest],
    ["package-lock.json", manifest],
    ["CHANGELOG.md", changelog],
  ] as const)
    await writeFile(join(dir, name), text);
  const git = (...args: string[]) =>
    void execFileSync("git", ["-c", "user.name=test", "-c", "user.email=test@localhost", ...args], {
      cwd: dir,
    });
  git("init", "-q");
  git("add", ".");
  git("commit", "-qm", "Start");
  return {
    git,
    async check() {
      // Where a release is right, it goes on to try the package: here that finds no npx.
      const child = start([join(ROOT, "release/check.ts")], { cwd: dir, env: { PATH: await gitAlone() } });
      expect((await child.exited).code).toBe(1);
      return child.stderr();
    },
  };
}

/** A folder for PATH in which there is nothing but git. */
async function gitAlone(): Promise<string> {
  const dir = await tempDir();
  const git = execFileSync("git", ["--exec-path"], { encoding: "utf8" }).trim();
  await writeFile(join(dir, "git"), `#!/bin/sh\nexec "${git}/git" "$@"\n`, { mode: 0o755 });
  return dir;
}

describe("npm run release", () => {
  it("refuses a version that has no heading in the changelog and no tag", async () => {
    const { check } = await repository("# Changelog\n\n## [Unreleased]\n");
    const said = await check();
    expect(said).toContain(`CHANGELOG.md has no heading "## [${VERSION}] - <date>"`);
    expect(said).toContain(`HEAD has no tag v${VERSION}`);
  });

  it("goes on to the packed package when changelog and tag are right, and nothing is left to commit", async () => {
    const { git, check } = await repository(`# Changelog\n\n## [${VERSION}] - 2026-11-25\n`);
    git("tag", `v${VERSION}`);
    expect(await check()).toContain("spawnSync npx ENOENT");
  });
});

describe("npm pack", () => {
  it("puts the checkout's manifest back, also after one that failed in between", async () => {
    const dir = await tempDir();
    const manifest = JSON.stringify({
      name: "nightshift",
      scripts: { build: "node --version", prepack: "begin", postpack: "end", test: "vitest" },
      dependencies: { zod: "^4", "@modelcontextprotocol/server": "^2", kysely: "^0" },
      devDependencies: { vitest: "^5" },
    });
    const read = () => readFile(join(dir, "package.json"), "utf8");
    await writeFile(join(dir, "package.json"), manifest);
    for (const step of ["begin", "begin", "end"]) {
      const child = start([join(ROOT, "release/pack.ts"), step], { cwd: dir });
      expect(await child.exited, child.stderr()).toMatchObject({ code: 0 });
      if (step === "end") break;
      expect(JSON.parse(await read())).toEqual({
        name: "nightshift",
        scripts: { prepack: "begin", postpack: "end" },
        dependencies: { zod: "^4", "@modelcontextprotocol/server": "^2" },
      });
    }
    expect(await read()).toBe(manifest);
  });
});
