import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { startScriptedModel } from "../../src/model/scripted.ts";
import { cli } from "../child-process.ts";
import { ROOT, tempDir } from "../harness.ts";
import { ask, openProgram } from "../program.ts";

const DAILY = { tool: { name: "whoami" }, cron: "0 9 * * *", timezone: "UTC", name: "Daily \u001b[31mred" };

let data: string;
let jobId: string;

const run = (...args: string[]) => cli([...args, "--data", data, "--user", "alice"]);
const json = async (...args: string[]) => {
  const { code, stdout, stderr } = await run(...args, "--json");
  expect(stderr, args.join(" ")).toBe("");
  return { code, value: JSON.parse(stdout) };
};

beforeEach(async () => {
  data = await tempDir();
  const program = await openProgram({ dataDir: data });
  ({ job_id: jobId } = await ask(program.open(), "schedule_task", DAILY));
  await ask(program.open("bob"), "schedule_task", { ...DAILY, name: "Bob's" });
  await program.close();
});

const JOB_KEYS = [
  ...[
    "answer_within_seconds",
    "approve_tools",
    "max_resumes",
    "may_ask",
    "on_interrupt",
    "job_id",
    "ghost_session_id",
    "name",
    "status",
    "status_reason",
    "tool",
    "cron",
    "timezone",
    "next_runs",
    "previous_output",
  ],
  ...[
    "use_react_loop",
    "max_iterations",
    "max_tokens",
    "max_tokens_per_job",
    "timeout_seconds",
    "allowed_tools",
    "created_at",
    "updated_at",
  ],
  ...["overlap", "catchup", "catchup_window_seconds", "jitter_seconds", "starts_at", "ends_at", "max_runs"],
  ...["retry", "pause_after_failures"],
].sort();
const RUN_KEYS = [
  ...[
    "run_id",
    "job_id",
    "status",
    "trigger",
    "scheduled_for",
    "started_at",
    "finished_at",
    "late_by_seconds",
  ],
  ...["execution_time_seconds", "attempt", "missed_before", "output", "usage"],
];

describe("nightshift jobs", () => {
  it("lists the jobs of its user, as JSON and for people, whose terminal they cannot drive", async () => {
    const { code, value } = await json("jobs", "list");
    expect(code).toBe(0);
    expect(Object.keys(value)).toEqual(["jobs"]);
    expect(value.jobs).toHaveLength(1);
    expect(Object.keys(value.jobs[0]).sort()).toEqual(JOB_KEYS);
    const { stdout } = await run("jobs", "list");
    expect(stdout).toMatch(/^JOB +STATUS +NEXT +ZONE +WHAT\n/);
    expect(stdout).toContain(jobId);
    expect(stdout).toContain("Daily [31mred");
    expect(stdout).not.toContain("\u001b");
    expect((await json("jobs", "list", "--status", "paused")).value).toEqual({ jobs: [] });
    expect((await run("jobs", "list", "--status", "paused")).stdout).toMatch(/^No jobs/);
  }, 40_000);

  it("shows, pauses, resumes and cancels one", async () => {
    expect((await json("jobs", "show", jobId)).value).toMatchObject({
      job_id: jobId,
      status: "active",
      last_run: null,
    });
    expect((await run("jobs", "show", jobId)).stdout).toMatch(
      /when +0 9 \* \* \* \(UTC\)\n +next +\d{4}-.*T09:00:00/,
    );
    expect((await json("jobs", "pause", jobId)).value).toMatchObject({ status: "paused", next_runs: [] });
    expect((await json("jobs", "resume", jobId)).value).toMatchObject({ status: "active" });
    expect((await run("jobs", "cancel", jobId)).stdout).toContain("cancelled  Cancelled by its owner.");
    const again = await run("jobs", "resume", jobId);
    expect(again).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/cancelled.*schedule_task/),
    });
  }, 40_000);

  it("says the same of a job that is absent and of somebody else's", async () => {
    const bob = await cli(["jobs", "list", "--data", data, "--user", "bob", "--json"]);
    const theirs = JSON.parse(bob.stdout).jobs[0].job_id;
    const [other, none] = [await run("jobs", "show", theirs), await run("jobs", "show", "job_none")];
    expect(other).toEqual(none);
    expect(none).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("You have no job with this id"),
    });
  }, 40_000);

  it("runs one and waits for its end; runs list and show tell of it", async () => {
    const { code, value } = await json("jobs", "run", jobId);
    expect(code).toBe(0);
    expect(value).toMatchObject({
      job_id: jobId,
      status: "succeeded",
      trigger: "manual",
      entity_type: "scheduler",
    });
    const listed = (await json("runs", "list")).value;
    expect(listed.runs).toHaveLength(1);
    for (const key of RUN_KEYS) expect(Object.keys(listed.runs[0])).toContain(key);
    const nonsense = await run("runs", "list", "--job", "nonsense");
    expect([nonsense.code, nonsense.stdout]).toEqual([1, ""]);
    expect(nonsense.stderr).toMatch(/You have no job with this id.* The newest: job_/);
    expect((await json("runs", "show", "last")).value).toEqual(value);
    expect((await json("runs", "show", value.run_id)).value).toEqual(value);
    expect((await run("runs", "list")).stdout).toMatch(
      /^RUN +STATUS +FOR +TOOK +JOB +RESULT\nrun_\S+ +succeeded .* Daily/,
    );
    const shown = (await run("runs", "show", value.run_id)).stdout;
    expect(shown).toMatch(/^run_\S+ {2}succeeded/);
    expect(shown).toMatch(/1 {2}tool whoami/);
    expect((await run("runs", "show", "run_none")).code).toBe(1);
  }, 40_000);

  it("runs a prompt against the configured model, and exits with 1 when the run failed", async () => {
    const model = await startScriptedModel({ script: () => ({ text: "Good morning." }) });
    const env = { NIGHTSHIFT_MODEL: "openai-compatible:scripted", NIGHTSHIFT_MODEL_BASE_URL: model.baseUrl };
    const program = await openProgram({
      dataDir: data,
      model: env.NIGHTSHIFT_MODEL,
      modelBaseUrl: model.baseUrl,
    });
    const { job_id } = await ask(program.open(), "schedule_task", {
      ...DAILY,
      tool: undefined,
      prompt: "Greet.",
    });
    await program.close();
    const args = ["jobs", "run", job_id, "--data", data, "--user", "alice"];
    expect((await cli(args, { env })).stdout).toContain("Good morning.");
    await model.close();
    const failed = await cli(args, { env });
    expect(failed).toMatchObject({ code: 1, stdout: expect.stringContaining("MODEL_UNREACHABLE") });
    const without = await cli(args);
    expect(without).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("NIGHTSHIFT_MODEL"),
    });
  }, 60_000);
});

describe("nightshift jobs preview", () => {
  it("shows when a schedule would run, and says what is wrong with one", async () => {
    const cron = ["jobs", "preview", "--cron", "30 2 * * *", "--timezone", "Europe/Berlin"];
    const { code, stdout } = await cli([
      ...cron,
      "--starts-at",
      "2099-03-28 00:00:00",
      "--count",
      "2",
      "--json",
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      timezone: "Europe/Berlin",
      times: ["2099-03-28T02:30:00+01:00", "2099-03-29T03:00:00+02:00"],
    });
    const every = await cli(["jobs", "preview", "--every", "90", "--count", "3"]);
    expect(every.stdout.trim().split("\n")).toHaveLength(3);
    expect(
      (await cli(["jobs", "preview", "--at", "2099-01-01 09:00:00", "--timezone", "UTC"])).stdout,
    ).toMatch(/^2099-01-01T09:00:00\S*\n$/);
    expect(await cli(["jobs", "preview", "--every", "soon"])).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("every_seconds"),
    });
    expect((await cli(["jobs", "preview"])).stderr).toContain("exactly one");
  }, 40_000);
});

describe("nightshift jobs backfill", () => {
  it("queues a run for each time that was, once, for whoever runs jobs next", async () => {
    const span = ["--from", "2026-01-01 00:00:00", "--to", "2026-01-03 23:00:00"];
    const { code, value } = await json("jobs", "backfill", jobId, ...span);
    expect(code).toBe(0);
    expect(value).toMatchObject({ job_id: jobId, queued: 3, already_run: 0 });
    expect((await json("runs", "list")).value.runs).toMatchObject([{}, {}, {}]);
    const again = await run("jobs", "backfill", jobId, ...span);
    expect(again.stdout).toMatch(/^0 queued, 3 had their run before/);
    expect((await run("jobs", "backfill", jobId)).code).not.toBe(0);
  }, 40_000);

  it("needs neither the model nor the folder that the runs will need", async () => {
    const jobsDir = await tempDir();
    await writeFile(join(jobsDir, "p.md"), "---\ncron: 0 9 * * *\ntimezone: UTC\n---\nHello.");
    await writeFile(
      join(jobsDir, "c.js"),
      'export default { cron: "0 9 * * *", timezone: "UTC", run() {} };',
    );
    const program = await openProgram({ dataDir: data, jobsDir, scheduler: true });
    const { jobs } = await ask(program.open(), "list_jobs");
    await program.close();
    const files = jobs.filter(({ file }: { file?: string }) => file);
    expect(files).toHaveLength(2);
    const span = ["--from", "2026-01-01 00:00:00", "--to", "2026-01-01 23:00:00"];
    for (const { job_id } of files)
      expect((await json("jobs", "backfill", job_id, ...span)).value).toMatchObject({
        queued: 1,
        waiting_because: expect.any(String),
      });
  }, 40_000);
});

describe("nightshift jobs validate", () => {
  it("checks a folder, and exits with 1 when a file is bad", async () => {
    const dir = await tempDir();
    await writeFile(join(dir, "good.md"), "---\nevery: 1h\nname: Good\n---\nHello.");
    const good = await cli(["jobs", "validate", dir]);
    expect(good).toMatchObject({ code: 0, stdout: expect.stringMatching(/^ok +good\.md {2}next \d{4}-/) });
    await writeFile(join(dir, "bad.md"), "---\nevery: 1h\ncolour: red\n---\nHello.");
    const bad = await cli(["jobs", "validate", dir, "--json"]);
    expect(bad.code).toBe(1);
    expect(JSON.parse(bad.stdout)).toEqual({
      valid: false,
      jobs: [{ file: "good.md", name: "Good", next_run: expect.any(String) }],
      problems: [{ file: "bad.md", line: 3, message: expect.stringContaining('no field "colour"') }],
    });
    expect((await cli(["jobs", "validate", dir])).stdout).toMatch(
      /^bad +bad\.md:3 {2}there is no field "colour"/m,
    );
    const ours = await cli(["jobs", "validate", "--jobs", join(ROOT, "jobs"), "--json"]);
    expect(JSON.parse(ours.stdout)).toMatchObject({ valid: true, problems: [] });
    expect((await cli(["jobs", "validate"])).stderr).toContain("Name the folder");
  }, 40_000);
});

describe("every flag", () => {
  it("has an environment twin, over which it wins", async () => {
    const env = { NIGHTSHIFT_DATA_DIR: data, NIGHTSHIFT_USER: "alice" };
    const jobsOf = async (args: string[]) =>
      JSON.parse((await cli(["jobs", "list", "--json", ...args], { env })).stdout).jobs;
    expect(await jobsOf([])).toMatchObject([{ job_id: jobId }]);
    expect(await jobsOf(["--user", "bob"])).toMatchObject([{ name: "Bob's" }]);
    expect(await jobsOf(["--data", await tempDir()])).toEqual([]);
    const dir = await tempDir();
    await writeFile(join(dir, "a.md"), "no front matter");
    expect((await cli(["jobs", "validate"], { env: { NIGHTSHIFT_JOBS_DIR: dir } })).stdout).toMatch(
      /^bad +a\.md:1/,
    );
  }, 40_000);
});
