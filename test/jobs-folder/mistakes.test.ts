import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { warningOf } from "../../src/jobs-folder/front-matter.ts";
import { scanFolder } from "../../src/jobs-folder/scan.ts";
import { tempDir } from "../harness.ts";

const NOW = Date.UTC(2026, 1, 20, 9);

async function scan(files: Record<string, string | Buffer>) {
  const dir = await tempDir();
  for (const [file, text] of Object.entries(files)) await writeFile(join(dir, file), text);
  return scanFolder(dir, NOW);
}
const fileOf = (fields: string) => `---\n${fields}\n---\nHello.`;

describe("a mistake in a job file", () => {
  it.each<[string | Buffer, number, string]>([
    ["", 1, "it is empty: it must start with front matter"],
    [" \n\t\n", 1, "it is empty: "],
    ["---\ncron: 0 9 * * *\nHello.", 1, "its front matter has no end, a line of its own with ---: "],
    ["\n---\ncron: 0 9 * * *\n---\nHello.", 1, "before its first line ---, blank lines perhaps: "],
    [fileOf("name: A\ncron: */15 * * * *"), 3, 'Put the value in quotes: cron: "*/15 * * * *"'],
    [fileOf("cron: * * * * *"), 2, 'Put the value in quotes: cron: "* * * * *"'],
    [fileOf("cron: @daily"), 2, 'Put the value in quotes: cron: "@daily"'],
    [fileOf("every: 1h\nname: News: today"), 3, 'Put the value in quotes: name: "News: today"'],
    [fileOf("every: 0s"), 2, "use at least one second"],
    [fileOf("every: 0.4s"), 2, "use at least one second"],
    [fileOf("every: 0m"), 2, "use at least one second"],
    [fileOf("every: 0h"), 2, "use at least one second"],
    [fileOf("every: 0d"), 2, "use at least one second"],
    [fileOf("every: 0"), 2, "every: "],
    [fileOf('cron: "@every 5m"'), 2, "give every: 300 instead"],
  ])("%j is told", async (text, line, said) => {
    const { jobs, problems } = await scan({ "bad.md": text });
    expect(jobs).toEqual([]);
    expect(problems).toMatchObject([{ file: "bad.md", line, message: expect.stringContaining(said) }]);
  });

  it.each(["bad.md", "bad.mjs", "bad.ts"])("of encoding is told: %s", async (file) => {
    const text =
      file === "bad.md" ? fileOf("every: 1h") : 'export default { name: "Grüße", every: "1h", run() {} };';
    for (const bytes of [
      Buffer.from(`\uFEFF${text}`, "utf16le"),
      Buffer.from(text, "utf16le"),
      Buffer.from(`\uFEFF${text}`, "utf16le").swap16(),
      Buffer.from(`${text}ü`, "latin1"),
    ])
      expect(await scan({ [file]: bytes })).toMatchObject({
        jobs: [],
        problems: [{ file, message: expect.stringMatching(/^it is not UTF-8 .*: save it as UTF-8$/) }],
      });
    expect((await scan({ [file]: Buffer.from(`\uFEFF${text}`, "utf8") })).problems).toEqual([]);
  });

  it("is a warning where the file is valid", async () => {
    const { jobs, problems } = await scan({
      "past.md": fileOf("at: 2020-01-01 09:00"),
      "quartz.md": fileOf("cron: 0 0 9 ? * 2-6"),
      "fine.md": fileOf("cron: 0 9 * * 1-5"),
      "later.md": fileOf("at: 2030-01-01 09:00"),
      "then.md": fileOf("after: fine.md"),
    });
    expect(problems).toEqual([]);
    const warnings = jobs.map((job) => [job.file, warningOf(job)]);
    expect(warnings.filter(([, warning]) => warning)).toEqual([
      ["past.md", expect.stringContaining("its time has passed")],
      ["quartz.md", expect.stringContaining("in Quartz 1 is Sunday")],
    ]);
  });
});

it("takes a name in either form of Unicode for the file that a job runs after", async () => {
  const [composed, apart] = ["Übersicht.md".normalize("NFC"), "Übersicht.md".normalize("NFD")];
  for (const [file, named] of [
    [composed, apart],
    [apart, composed],
  ] as const) {
    const { jobs, problems } = await scan({ [file]: fileOf("every: 1h"), "z.md": fileOf(`after: ${named}`) });
    expect(problems).toEqual([]);
    expect(jobs).toHaveLength(2);
  }
});
