import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { scanFolder } from "../../src/jobs-folder/scan.ts";
import { ROOT, tempDir } from "../harness.ts";

const NIGHTSHIFT = JSON.stringify(join(ROOT, "src/index.ts"));

async function scan(files: Record<string, string>) {
  const dir = await tempDir();
  for (const [file, text] of Object.entries(files)) await writeFile(join(dir, file), text);
  return scanFolder(dir, Date.UTC(2026, 1, 20, 9));
}

describe("files that run after each other", () => {
  const every = "---\nevery: 1h\n---\nGather.";
  const after = (file: string) => `---\nname: Then\nafter: ${file}\n---\nSort.`;

  it("name each other, code and prompts alike", async () => {
    const { jobs, problems } = await scan({
      "a.md": after("b.ts"),
      "b.ts": `import { defineJob } from ${NIGHTSHIFT};
        export default defineJob({ after: "c.md", previous_output: true, run: () => "sorted" });`,
      "c.md": every,
    });
    expect(problems).toEqual([]);
    expect(jobs.map(({ file, job }) => [file, job.schedule.kind === "after" && job.schedule.jobId])).toEqual([
      ["a.md", "b.ts"],
      ["b.ts", "c.md"],
      ["c.md", false],
    ]);
  });

  it("are left out, each with its line, where one is not there, is bad, or comes after itself", async () => {
    const { jobs, problems } = await scan({
      "bad.md": "---\nevery: never\n---\nHello.",
      "behind-bad.md": after("bad.md"),
      "behind-lost.md": after("lost.md"),
      "fine.md": every,
      "further-behind.md": after("behind-lost.md"),
      "ring-1.md": after("ring-2.md"),
      "ring-2.md": after("ring-1.md"),
      "self.md": after("self.md"),
    });
    expect(jobs.map(({ file }) => file)).toEqual(["fine.md"]);
    const said = Object.fromEntries(problems.map(({ file, line, message }) => [file, `${line} ${message}`]));
    expect(said).toEqual({
      "bad.md": expect.stringMatching(/^2 every: /),
      "behind-bad.md": "3 after: bad.md, which it runs after, is left out itself",
      "behind-lost.md": "3 after: there is no file lost.md in this folder; name another job file of it",
      "further-behind.md": "3 after: behind-lost.md, which it runs after, is left out itself",
      "ring-1.md": expect.stringMatching(/^3 after: .*in a circle/),
      "ring-2.md": expect.stringMatching(/^3 after: .*in a circle/),
      "self.md": expect.stringMatching(/^3 after: .*in a circle/),
    });
  });

  it("have no time of their own besides", async () => {
    const { problems } = await scan({ "a.md": "---\nafter: b.md\nevery: 1h\n---\nHello.", "b.md": every });
    expect(problems).toEqual([
      { file: "a.md", line: expect.any(Number), message: expect.stringMatching(/exactly one/) },
    ]);
  });
});
