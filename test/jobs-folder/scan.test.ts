import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DEFAULT_POLICY, NO_PROVISION } from "../../src/jobs/job.ts";
import { describeCodeJob, scanFolder } from "../../src/jobs-folder/scan.ts";
import { ROOT, tempDir } from "../harness.ts";

const NOW = Date.UTC(2026, 1, 20, 9);
const NIGHTSHIFT = JSON.stringify(join(ROOT, "src/index.ts"));

async function folderOf(files: Record<string, string>): Promise<string> {
  const dir = await tempDir();
  for (const [file, text] of Object.entries(files)) await writeFile(join(dir, file), text);
  return dir;
}
const scan = async (files: Record<string, string>) => scanFolder(await folderOf(files), NOW);
const problemOf = async (file: string, text: string) => (await scan({ [file]: text })).problems[0];

describe("a Markdown job", () => {
  it("is a prompt with its schedule, limits and tools", async () => {
    const { jobs, problems } = await scan({
      "full.md": `---
name: Report
cron: 0 9 * * 1-5
timezone: europe/berlin
tools: [current_time, list_runs]
use_react_loop: true
max_iterations: 5
max_tokens: 2000
timeout_seconds: 60
overlap: buffer_one
ends_at: 2027-01-01 00:00:00
retry: { attempts: 3, on: [lost] }
---

Write a report.

---
Three dashes in the prompt are the prompt's.
`,
    });
    expect(problems).toEqual([]);
    expect(jobs).toEqual([
      {
        file: "full.md",
        digest: expect.stringMatching(/^[0-9a-f]{64}$/),
        job: {
          name: "Report",
          action: {
            kind: "prompt",
            prompt: "Write a report.\n\n---\nThree dashes in the prompt are the prompt's.",
          },
          schedule: { kind: "cron", cron: "0 9 * * 1-5" },
          timezone: "Europe/Berlin",
          limits: { useReactLoop: true, maxIterations: 5, maxTokens: 2_000, timeoutSeconds: 60 },
          policy: {
            ...DEFAULT_POLICY,
            overlap: "buffer_one",
            endsAt: Date.UTC(2026, 11, 31, 23),
            retry: { ...DEFAULT_POLICY.retry, attempts: 3, on: ["lost"] },
          },
          tools: ["current_time", "list_runs"],
          provision: NO_PROVISION,
          nextRunAt: Date.UTC(2026, 1, 23, 8),
        },
      },
    ]);
  });

  it.each([
    ["every: 15m", { kind: "every", everySeconds: 900 }],
    ["every: 90", { kind: "every", everySeconds: 90 }],
    ["every: 1.5h", { kind: "every", everySeconds: 5_400 }],
    ["every: 2 d", { kind: "every", everySeconds: 172_800 }],
    ["at: 2026-03-01 07:30:00\ntimezone: UTC", { kind: "at", at: Date.UTC(2026, 2, 1, 7, 30) }],
    ['at: "2026-03-01T07:30:00+01:00"', { kind: "at", at: Date.UTC(2026, 2, 1, 6, 30) }],
    ['cron: "@daily"', { kind: "cron", cron: "@daily" }],
  ])("runs as it says: %s", async (front, schedule) => {
    const { jobs, problems } = await scan({ "a.md": `---\n${front}\n---\nHello.` });
    expect(problems).toEqual([]);
    expect(jobs[0]?.job.schedule).toMatchObject(schedule);
  });

  it("may come from Windows: line ends, and a byte order mark", async () => {
    const text = "\uFEFF---\r\nevery: 1h\r\n---\r\nHello.\r\n";
    const { jobs, problems } = await scan({ "a.md": text });
    expect(problems).toEqual([]);
    expect(jobs[0]?.job.action).toEqual({ kind: "prompt", prompt: "Hello." });
    const bad = "---\r\nevery: 1h\r\ncolour: red\r\n---\r\nHello.";
    expect(await problemOf("a.md", bad)).toMatchObject({ line: 3 });
  });

  it("whose time has passed is no problem: it has nothing left to do", async () => {
    const { jobs, problems } = await scan({ "a.md": "---\nat: 2020-01-01 00:00:00\n---\nHello." });
    expect(problems).toEqual([]);
    expect(jobs[0]?.job.nextRunAt).toBeNull();
  });

  const bad: [string, string, number | undefined, RegExp][] = [
    [
      "a bad cron",
      "---\nname: A\ncron: 99 9 * * *\n---\nHello.",
      3,
      /cron expression "99 9 \* \* \*" can't be read/,
    ],
    [
      "a span that ends before it starts",
      "---\nevery: 1h\nstarts_at: 2027-01-02 00:00\nends_at: 2027-01-01 00:00\n---\nHello.",
      3,
      /ends_at is before starts_at/,
    ],
    ["a cron that never comes", "---\ncron: 0 0 30 2 *\n---\nHello.", 2, /never comes true/],
    [
      "an unknown field",
      "---\ncron: 0 9 * * *\nname: A\ncolour: red\n---\nHello.",
      4,
      /no field "colour"; there are name, cron/,
    ],
    [
      "a field of the wrong type",
      "---\nevery: 1h\nmax_iterations: many\n---\nHello.",
      3,
      /^max_iterations: /,
    ],
    ["a limit that is too high", "---\nevery: 1h\nmax_iterations: 1000\n---\nHello.", 3, /^max_iterations: /],
    [
      "a duration that is none",
      "---\nname: A\nevery: sometimes\n---\nHello.",
      3,
      /such as 90s, 15m, 2h or 1d/,
    ],
    ["YAML that is broken", "---\nevery: 1h\nname: [open\n---\nHello.", 4, /./],
    ["a field given twice", "---\nevery: 1h\nevery: 2h\n---\nHello.", 3, /unique/],
    ["YAML that is a word", "---\nhello\n---\nHello.", 1, /expected object/],
    [
      "an unknown zone",
      "---\nname: A\ncron: 0 9 * * *\ntimezone: Berlin\n---\nHello.",
      4,
      /Did you mean Europe\/Berlin/,
    ],
    [
      "two schedules",
      "---\nname: A\ncron: 0 9 * * *\nevery: 1h\n---\nHello.",
      3,
      /exactly one of at, cron and every, or after; cron and every were given/,
    ],
    [
      "no schedule",
      "---\nname: A\n---\nHello.",
      1,
      /exactly one of at, cron and every, or after; none was given/,
    ],
    ["a time that is none", "---\nat: tomorrow\n---\nHello.", 2, /not a time that at takes/],
    ["no front matter", "# Hello\n\nJust text.", 1, /must start with front matter/],
    [
      "front matter that begins later",
      "Hello\n---\nevery: 1h\n---\nHello.",
      1,
      /must start with front matter/,
    ],
    ["front matter that does not end", "---\nevery: 1h\nHello.", 1, /must start with front matter/],
    ["an empty file", "", 1, /must start with front matter/],
    ["no prompt", "---\nevery: 1h\n---\n\n  \n", 3, /no prompt below the front matter/],
    [
      "an alias bomb",
      `---\na: &a [${"x,".repeat(20)}]\nb: &b [${"*a,".repeat(20)}]\nc: [${"*b,".repeat(20)}]\nevery: 1h\n---\nHello.`,
      undefined,
      /alias|no field/,
    ],
    ["too much of it", `---\nevery: 1h\n---\n${"x".repeat(300_000)}`, undefined, /larger than 256 KiB/],
  ];
  it.each(bad)("with %s is a problem with its file and line", async (_what, text, line, message) => {
    const { jobs, problems } = await scan({ "bad.md": text, "good.md": "---\nevery: 1h\n---\nHello." });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ file: "bad.md", message: expect.stringMatching(message) });
    if (line !== undefined) expect(problems[0]?.line).toBe(line);
    expect(jobs.map(({ file }) => file)).toEqual(["good.md"]);
  });
});

describe("a code job", () => {
  it("is a plain object, or made with defineJob", async () => {
    const { jobs, problems } = await scan({
      "plain.js":
        'export default { name: "Plain", every: "6h", timeout_seconds: 30, run: async () => "ok" };',
      "typed.ts": `import { defineJob, type Ghost } from ${NIGHTSHIFT};
        export default defineJob({ cron: "0 9 * * *", timezone: "UTC", run: async (ghost: Ghost) => ghost.jobId });`,
    });
    expect(problems).toEqual([]);
    expect(jobs).toMatchObject([
      {
        file: "plain.js",
        job: {
          name: "Plain",
          action: { kind: "code", file: "plain.js" },
          schedule: { kind: "every", everySeconds: 21_600 },
          limits: { timeoutSeconds: 30 },
        },
      },
      {
        file: "typed.ts",
        job: { action: { kind: "code", file: "typed.ts" }, schedule: { cron: "0 9 * * *" } },
      },
    ]);
  });

  const bad: [string, string, number | undefined, RegExp][] = [
    ["throws at load", 'throw new Error("no disk");', undefined, /^it cannot be loaded: no disk$/],
    ["throws something odd at load", "throw null;", undefined, /^it cannot be loaded: null$/],
    [
      "throws later, while it loads",
      'setTimeout(() => { throw new Error("late"); }, 5); await new Promise((r) => setTimeout(r, 3000));',
      undefined,
      /^it cannot be loaded: late$/,
    ],
    ["is no JavaScript", "export default {", undefined, /^it cannot be loaded: /],
    ["imports what is not there", 'import "no-such-package";', undefined, /no-such-package/],
    ["ends the process", "process.exit(0);", undefined, /^it ended its thread while it was loaded$/],
    [
      "waits for nothing",
      "await new Promise(() => {});",
      undefined,
      /^it ended its thread while it was loaded$/,
    ],
    ["exports nothing", "export const job = {};", undefined, /needs a default export/],
    ["has no run", 'export default { every: "1h" };', undefined, /needs a function run\(ghost\)/],
    [
      "has an unknown field",
      'export default {\n  every: "1h",\n  colour: "red",\n  run() {},\n};',
      3,
      /no field "colour"/,
    ],
    ["has a bad cron", 'export default {\n  run() {},\n  cron: "99 * * * *",\n};', 3, /can't be read/],
    [
      "has fields that are not JSON",
      'export default { every: "1h", name: 1n, run() {} };',
      undefined,
      /BigInt/,
    ],
  ];
  it.each(bad)("that %s is a problem of its own", async (_what, text, line, message) => {
    const { jobs, problems } = await scan({
      "bad.mjs": text,
      "good.js": 'export default { every: "1h", run() {} };',
    });
    expect(problems).toEqual([
      { file: "bad.mjs", ...(line && { line }), message: expect.stringMatching(message) },
    ]);
    expect(jobs.map(({ file }) => file)).toEqual(["good.js"]);
  });

  it("that never finishes loading is given up, and its thread ended", async () => {
    const dir = await folderOf({
      "spin.mjs": "for (;;);",
      "wait.mjs": "setInterval(() => {}, 1000); await new Promise(() => {});",
    });
    for (const file of ["spin.mjs", "wait.mjs"])
      expect(await describeCodeJob(join(dir, file), { timeoutMs: 300 })).toEqual({
        problem: "it did not finish loading within 0.3 s",
      });
  });

  it("is loaded in a thread that sees no environment and keeps nothing", async () => {
    const text =
      'globalThis.seen = (globalThis.seen ?? 0) + 1; export default { every: "1h", name: seen + " " + Object.keys(process.env).length, run() {} };';
    const dir = await folderOf({ "a.mjs": text });
    for (let i = 0; i < 2; i++) expect((await scanFolder(dir, NOW)).jobs[0]?.job.name).toBe("1 0");
    expect(globalThis).not.toHaveProperty("seen");
  });
});

describe("a jobs folder", () => {
  it("is read in order, without what is hidden, a README, types, folders and other files", async () => {
    const md = "---\nevery: 1h\n---\nHello.";
    const dir = await folderOf({
      "b.md": md,
      "a.md": md,
      ".hidden.md": md,
      "_draft.md": md,
      "README.md": "# Jobs",
      "types.d.ts": "export type A = 1;",
      "notes.txt": "hello",
    });
    await mkdir(join(dir, "folder.md"));
    const { jobs, problems } = await scanFolder(dir, NOW);
    expect([problems, jobs.map(({ file }) => file)]).toEqual([[], ["a.md", "b.md"]]);
  });

  it("that is not there is said so", async () => {
    const dir = join(await tempDir(), "gone");
    await expect(scanFolder(dir, NOW)).rejects.toMatchObject({ code: "CONFIG_INVALID", message: /--jobs/ });
  });

  it("of this project has one good example of each kind", async () => {
    const { jobs, problems } = await scanFolder(join(ROOT, "jobs"), NOW);
    expect(problems).toEqual([]);
    expect(jobs.map(({ job }) => job.action.kind).sort()).toEqual(["code", "prompt"]);
    expect(await readFile(join(ROOT, "package.json"), "utf8")).toContain('"jobs"');
  });
});
