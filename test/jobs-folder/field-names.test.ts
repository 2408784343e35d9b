import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { scanFolder } from "../../src/jobs-folder/scan.ts";
import { tempDir } from "../harness.ts";

const NOW = Date.UTC(2026, 1, 20, 9);

async function scan(files: Record<string, string>) {
  const dir = await tempDir();
  for (const [file, text] of Object.entries(files)) await writeFile(join(dir, file), text);
  return scanFolder(dir, NOW);
}
const markdown = (front: string) => `---\n${front}\n---\nHello.`;

describe("the fields of a job file", () => {
  it.each([
    ["every_seconds: 900", "every: 15m"],
    ["execute_at: 2026-03-01 07:30:00\ntimezone: UTC", "at: 2026-03-01 07:30:00\ntimezone: UTC"],
    ["cron: 0 9 * * *\nallowed_tools: [current_time]", "cron: 0 9 * * *\ntools: [current_time]"],
  ])("mean the same under the name that tools have and the name of files: %s", async (name, alias) => {
    const { jobs, problems } = await scan({ "a.md": markdown(name), "b.md": markdown(alias) });
    expect(problems).toEqual([]);
    expect(jobs).toHaveLength(2);
    expect(jobs[0]?.job).toEqual(jobs[1]?.job);
  });

  it.each<[string, number, RegExp]>([
    [
      "retry: {attemts: 3}",
      3,
      /^there is no field "attemts" in retry; there are attempts, backoff_seconds, /,
    ],
    ["retry:\n  attempts: 2\n  attemts: 3", 5, /no field "attemts" in retry; there are attempts, /],
    ["retry:\n  attempts: 0", 4, /^retry\.attempts: /],
    ["retry:\n  on: [crash, lots]", 4, /^retry\.on\.1: .*"crash"\|"lost"\|"timeout"/],
    ["check: {tol: x}", 3, /^there is no field "tol" in check; there are name, arguments$/],
    ["maxIterations: 3", 3, /"maxIterations"; did you mean max_iterations\?; there are name, cron, /],
    ["max_iteration: 3", 3, /did you mean max_iterations\?/],
    ["Timezone: UTC", 3, /did you mean timezone\?/],
    ["prompt: x", 3, /^there is no field "prompt"; there are name, cron, /],
    ["overlap: sometimes", 3, /^overlap: .*"skip"\|"buffer_one"/],
  ])("that are wrong are told with their line and the names there are: %j", async (field, line, said) => {
    const { problems } = await scan({ "a.md": markdown(`every: 1h\n${field}`) });
    expect(problems).toEqual([{ file: "a.md", line, message: expect.stringMatching(said) }]);
  });

  it("have the tools' names in a code job too", async () => {
    const { jobs, problems } = await scan({
      "a.mjs": 'export default { every_seconds: 60, allowed_tools: ["whoami"], run() {} };',
    });
    expect(problems).toEqual([]);
    expect(jobs[0]?.job).toMatchObject({ schedule: { everySeconds: 60 }, tools: ["whoami"] });
  });

  it.each([
    [
      "cron: 0 9 * * *\nallowed_tools: [whoami]\ntools: [whoami]",
      4,
      /^tools is another name of allowed_tools; give one of the two$/,
    ],
    ["every_seconds: 60\nevery: 1m", 3, /^every is another name of every_seconds/],
    ["at: 2026-03-01 07:30\nexecute_at: 2026-03-01 07:30", 2, /^at is another name of execute_at/],
    [
      "execute_at: 2026-03-01 07:30\nevery_seconds: 60",
      3,
      /exactly one of execute_at, cron and every_seconds, or after; execute_at and every_seconds were given$/,
    ],
    ["execute_at: soon", 2, /not a time that execute_at takes/],
    ["every_seconds: 15m", 2, /^every_seconds: /],
    ["every_seconds: 99999999", 2, /^every_seconds must be a whole number/],
    ["every: 9999d", 2, /^every must be a whole number/],
  ])("are refused by the name that the file has, at its line: %s", async (front, line, message) => {
    const { problems } = await scan({ "a.md": markdown(front) });
    expect(problems).toEqual([{ file: "a.md", line, message: expect.stringMatching(message) }]);
  });

  it("are refused at their line in a code job", async () => {
    const text =
      'export default {\n  run() {},\n  execute_at: "2026-03-01 07:30",\n  at: "2026-03-01 07:30",\n};';
    const { problems } = await scan({ "a.mjs": text });
    expect(problems).toMatchObject([{ line: 4, message: expect.stringMatching(/^at is another name of/) }]);
  });
});
