import { describe, expect, it } from "vitest";
import { policyOf } from "../../src/jobs/fields.ts";
import type { Schedule } from "../../src/jobs/job.ts";
import { DEFAULT_POLICY, type Policy } from "../../src/jobs/job.ts";
import { anchored, latestTime, nextTime, nextTimes, startOf, type Timing } from "../../src/jobs/schedule.ts";

const NOW = Date.parse("2026-02-19T08:00:00Z");
const HOUR = 3_600_000;
const cron = (text: string, policy: Partial<Policy> = {}, timezone = "UTC"): Timing => ({
  schedule: { kind: "cron", cron: text },
  timezone,
  policy: { ...DEFAULT_POLICY, ...policy },
});

describe("a job's span", () => {
  it("has its first time at starts_at, and its last at ends_at", () => {
    const timing = cron("0 * * * *", { startsAt: NOW + 2 * HOUR, endsAt: NOW + 4 * HOUR });
    expect(nextTimes(timing, NOW, 9)).toEqual([2, 3, 4].map((n) => NOW + n * HOUR));
    expect(nextTime(timing, NOW + 4 * HOUR)).toBeNull();
  });

  it("lets an interval begin with starts_at, not a step after it", () => {
    const every: Schedule = { kind: "every", everySeconds: 600, anchor: NOW };
    const policy = { ...DEFAULT_POLICY, startsAt: NOW + HOUR };
    const schedule = anchored(every, policy);
    expect(nextTimes({ schedule, timezone: "UTC", policy }, NOW, 2)).toEqual([
      NOW + HOUR,
      NOW + HOUR + 600_000,
    ]);
    expect(anchored(every, { startsAt: NOW - 1 })).toBe(every);
  });
});

describe("jitter", () => {
  it("delays each occurrence by an amount of its own, the same each time it is asked for", () => {
    const timing = cron("0 * * * *", { jitterSeconds: 600 });
    const delays = nextTimes(timing, NOW, 200).map((at) => startOf("job_1", timing, at) - at);
    expect(delays).toEqual(nextTimes(timing, NOW, 200).map((at) => startOf("job_1", timing, at) - at));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays)).toBeLessThanOrEqual(600_000);
    expect(new Set(delays).size).toBeGreaterThan(190);
    expect(startOf("job_2", timing, NOW)).not.toBe(startOf("job_1", timing, NOW));
  });

  it("never reaches the next occurrence, over both changes of the clocks, so that the time is found back", () => {
    for (const text of ["*/20 * * * * *", "30 2 * * *", "0,30 1-3 * * *"]) {
      const timing = cron(text, { jitterSeconds: 86_400 }, "Europe/Berlin");
      for (const from of ["2026-03-28T20:00Z", "2026-10-24T20:00Z"]) {
        for (const at of nextTimes(timing, Date.parse(from), 20))
          expect(latestTime(timing, startOf("job_1", timing, at))).toBe(at);
      }
    }
  });

  it("finds back an interval's time, and a one-shot's", () => {
    const policy = { ...DEFAULT_POLICY, jitterSeconds: 3600 };
    const every: Timing = {
      schedule: { kind: "every", everySeconds: 7, anchor: NOW },
      timezone: "UTC",
      policy,
    };
    for (const at of nextTimes(every, NOW, 50)) expect(latestTime(every, startOf("j", every, at))).toBe(at);
    expect(latestTime(every, NOW + 6_999)).toBeNull();
    const once: Timing = { schedule: { kind: "at", at: NOW }, timezone: "UTC", policy };
    expect(latestTime(once, startOf("j", once, NOW))).toBe(NOW);
  });
});

describe("a policy", () => {
  it("is the default where nothing is said, and keeps what a change leaves out", () => {
    expect(policyOf({}, "UTC")).toEqual(DEFAULT_POLICY);
    const before = policyOf({ overlap: "allow_all", retry: { attempts: 3 }, max_runs: 5 }, "UTC");
    expect(policyOf({ retry: { on: ["lost"] }, max_runs: 0 }, "UTC", before)).toEqual({
      ...DEFAULT_POLICY,
      overlap: "allow_all",
      retry: { ...DEFAULT_POLICY.retry, attempts: 3, on: ["lost"] },
    });
  });

  it("reads its span in the job's zone, past or future, and forgets it with now and never", () => {
    const policy = policyOf({ starts_at: "2020-01-01 09:00", ends_at: "2030-01-01T09:00Z" }, "Europe/Berlin");
    expect(policy).toMatchObject({ startsAt: Date.UTC(2020, 0, 1, 8), endsAt: Date.UTC(2030, 0, 1, 9) });
    expect(policyOf({ starts_at: "now", ends_at: "never" }, "UTC", policy)).toEqual(DEFAULT_POLICY);
  });

  it("refuses a span that is empty or unreadable, naming its field", () => {
    const span = { starts_at: "2030-01-02 00:00", ends_at: "2030-01-01 00:00" };
    expect(() => policyOf(span, "UTC")).toThrow(/ends_at is before starts_at/);
    expect(() => policyOf({ ends_at: "soon" }, "UTC")).toThrow(/not a time that ends_at takes/);
  });
});
