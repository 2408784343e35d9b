import { execFileSync } from "node:child_process";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { scanFolder } from "../../src/jobs-folder/scan.ts";
import { tempDir } from "../harness.ts";

const NOW = Date.UTC(2026, 1, 20, 9);
const GOOD = "---\nevery: 1h\n---\nHello.";

describe("a name in the jobs folder that leads to no regular file", () => {
  it.each([
    ["a FIFO that nobody writes to", async (path: string) => void execFileSync("/usr/bin/mkfifo", [path])],
    ["a folder", async (path: string) => void (await mkdir(path))],
    ["a device without end", () => "/dev/zero"],
    ["a device that is empty", () => "/dev/null"],
  ])("is a problem, and the others are read: %s", async (_what, make) => {
    const [dir, elsewhere] = [await tempDir(), await tempDir()];
    const target = join(elsewhere, "target");
    await symlink((await make(target)) ?? target, join(dir, "a.md"));
    await symlink(join(dir, "a.md"), join(dir, "b.mjs"));
    await writeFile(join(elsewhere, "good.md"), GOOD);
    await symlink(join(elsewhere, "good.md"), join(dir, "c.md"));
    const { jobs, problems } = await scanFolder(dir, NOW);
    expect(problems).toEqual([
      { file: "a.md", message: "it is no regular file" },
      { file: "b.mjs", message: "it is no regular file" },
    ]);
    expect(jobs.map(({ file }) => file)).toEqual(["c.md"]);
  });

  it("is a problem when the link leads nowhere, or to itself", async () => {
    const dir = await tempDir();
    await symlink(join(dir, "nowhere"), join(dir, "a.md"));
    await symlink(join(dir, "b.md"), join(dir, "b.md"));
    expect((await scanFolder(dir, NOW)).problems.map(({ file }) => file)).toEqual(["a.md", "b.md"]);
  });
});

describe("a field's name in a code job", () => {
  it.each([
    ["(a+)+$", '"(a+)+$"'],
    ["[", '"["'],
    ["a.b", '"a.b"'],
    ["\\", '"\\\\"'],
    ["*", "'*'"],
    ["$&", '"$&"'],
    ["colour", "colour"],
    ["colour", '"colour"'],
  ])("is no pattern: %s", async (name, written) => {
    const dir = await tempDir();
    const filler = `  // ${"a".repeat(200)}! xcolour: colours: aXb: 1`;
    const text = `export default {\n${filler}\n  run() {},\n  ${written} : 1,\n};`;
    await writeFile(join(dir, "a.mjs"), text);
    const [problem] = (await scanFolder(dir, NOW)).problems;
    expect(problem?.message).toContain(`there is no field "${name}"`);
    expect(problem?.line).toBe(4);
  });

  it("may be empty, and its fields are limited together", async () => {
    const dir = await tempDir();
    await writeFile(join(dir, "a.mjs"), 'export default { "": 1, run() {} };');
    await writeFile(join(dir, "b.mjs"), 'export default { name: "x".repeat(300_000), run() {} };');
    expect((await scanFolder(dir, NOW)).problems).toEqual([
      { file: "a.mjs", message: expect.stringMatching(/^there is no field ""/) },
      { file: "b.mjs", message: "its fields are larger than 256 KiB" },
    ]);
  });
});
