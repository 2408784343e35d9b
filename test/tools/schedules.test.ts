import { describe, expect, it } from "vitest";
import { ask, endedRun, openProgram } from "../program.ts";

const LATER = { execute_at: "2099-02-20 09:00:00", timezone: "Europe/Berlin" };
const WHOAMI = { tool: { name: "whoami" } };
const DEFAULTS = {
  overlap: "skip",
  catchup: "once",
  catchup_window_seconds: 31_536_000,
  jitter_seconds: 0,
  starts_at: null,
  ends_at: null,
  max_runs: null,
  retry: { attempts: 1, backoff_seconds: 30, max_backoff_seconds: 600, on: [] },
  pause_after_failures: 5,
};

describe("a job's policy", () => {
  it("is echoed with its effective values, changed in part, and refused when it leaves no time", async () => {
    const context = (await openProgram()).open();
    const { job_id, ...made } = await ask(context, "schedule_task", { ...WHOAMI, ...LATER });
    expect(made).toMatchObject(DEFAULTS);
    const policy = { overlap: "buffer_one", retry: { attempts: 3 }, ends_at: "2100-01-01 00:00" };
    expect(await ask(context, "update_job", { job_id, ...policy })).toMatchObject({
      ...DEFAULTS,
      overlap: "buffer_one",
      retry: { ...DEFAULTS.retry, attempts: 3 },
      ends_at: "2100-01-01T00:00:00+01:00",
    });
    expect(await ask(context, "update_job", { job_id, ends_at: "never" })).toMatchObject({ ends_at: null });
    const refused = context.toolkit.call("schedule_task", {
      ...WHOAMI,
      cron: "0 9 * * *",
      ends_at: "2020-01-01 00:00",
    });
    expect((await refused).content[0]?.text).toMatch(/Nothing would ever run.*INVALID_SCHEDULE/);
  });

  it("gives up with null what may be absent, and takes back what get_job shows of it", async () => {
    const context = (await openProgram({ script: () => ({ text: "ok" }) })).open();
    const bare = await ask(context, "schedule_task", { ...WHOAMI, ...LATER });
    const absent = { name: null, starts_at: null, ends_at: null, max_runs: null };
    expect(bare).toMatchObject(absent);
    const given = { name: "Mine", starts_at: "2099-01-01 00:00", ends_at: "2100-01-01 00:00", max_runs: 3 };
    const { job_id, allowed_tools } = await ask(context, "schedule_task", {
      prompt: "p",
      ...LATER,
      ...given,
      allowed_tools: ["whoami"],
    });
    expect(allowed_tools).toEqual(["whoami"]);
    const kept = await ask(context, "update_job", { job_id, name: "Yours" });
    expect(kept).toMatchObject({ name: "Yours", max_runs: 3, allowed_tools: ["whoami"] });
    const cleared = await ask(context, "update_job", { job_id, ...absent, allowed_tools: null });
    expect(cleared).toMatchObject(absent);
    expect(cleared.allowed_tools).toContain("current_time");
  });

  it("may ask for more time than the operator gives a run, and the answer says so", async () => {
    const context = (await openProgram({ maxTimeoutSeconds: 60 })).open();
    const longer = { ...WHOAMI, ...LATER, timeout_seconds: 61 };
    const { job_id, note, timeout_seconds } = await ask(context, "schedule_task", longer);
    expect([note, timeout_seconds]).toEqual([expect.stringContaining("at most 60 s on this server"), 61]);
    const changed = await context.toolkit.call("update_job", { job_id, timeout_seconds: 90 });
    expect(changed.content[0]?.text).toContain("at most 60 s on this server");
    const within = await ask(context, "schedule_task", { ...WHOAMI, ...LATER, timeout_seconds: 60 });
    expect(within).not.toHaveProperty("note");
  });

  it("warns of weekday numbers that Quartz counts otherwise, also when a job is changed", async () => {
    const context = (await openProgram()).open();
    const { job_id, note } = await ask(context, "schedule_task", { ...WHOAMI, cron: "0 0 9 ? * 2-6" });
    expect(note).toContain("in Quartz 1 is Sunday");
    const changed = await context.toolkit.call("update_job", { job_id, cron: "0 0 9 ? * 3" });
    expect(changed.content[0]?.text).toContain('"3" is WED; in Quartz 1 is Sunday');
    const named = await context.toolkit.call("update_job", { job_id, cron: "0 0 9 ? * MON" });
    expect(named.content[0]?.text).not.toContain("Quartz");
  });

  it("starts an interval at starts_at, and shows next_runs within the span and with jitter", async () => {
    const context = (await openProgram()).open();
    const base = { ...WHOAMI, timezone: "UTC", every_seconds: 3600, starts_at: "2099-01-01 00:00" };
    const plain = await ask(context, "schedule_task", { ...base, ends_at: "2099-01-01 01:00" });
    expect(plain.next_runs).toEqual(["2099-01-01T00:00:00+00:00", "2099-01-01T01:00:00+00:00"]);
    const { job_id } = await ask(context, "schedule_task", { ...base, starts_at: "now" });
    const moved = await ask(context, "update_job", { job_id, starts_at: "2099-01-01 00:00" });
    expect(moved.next_runs[0]).toBe("2099-01-01T00:00:00+00:00");
    const { next_runs } = await ask(context, "schedule_task", { ...base, jitter_seconds: 1800 });
    const lateMs = (next_runs as string[]).map((at, hour) => Date.parse(at) - Date.UTC(2099, 0, 1, hour));
    expect(lateMs).toHaveLength(3);
    for (const late of lateMs) expect(late >= 0 && late <= 1_800_000).toBe(true);
    expect(new Set(lateMs).size).toBe(3);
  });
});

describe("get_job", () => {
  it("counts, names the last run that has ended, and warns after two failures, as list_jobs does", async () => {
    const program = await openProgram({ scheduler: true });
    const context = program.open();
    const failing = { tool: { name: "get_run", arguments: { run_id: "run_none" } }, pause_after_failures: 2 };
    const { job_id } = await ask(context, "schedule_task", { ...failing, cron: "0 9 1 1 *" });
    expect(await ask(context, "get_job", { job_id })).toMatchObject({
      last_run: null,
      counters: { runs_started: 0, denied_tool_calls: 0 },
    });
    for (let i = 0; i < 2; i++) await ask(context, "run_job", { job_id, wait: true });
    const job = await ask(context, "get_job", { job_id });
    expect(job).toMatchObject({
      status: "paused",
      status_reason: expect.stringMatching(/after 2 failures in a row/),
      warning: expect.stringMatching(/last 2 runs failed/),
      counters: { runs_started: 2, runs_failed: 2, consecutive_failures: 2, scheduled_runs: 0 },
      last_run: { status: "failed" },
    });
    expect((await ask(context, "list_jobs")).jobs[0].warning).toBe(job.warning);
    const resumed = await ask(context, "resume_job", { job_id });
    expect(resumed.warning).toBeUndefined();
  });
});

describe("preview_schedule", () => {
  it("shows the next times, over a change of the clocks and a leap day, and stores nothing", async () => {
    const context = (await openProgram()).open();
    const preview = (args: object) => ask(context, "preview_schedule", args);
    const spring = { cron: "30 2 * * *", timezone: "Europe/Berlin", starts_at: "2099-03-28 00:00", count: 3 };
    expect((await preview(spring)).times).toEqual([
      "2099-03-28T02:30:00+01:00",
      "2099-03-29T03:00:00+02:00",
      "2099-03-30T02:30:00+02:00",
    ]);
    const leap = { cron: "0 0 29 2 *", timezone: "UTC", starts_at: "2096-03-01 00:00", count: 2 };
    expect((await preview(leap)).times).toEqual(["2104-02-29T00:00:00+00:00", "2108-02-29T00:00:00+00:00"]);
    expect((await preview(LATER)).times).toEqual(["2099-02-20T09:00:00+01:00"]);
    expect((await ask(context, "list_jobs")).jobs).toEqual([]);
  });
});

describe("backfill", () => {
  it("queues a run for each past time, read in the job's zone", async () => {
    const context = (await openProgram({ scheduler: true })).open();
    const daily = { ...WHOAMI, cron: "0 9 * * *", timezone: "Asia/Tokyo" };
    const { job_id } = await ask(context, "schedule_task", daily);
    const span = { from: "2026-01-01 00:00", to: "2026-01-03 09:00" };
    const filled = await ask(context, "backfill", { job_id, ...span });
    expect(filled).toMatchObject({ queued: 3, already_run: 0 });
    expect(filled.runs[0].scheduled_for).toBe("2026-01-01T09:00:00+09:00");
    for (const { run_id } of filled.runs)
      expect(await endedRun(context, job_id, run_id)).toMatchObject({
        status: "succeeded",
        trigger: "backfill",
      });
    expect(await ask(context, "backfill", { job_id, ...span })).toMatchObject({ queued: 0, already_run: 3 });
  });
});

describe("run_job that waits", () => {
  it("tells each step as it happens and answers with the run", async () => {
    const program = await openProgram({
      scheduler: true,
      script: ({ messages }) =>
        messages.some(({ role }) => role === "tool")
          ? { text: "It is late." }
          : { calls: [{ tool: "current_time", arguments: {} }] },
    });
    const context = program.open();
    const { job_id } = await ask(context, "schedule_task", { prompt: "How late is it?", ...LATER });
    const told: [number, string | undefined][] = [];
    const result = await context.toolkit.call(
      "run_job",
      { job_id, wait: true },
      { progress: (done, _total, message) => told.push([done, message]) },
    );
    expect(result.structuredContent).toMatchObject({ status: "succeeded", output: "It is late.", job_id });
    expect(told.map(([done]) => done)).toEqual([1, 2, 3]);
    expect(told[1]?.[1]).toMatch(/^current_time: /);
    expect(told[2]?.[1]).toBe("It is late.");
  });

  it("ends the run when the caller cancels", async () => {
    const program = await openProgram({
      scheduler: true,
      script: () => ({ text: "late", delayMs: 30_000 }),
    });
    const context = program.open();
    const { job_id } = await ask(context, "schedule_task", { prompt: "Wait.", ...LATER });
    const caller = new AbortController();
    const call = context.toolkit.call("run_job", { job_id, wait: true }, { signal: caller.signal });
    await expect
      .poll(async () => (await ask(context, "list_runs", { job_id })).runs[0]?.status, { timeout: 10_000 })
      .toBe("running");
    caller.abort();
    expect((await call).content[0]?.text).toMatch(/CANCELLED/);
    expect(await endedRun(context, job_id)).toMatchObject({ status: "cancelled" });
  });

  it("answers at once with a run that its overlap skips, and with the reason", async () => {
    const program = await openProgram({ scheduler: true, script: () => ({ text: "late", delayMs: 30_000 }) });
    const context = program.open();
    const { job_id } = await ask(context, "schedule_task", { prompt: "Wait.", ...LATER });
    const { run_id } = await ask(context, "run_job", { job_id });
    const skipped = await ask(context, "run_job", { job_id, overlap: "skip", wait: true });
    expect(skipped).toMatchObject({
      status: "skipped",
      status_reason: expect.stringContaining("overlap: skip"),
    });
    await ask(context, "cancel_run", { run_id });
    await endedRun(context, job_id, run_id);
  });
});

describe("a job that is due while it runs", () => {
  it("has its run cancelled where its overlap says so, and the reason is kept", async () => {
    const program = await openProgram({ scheduler: true, script: () => ({ text: "late", delayMs: 30_000 }) });
    const context = program.open();
    const policy = { overlap: "cancel_other", max_runs: 2 };
    const { job_id } = await ask(context, "schedule_task", { prompt: "Wait.", every_seconds: 1, ...policy });
    const first = await endedRun(context, job_id);
    expect(first).toMatchObject({
      status: "cancelled",
      status_reason: "A newer run of this job took its place (overlap: cancel_other).",
      failure: { message: "A newer run of this job took its place (overlap: cancel_other)." },
    });
    const statuses = async () =>
      (await ask(context, "list_runs", { job_id })).runs.map(({ status }: { status: string }) => status);
    await expect.poll(statuses, { timeout: 5_000 }).toEqual(["running", "cancelled"]);
    const [{ run_id }] = (await ask(context, "list_runs", { job_id })).runs;
    await ask(context, "cancel_run", { run_id });
    await endedRun(context, job_id, run_id);
  });
});
