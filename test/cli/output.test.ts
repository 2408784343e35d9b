import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { oneLine, plain, print, printError, printJson } from "../../src/cli/output.ts";
import { cli } from "../child-process.ts";
import { tempDir } from "../harness.ts";

/** What a terminal acts on, or shows as something else than it is, each by its code. */
const HOSTILE = [
  0x00, 0x07, 0x08, 0x0d, 0x1b, 0x7f, 0x80, 0x9b, 0x9d, 0x061c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a,
  0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069, 0xfeff, 0xfffb, 0xe0001, 0xe0041, 0xd800,
].map((code) => String.fromCodePoint(code));
const isHostile = (text: string) => HOSTILE.some((one) => text.includes(one));
/** Of right-to-left scripts, of joined letters and of emoji: plain text. */
const GOOD = ["שלום", "نص عربي", "می‌خواهم", "👩‍💻", "❤️", "naïve", "日本語", "a\tb\nc"];

function written(stream: "stdout" | "stderr"): string[] {
  const lines: string[] = [];
  const spy = vi.spyOn(process[stream], "write").mockImplementation((text) => lines.push(String(text)) > 0);
  onTestFinished(() => spy.mockRestore());
  return lines;
}

describe("what the command line prints", () => {
  it("has nothing in it that commands a terminal or turns text around", () => {
    const [out, err] = [written("stdout"), written("stderr")];
    for (const one of HOSTILE) {
      print(`before${one}after`);
      printError(`before${one}after`);
      printJson({ [`key${one}`]: `before${one}after` });
      expect([plain(one), oneLine(`a${one}b`)]).toEqual([" ", "a b"]);
    }
    expect([...out, ...err].filter(isHostile)).toEqual([]);
    expect(out).toHaveLength(HOSTILE.length * 2);
  });

  it("keeps the colours that it paints, and none of other sequences", () => {
    const out = written("stdout");
    print("\u001b[1mjob\u001b[22m \u001b[31mbad\u001b[39m");
    print("\u001b[8mhidden\u001b[0m \u001b[2J\u001b]0;title\u0007 \u001b[38;5;1m");
    expect(out[0]).toBe("\u001b[1mjob\u001b[22m \u001b[31mbad\u001b[39m\n");
    expect(out[1]).toBe(" [8mhidden [0m  [2J ]0;title   [38;5;1m\n");
  });

  it("keeps text of every script, and JSON as the value that it is", () => {
    const out = written("stdout");
    for (const text of GOOD) {
      print(text);
      expect(out.pop()).toBe(`${text}\n`);
    }
    const value = { names: [...GOOD, ...HOSTILE] };
    printJson(value);
    expect(JSON.parse(out.join(""))).toEqual(value);
  });

  it("is plain for a stored job, a file's name and an error, in the whole program", async () => {
    const [home, dir] = [await tempDir(), await tempDir()];
    const name = "pay\u202eeciov\u2066ni\u009b2Jend";
    await writeFile(join(dir, `${name}.md`), "---\ncron: 99 * * * *\n---\nHello.");
    const env = { NIGHTSHIFT_DATA_DIR: home };
    const printed = [
      await cli(["jobs", "validate", dir], { env }),
      await cli(["jobs", "validate", dir, "--json"], { env }),
      await cli(["jobs", "show", name], { env }),
    ];
    expect(printed.filter(({ stdout, stderr }) => isHostile(stdout + stderr.replaceAll("\r", "")))).toEqual(
      [],
    );
    expect(JSON.parse(printed[1]?.stdout ?? "").problems).toMatchObject([{ file: `${name}.md` }]);
  });
});

describe("nightshift jobs validate", () => {
  it("says that it loads code jobs, before it does", async () => {
    const dir = await tempDir();
    await writeFile(join(dir, "a.md"), "---\nevery: 1h\n---\nHello.");
    const told = "The modules of code jobs are loaded, which runs their top level: b.mjs";
    expect((await cli(["jobs", "validate", dir])).stderr).not.toContain("are loaded");
    await writeFile(join(dir, "b.mjs"), 'export default { every: "1h", run() {} };');
    expect((await cli(["jobs", "validate", dir, "--json"])).stderr).toContain(told);
    expect((await cli(["jobs", "validate", "--help"])).stdout).toMatch(/runs their\s+top\s+level/);
  });
});
