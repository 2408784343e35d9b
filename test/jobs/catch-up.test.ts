import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { Cron } from "croner";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { CATCHUP_BATCH, MAX_COALESCED, type PlannedJob, planDue } from "../../src/jobs/catch-up.ts";
import type { Schedule } from "../../src/jobs/job.ts";
import { DEFAULT_POLICY, type Policy } from "../../src/jobs/job.ts";
import { latestTime, nextTime, nextTimes } from "../../src/jobs/schedule.ts";
import { ROOT } from "../harness.ts";

const jobOf = (cron: string, timezone: string, policy: Partial<Policy> = {}): PlannedJob => ({
  jobId: "job_1",
  schedule: { kind: "cron", cron },
  timezone,
  policy: { ...DEFAULT_POLICY, ...policy },
});
const at = (text: string): number => Date.parse(text);
const iso = (times: readonly number[]): string[] =>
  times.map((time) => new Date(time).toISOString().slice(0, 16));

/** All that a job runs, woken at its next times and, once, only at `wokenAt`. */
function runsOf(job: PlannedJob, from: string, wokenAt: string) {
  let due = nextTime(job, at(from));
  const runs: number[] = [];
  let missed = 0;
  while (due !== null && due <= at(wokenAt)) {
    const plan = planDue(job, due, at(wokenAt));
    runs.push(...plan.runs.map(({ scheduledFor }) => scheduledFor));
    missed += (plan.missed?.count ?? 0) + plan.runs.reduce((sum, { coalesced }) => sum + coalesced, 0);
    due = plan.next;
  }
  return { runs, missed, next: due };
}

describe("catching up over a change of the clocks", () => {
  const ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Asia/Kolkata",
  ];

  it.each(ZONES)("runs each time once with catchup all, and none twice, in %s", (zone) => {
    for (const month of ["03", "04", "09", "10", "11"]) {
      const job = jobOf("30 2 * * *", zone, { catchup: "all" });
      const [from, to] = [`2026-${month}-01T00:00:00Z`, `2026-${month}-28T12:00:00Z`];
      const { runs, missed, next } = runsOf(job, from, to);
      const expected = nextTimes(job, at(from), 40).filter((time) => time <= at(to));
      expect(iso(runs)).toEqual(iso(expected));
      expect(missed).toBe(0);
      expect(next).toBe(nextTime(job, at(to)));
      expect(
        new Set(runs.map((time) => new Date(time + 12 * 3_600_000).toISOString().slice(0, 10))).size,
      ).toBe(runs.length);
    }
  });

  it.each(ZONES)("counts what one late run stands for, whatever the clocks did, in %s", (zone) => {
    for (const month of ["03", "04", "10", "11"]) {
      const job = jobOf("30 2 * * *", zone);
      const [from, to] = [`2026-${month}-01T00:00:00Z`, `2026-${month}-28T12:00:00Z`];
      const all = nextTimes(job, at(from), 40).filter((time) => time <= at(to));
      expect(runsOf(job, from, to)).toEqual({
        runs: [all.at(-1)],
        missed: all.length - 1,
        next: nextTime(job, at(to)),
      });
    }
  });

  it("catches up a leap day four years later, as the one time that was missed", () => {
    const job = jobOf("0 9 29 2 *", "UTC", { catchupWindowSeconds: 5 * 366 * 86_400 });
    const { runs, missed } = runsOf(job, "2024-01-01T00:00:00Z", "2028-02-28T00:00:00Z");
    expect(iso(runs)).toEqual(["2024-02-29T09:00"]);
    expect(missed).toBe(0);
  });

  it("does no more at once than a batch, and goes on from there", () => {
    const job = jobOf("* * * * *", "UTC", { catchup: "all" });
    const first = planDue(job, at("2026-01-01T00:00Z"), at("2026-01-02T00:00Z"));
    expect(first.runs).toHaveLength(CATCHUP_BATCH);
    const second = planDue(job, first.next ?? 0, at("2026-01-02T00:00Z"));
    expect((second.runs[0]?.scheduledFor ?? 0) - (first.runs.at(-1)?.scheduledFor ?? 0)).toBe(60_000);
  });
});

describe("a clock that jumps", () => {
  const job = jobOf("0 * * * *", "Europe/Berlin");

  it("forward by a year: one run, and the rest counted, without a walk through it", () => {
    const nextRun = vi.spyOn(Cron.prototype, "nextRun");
    onTestFinished(() => nextRun.mockRestore());
    const plan = planDue(job, at("2026-01-01T00:00Z"), at("2026-12-31T23:30Z"));
    // Not one for each of the 8,760 hours.
    expect(nextRun.mock.calls.length).toBeLessThan(MAX_COALESCED + 50);
    expect(plan).toMatchObject({ missed: null, next: at("2027-01-01T00:00Z") });
    expect(plan.runs).toMatchObject([{ scheduledFor: at("2026-12-31T23:00Z"), coalesced: 1000 }]);
  });

  it("back: nothing is due until the stored time comes again", () => {
    const [due, now] = [at("2026-01-01T05:00Z"), at("2026-01-01T05:00Z")];
    const { next } = planDue(job, due, now);
    expect(next).toBe(at("2026-01-01T06:00Z"));
    expect(latestTime(job, at("2026-01-01T04:30Z"))).toBeLessThan(next ?? 0);
  });

  it("forward past ends_at: the last time within the span is run, and no other comes", () => {
    const ending = jobOf("0 * * * *", "UTC", { endsAt: at("2026-01-01T03:30Z") });
    const plan = planDue(ending, at("2026-01-01T01:00Z"), at("2026-01-01T09:00Z"));
    expect(plan.runs).toMatchObject([{ scheduledFor: at("2026-01-01T03:00Z"), coalesced: 2 }]);
    expect(plan.next).toBeNull();
  });

  it("with jitter, does not run what its jitter still keeps back", () => {
    const late: Schedule = { kind: "every", everySeconds: 3600, anchor: at("2026-01-01T00:00Z") };
    const jittered = { ...job, schedule: late, policy: { ...DEFAULT_POLICY, jitterSeconds: 3000 } };
    for (let minute = 0; minute < 60; minute += 7) {
      const now = at("2026-01-01T09:00Z") + minute * 60_000;
      const [run] = planDue(jittered, at("2026-01-01T01:00Z") + 3_000_000, now).runs;
      expect(run?.scheduledFor).toBeLessThanOrEqual(now);
      const { next } = planDue(jittered, at("2026-01-01T01:00Z") + 3_000_000, now);
      expect(next).toBe((run?.scheduledFor ?? 0) + 3_600_000);
    }
  });
});

describe("a host in another zone", () => {
  const SCRIPT = `
    const { planDue } = await import(process.argv[1]);
    const { nextTimes, startOf } = await import(process.argv[2]);
    const policy = JSON.parse(process.argv[3]);
    const jobs = ["30 2 * * *", "0,30 1-3 * * *", "*/7 * * * *"].map((cron) => (
      { jobId: "job_1", schedule: { kind: "cron", cron }, timezone: "Europe/Berlin", policy }));
    const spans = ["2026-03-28T12:00Z", "2026-10-24T12:00Z"].map(Date.parse);
    console.log(JSON.stringify(jobs.flatMap((job) => spans.map((from) => {
      const times = nextTimes(job, from, 9);
      return [times, times.map((at) => startOf("job_1", job, at)), planDue(job, times[0], from + 2 * 86_400_000)];
    }))));`;

  it("computes the same times, delays and plans, on every side of the date line", () => {
    const policy = JSON.stringify({ ...DEFAULT_POLICY, jitterSeconds: 600 });
    const args = ["--input-type=module", "-e", SCRIPT];
    const files = ["src/jobs/catch-up.ts", "src/jobs/schedule.ts"].map((file) => join(ROOT, file));
    const said = ["UTC", "Pacific/Kiritimati", "America/St_Johns", "Europe/Berlin"].map((TZ) =>
      execFileSync(process.execPath, [...args, ...files, policy], { env: { TZ }, encoding: "utf8" }),
    );
    expect(new Set(said).size).toBe(1);
    expect(said[0]?.length).toBeGreaterThan(500);
  });
});
