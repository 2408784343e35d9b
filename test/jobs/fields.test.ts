import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fieldArguments, fileFields } from "../../src/jobs/fields.ts";
import { scanFolder } from "../../src/jobs-folder/scan.ts";
import { tempDir } from "../harness.ts";
import { ask, openProgram } from "../program.ts";

const open = (options = {}) => openProgram({ script: () => ({ text: "ok" }), ...options });
const TIME = { cron: "0 9 * * *", timezone: "UTC" };

/** A value for each field that is not its default. Facts are pinned by tools only, and tested with them. */
const SAMPLES: Record<Exclude<keyof typeof fieldArguments, "pinned_facts">, unknown> = {
  name: "Report",
  use_react_loop: false,
  max_iterations: 5,
  max_tokens: 2_000,
  timeout_seconds: 60,
  allowed_tools: ["current_time"],
  overlap: "buffer_one",
  catchup: "all",
  catchup_window_seconds: 3_600,
  jitter_seconds: 30,
  starts_at: "2030-01-01T00:00:00+00:00",
  ends_at: "2031-01-01T00:00:00+00:00",
  max_runs: 7,
  retry: { attempts: 3, backoff_seconds: 1, max_backoff_seconds: 2, on: ["lost"] },
  pause_after_failures: 9,
  on_interrupt: "restart",
  max_resumes: 2,
  max_tokens_per_job: 1_000_000,
  check: { name: "whoami", arguments: {} },
  silent_token: "NOTHING",
  previous_output: true,
  webhook_url: "https://example.com/hook",
  may_ask: true,
  approve_tools: ["mail__send"],
  answer_within_seconds: 3_600,
  default_answer: "no",
};
const NAMES = Object.keys(SAMPLES);

/** The fields that null takes away, and the values that are shown then. */
const TAKEN_AWAY: Partial<Record<keyof typeof SAMPLES, unknown>> = {
  name: null,
  starts_at: null,
  ends_at: null,
  max_runs: null,
  on_interrupt: null,
  max_tokens_per_job: null,
  check: undefined,
  silent_token: undefined,
  webhook_url: undefined,
  approve_tools: null,
  default_answer: undefined,
};

describe("a field of a job", () => {
  it("is an argument of the tools and a field of files, under one name", () => {
    expect(Object.keys(fieldArguments).sort()).toEqual([...NAMES, "pinned_facts"].sort());
    expect(Object.keys(fileFields).sort()).toEqual([...NAMES].sort());
  });

  it("is taken by schedule_task, stored, and shown by get_job after a restart", async () => {
    const program = await open();
    const job = { prompt: "Hello.", ...TIME, ...SAMPLES };
    const { job_id, ...made } = await ask(program.open(), "schedule_task", job);
    expect(made).toMatchObject(SAMPLES);
    await program.close();
    const again = await open({ dataDir: program.dataDir });
    expect(await ask(again.open(), "get_job", { job_id })).toMatchObject(SAMPLES);
  });

  it("is changed by update_job, which leaves the others, and taken away by null where it may be absent", async () => {
    const context = (await open()).open();
    const { job_id } = await ask(context, "schedule_task", { prompt: "Hello.", ...TIME });
    let expected = {};
    for (const [name, value] of Object.entries(SAMPLES)) {
      expected = { ...expected, [name]: value };
      expect(await ask(context, "update_job", { job_id, [name]: value }), name).toMatchObject(expected);
    }
    for (const [name, shown] of Object.entries(TAKEN_AWAY)) {
      const changed = await ask(context, "update_job", { job_id, [name]: null });
      expect(changed[name], name).toEqual(shown);
    }
  });

  it("means the same in the front matter of a file and in a code job", async () => {
    const dir = await tempDir();
    const fields = { ...TIME, ...SAMPLES };
    const front = Object.entries(fields).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
    await writeFile(join(dir, "a.md"), `---\n${front.join("\n")}\n---\nHello.`);
    await writeFile(join(dir, "b.mjs"), `export default { ...${JSON.stringify(fields)}, run() {} };`);
    const { jobs, problems } = await scanFolder(dir, Date.now());
    expect(problems).toEqual([]);
    const [prompt, code] = jobs.map(({ job: { action: _, ...job } }) => job);
    expect(prompt).toEqual(code);
    expect(prompt).toMatchObject({
      name: "Report",
      tools: ["current_time"],
      limits: { useReactLoop: false, maxIterations: 5, maxTokens: 2_000, timeoutSeconds: 60 },
      policy: { overlap: "buffer_one", maxRuns: 7, startsAt: Date.UTC(2030, 0, 1), pauseAfterFailures: 9 },
      provision: { check: { kind: "tool", tool: "whoami" }, silentToken: "NOTHING", previousOutput: true },
    });
  });
});
