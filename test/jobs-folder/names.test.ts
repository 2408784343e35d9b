import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { scanFolder } from "../../src/jobs-folder/scan.ts";
import { tempDir } from "../harness.ts";

const TEXT = "---\nevery: 1h\n---\nHello.";
const OTHER = "---\nevery: 2h\n---\nHello.";

async function scan(files: Record<string, string>) {
  const dir = await tempDir();
  for (const [file, text] of Object.entries(files)) await writeFile(join(dir, file), text);
  const { jobs, problems, ignored } = await scanFolder(dir, Date.now());
  expect(problems).toEqual([]);
  return { jobs: jobs.map(({ file }) => file), ignored };
}

describe("the names of a jobs folder", () => {
  it.each([
    "report (copy).md",
    "report (another copy).md",
    "report (3rd copy).md",
    "report (copy 2).md",
    "report (1).md",
    "report(2).md",
    "report copy.md",
    "report copy 2.md",
    "report - Copy.md",
    "report - Copy (3).md",
    "report - Kopie.md",
    "Copy of report.md",
    "Copy (2) of report.md",
    "Kopie von report.md",
    "report.sync-conflict-20261125-101010-ABCDEFG.md",
    "report.sync-conflict-20261125-….md",
    "report (conflicted copy 2026-11-25).md",
    "report (Alice's conflicted copy 2026-11-25).md",
    "report (Case Conflict).md",
    "report (SFConflict alice@example.com 2026-11-25-10-10-10).md",
    "report_conflict-20261125-101010.md",
    "report_DiskStation_Nov-25-101010-2026_Conflict.md",
    "report [conflicted].md",
    "report_BACKUP_4711.md",
  ])("leave a copy of report.md alone, and tell: %s", async (copy) => {
    const { jobs, ignored } = await scan({ "report.md": TEXT, [copy]: OTHER });
    expect(jobs).toEqual(["report.md"]);
    expect(ignored).toEqual([{ file: copy, message: expect.stringMatching(/^it looks like (a|the) copy/) }]);
  });

  it("leave a numbered copy alone while its text is the same", async () => {
    const same = await scan({ "report.md": TEXT, "report 2.md": TEXT });
    expect(same.jobs).toEqual(["report.md"]);
    expect(same.ignored).toEqual([
      { file: "report 2.md", message: expect.stringContaining("same text as report.md") },
    ]);
    expect((await scan({ "week.md": TEXT, "week 2.md": OTHER })).jobs).toEqual(["week 2.md", "week.md"]);
  });

  it.each([
    "copy.md",
    "copy edit.md",
    "photocopy.md",
    "report (copy).md",
    "report copy.md",
    "report-copy.md",
    "conflicts.md",
    "resolve conflict.md",
    "my-conflict-report.md",
    "Berlin (2).md",
    "news (weekly).md",
    "backup_base.md",
  ])("are jobs where there is no original: %s", async (file) => {
    expect(await scan({ [file]: TEXT })).toEqual({ jobs: [file], ignored: [] });
  });

  it("may end in .MD and .markdown; a README in other letters and other endings are told", async () => {
    const { jobs, ignored } = await scan({
      "a.MD": TEXT,
      "b.markdown": TEXT,
      "c.Markdown": TEXT,
      "README.md": "# Jobs",
      "Readme.md": TEXT,
      "readme.markdown": TEXT,
      "d.cjs": "",
      "e.TS": "",
      "f.mdx": "",
      "g.txt": "",
      "h.md~": "",
      "i.md.orig": "",
      "types.d.ts": "",
      ".hidden.md": TEXT,
      "_draft.md": TEXT,
    });
    expect(jobs).toEqual(["a.MD", "b.markdown", "c.Markdown"]);
    expect(ignored.map(({ file, message }) => [file, message.split(" ").slice(0, 2).join(" ")])).toEqual([
      ["Readme.md", "a README"],
      ["d.cjs", "a job's"],
      ["e.TS", "a job's"],
      ["f.mdx", "a job's"],
      ["readme.markdown", "a README"],
    ]);
  });
});
