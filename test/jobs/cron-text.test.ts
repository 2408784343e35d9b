import { describe, expect, it } from "vitest";
import { cronWarning, unwrapRanges } from "../../src/jobs/cron-text.ts";
import { cutText } from "../../src/jobs/cut-text.ts";
import { DEFAULT_POLICY } from "../../src/jobs/job.ts";
import { nextTimes, parseSchedule } from "../../src/jobs/schedule.ts";

const NOW = Date.parse("2026-02-19T08:00:00Z");
const times = (cron: string, n: number) => {
  const { schedule, timezone } = parseSchedule({ cron, timezone: "UTC" }, NOW);
  return nextTimes({ schedule, timezone, policy: DEFAULT_POLICY }, NOW, n).map((at) => new Date(at));
};
const errorOf = (cron: string) => {
  try {
    parseSchedule({ cron, timezone: "UTC" }, NOW);
  } catch (error) {
    return String(error);
  }
  throw new Error(`${cron} was taken`);
};

describe("a range that wraps around", () => {
  it.each([
    ["0 9 * * FRI-MON", "0 9 * * 5-6,0-1"],
    ["0 9 * * fri-sun", "0 9 * * 5-6,0-0"],
    ["0 9 * * 7-2", "0 9 * * 0-2"],
    ["0 9 * * 5-7", "0 9 * * 5-7"],
    ["0 22-2 * * *", "0 22-23,0-2 * * *"],
    ["0 22-4/3 * * *", "0 22-23/3,1-4/3 * * *"],
    ["55-5 * * * *", "55-59,0-5 * * * *"],
    ["50-10 * * * * *", "50-59,0-10 * * * * *"],
    ["0 0 1 NOV-FEB *", "0 0 1 11-12,1-2 *"],
    ["0 0 28-3 * *", "0 0 28-31,1-3 * *"],
    ["0 0 1 1,11-2 *", "0 0 1 1,11-12,1-2 *"],
    ["0 22-2/12 * * *", "0 22-23/12 * * *"],
    ["0 9 * * MON-FRI", "0 9 * * MON-FRI"],
    ["0 0 1-0 * *", "0 0 1-0 * *"],
    ["@daily", "@daily"],
  ])("%s is read as %s", (cron, read) => {
    expect(unwrapRanges(cron)).toBe(read);
    if (cron !== "0 0 1-0 * *") expect(() => times(cron, 1)).not.toThrow();
  });

  it("has all its times, and the schedule keeps the words it was given in", () => {
    expect(times("0 9 * * FRI-MON", 5).map((at) => at.getUTCDay())).toEqual([5, 6, 0, 1, 5]);
    expect(times("0 9 * * 7-2", 3).map((at) => at.getUTCDay())).toEqual([0, 1, 2]);
    expect(times("0 22-2 * * *", 6).map((at) => at.getUTCHours())).toEqual([22, 23, 0, 1, 2, 22]);
    expect(times("0 22-4/3 * * *", 4).map((at) => at.getUTCHours())).toEqual([22, 1, 4, 22]);
    const { schedule } = parseSchedule({ cron: "0 9 * * FRI-MON", timezone: "UTC" }, NOW);
    expect(schedule).toEqual({ kind: "cron", cron: "0 9 * * FRI-MON" });
  });
});

describe("a cron expression that is refused", () => {
  it.each([
    ["0 0 1 13 *", "value for month: 13"],
    ["0 0 1 0 *", "value for month: 0"],
    ["0 0 0 * *", "value for day: 0"],
    ["0 0 32 * *", "value for day: 32"],
    ["0 0 1 3-14 *", "value for month: 13"],
    ["60 * * * *", "value for minute: 60"],
    ["0 24 * * *", "value for hour: 24"],
    ["@every 5m", "give every_seconds: 300 instead"],
    ["@every 1h30m", "give every_seconds: 5400 instead"],
    ["@Every 90s", "give every_seconds: 90 instead"],
    ["@every", "give every_seconds instead"],
    ["CRON_TZ=Europe/Berlin 0 9 * * *", 'cron: "0 9 * * *" and timezone: "Europe/Berlin"'],
    ["TZ=UTC 0 9 * * 1-5", 'cron: "0 9 * * 1-5" and timezone: "UTC"'],
  ])("%s says %s", (cron, said) => {
    expect(errorOf(cron)).toContain(said);
  });
});

it("warns of weekday numbers that Quartz counts from one", () => {
  expect(cronWarning("0 0 9 ? * 2-6")).toContain('"2-6" is TUE-SAT; in Quartz 1 is Sunday');
  expect(cronWarning("0 0 9 ? * 2#1")).toContain("is TUE#1");
  for (const cron of ["0 9 * * 1-5", "0 0 9 ? * MON-FRI", "0 0 9 ? * *", "0 0 9 1 * ?", "@daily"])
    expect(cronWarning(cron)).toBeUndefined();
});

it("cuts a text between its characters", () => {
  const family = "👨‍👩‍👧";
  expect(cutText("abc", 3)).toBe("abc");
  expect(cutText("abcd", 3)).toBe("abc");
  for (const one of ["😀", family, "e\u0301", "🇩🇪", "각"])
    for (let n = 1; n < one.length; n++) {
      expect(cutText(`ab${one}cd`, 2 + n), one).toBe("ab");
      expect(cutText(`${"x".repeat(500)}${one}cd`, 500 + n)).toBe("x".repeat(500));
    }
  expect(cutText(`ab${family}cd`, 2 + family.length)).toBe(`ab${family}`);
  // What never ends is cut all the same, but not within a pair.
  expect(cutText(`😀${"\u0301".repeat(500)}`, 200)).toHaveLength(200);
  expect(cutText("😀😀", 1)).toBe("");
});
