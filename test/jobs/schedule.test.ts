import { describe, expect, it } from "vitest";
import { NightshiftError } from "../../src/errors.ts";
import { DEFAULT_POLICY, type Schedule } from "../../src/jobs/job.ts";
import { nextOccurrence, nextTimes, parseSchedule, type ScheduleInput } from "../../src/jobs/schedule.ts";

const NOW = Date.parse("2026-02-19T08:00:00Z");
const cron = (text: string): Schedule => ({ kind: "cron", cron: text });
const iso = (times: readonly number[]): string[] =>
  times.map((at) => new Date(at).toISOString().replace(".000Z", "Z"));
const after = (schedule: Schedule, zone: string, from: string, n: number): string[] =>
  iso(nextTimes({ schedule, timezone: zone, policy: DEFAULT_POLICY }, Date.parse(from), n));

function errorOf(input: ScheduleInput, now = NOW): string {
  try {
    parseSchedule(input, now);
  } catch (error) {
    if (error instanceof NightshiftError && error.code === "INVALID_SCHEDULE") return error.message;
    throw error;
  }
  throw new Error(`${JSON.stringify(input)} was accepted`);
}

const atOf = (execute_at: string, timezone = "UTC", now = NOW): string => {
  const { schedule } = parseSchedule({ execute_at, timezone }, now);
  if (schedule.kind !== "at") throw new Error("not a one-shot");
  return iso([schedule.at])[0] ?? "";
};

describe("a cron job when the clocks go forward", () => {
  it.each([
    ["30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
    ["30 1 * * *", "Europe/London", "2026-03-28T12:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
    ["30 2 * * *", "America/New_York", "2026-03-07T12:00Z", "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"],
    // The clocks go forward at midnight: the day begins at one.
    ["0 0 * * *", "America/Santiago", "2026-09-05T12:00Z", "2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"],
    // Half an hour: 02:15 is skipped, 02:30 is there.
    [
      "15 2 * * *",
      "Australia/Lord_Howe",
      "2026-10-03T00:00Z",
      "2026-10-03T15:30:00Z",
      "2026-10-04T15:15:00Z",
    ],
  ])(
    "%s in %s runs at the first moment after the gap, and next day as usual",
    (text, zone, from, first, second) => {
      expect(after(cron(text), zone, from, 2)).toEqual([first, second]);
    },
  );

  it("runs once for two times in the same gap", () => {
    const times = after(cron("0,30 2 * * *"), "Europe/Berlin", "2026-03-28T12:00Z", 2);
    expect(times).toEqual(["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"]);
  });

  it("keeps the rhythm of an hourly job", () => {
    const times = after(cron("30 * * * *"), "Europe/Berlin", "2026-03-29T00:00Z", 3);
    expect(times).toEqual(["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z"]);
  });
});

describe("a cron job when the clocks go back", () => {
  it.each([
    ["30 1 * * *", "America/New_York", "2026-10-31T12:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"],
    ["30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
    ["30 1 * * *", "Europe/London", "2026-10-24T12:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
    [
      "45 1 * * *",
      "Australia/Lord_Howe",
      "2026-04-03T20:00Z",
      "2026-04-04T14:45:00Z",
      "2026-04-05T15:15:00Z",
    ],
  ])("%s in %s runs once, the first time", (text, zone, from, first, second) => {
    expect(after(cron(text), zone, from, 2)).toEqual([first, second]);
  });

  it("doesn't run again when asked between the two", () => {
    const next = after(cron("30 1 * * *"), "America/New_York", "2026-11-01T05:45Z", 1);
    expect(next).toEqual(["2026-11-02T06:30:00Z"]);
  });

  it("keeps the rhythm of a quarter-hourly job through both hours", () => {
    const times = after(cron("*/30 * * * *"), "Europe/Berlin", "2026-10-24T23:45Z", 5);
    expect(times.map((time) => time.slice(11, 16))).toEqual(["00:00", "00:30", "01:00", "01:30", "02:00"]);
  });
});

describe("occurrences", () => {
  it("finds leap days, across a century without one", () => {
    const leap = cron("0 0 29 2 *");
    expect(after(leap, "UTC", "2026-01-01T00:00Z", 2)).toEqual([
      "2028-02-29T00:00:00Z",
      "2032-02-29T00:00:00Z",
    ]);
    expect(after(leap, "UTC", "2096-03-01T00:00Z", 1)).toEqual(["2104-02-29T00:00:00Z"]);
  });

  it("reads six fields with seconds first, nicknames and names of days", () => {
    expect(after(cron("*/20 * * * * *"), "UTC", "2026-01-01T00:00Z", 2)).toEqual([
      "2026-01-01T00:00:20Z",
      "2026-01-01T00:00:40Z",
    ]);
    expect(after(cron("@daily"), "Asia/Kolkata", "2026-01-01T00:00Z", 1)).toEqual(["2026-01-01T18:30:00Z"]);
    expect(after(cron("0 9 * * MON-FRI"), "UTC", "2026-02-20T12:00Z", 1)).toEqual(["2026-02-23T09:00:00Z"]);
  });

  it("is later than the time asked about, never that time", () => {
    const noon = Date.parse("2026-01-01T12:00:00Z");
    expect(nextOccurrence(cron("0 12 * * *"), "UTC", noon)).toBe(noon + 86_400_000);
    expect(nextOccurrence(cron("0 12 * * *"), "UTC", noon - 1)).toBe(noon);
    expect(nextOccurrence({ kind: "at", at: noon }, "UTC", noon)).toBeNull();
    expect(nextOccurrence({ kind: "at", at: noon }, "UTC", noon - 1)).toBe(noon);
  });

  it("counts an interval from its anchor, whatever the clocks on the wall do", () => {
    const every: Schedule = { kind: "every", everySeconds: 10, anchor: NOW };
    expect(nextOccurrence(every, "UTC", NOW - 99_999)).toBe(NOW + 10_000);
    expect(nextOccurrence(every, "UTC", NOW)).toBe(NOW + 10_000);
    expect(nextOccurrence(every, "UTC", NOW + 9_999)).toBe(NOW + 10_000);
    expect(nextOccurrence(every, "UTC", NOW + 10_000)).toBe(NOW + 20_000);
  });

  it("ends with a schedule that ends", () => {
    const once = { schedule: { kind: "at", at: NOW + 1 }, timezone: "UTC", policy: DEFAULT_POLICY } as const;
    expect(nextTimes(once, NOW, 3)).toEqual([NOW + 1]);
  });
});

describe("execute_at", () => {
  it.each([
    ["2026-02-20 09:00:00", "Europe/Berlin", "2026-02-20T08:00:00Z"],
    ["2026-02-20 09:00", "Europe/Berlin", "2026-02-20T08:00:00Z"],
    ["2026-02-20T09:00:00", "America/New_York", "2026-02-20T14:00:00Z"],
    ["2026-02-20T09:00:00Z", "America/New_York", "2026-02-20T09:00:00Z"],
    ["2026-02-20T09:00:00+05:30", "America/New_York", "2026-02-20T03:30:00Z"],
    ["2026-02-20 09:00:00-0800", "UTC", "2026-02-20T17:00:00Z"],
    ["2026-02-20T09:00:00.250Z", "UTC", "2026-02-20T09:00:00.250Z"],
    ["2028-02-29 12:00", "UTC", "2028-02-29T12:00:00Z"],
  ])("reads %s in %s", (text, zone, expected) => {
    expect(atOf(text, zone)).toBe(expected);
  });

  it("treats a skipped or repeated time like a cron job does", () => {
    expect(atOf("2026-03-29 02:30", "Europe/Berlin")).toBe("2026-03-29T01:00:00Z");
    expect(atOf("2026-10-25 02:30", "Europe/Berlin")).toBe("2026-10-25T00:30:00Z");
    expect(atOf("2026-10-25T02:30+01:00", "Europe/Berlin")).toBe("2026-10-25T01:30:00Z");
  });

  it("refuses the past and says by how much", () => {
    expect(errorOf({ execute_at: "2026-02-19 07:00", timezone: "UTC" })).toContain("60 minutes ago");
    expect(errorOf({ execute_at: "2026-02-17 08:00", timezone: "UTC" })).toContain("2 days ago");
    expect(errorOf({ execute_at: "2026-02-19 07:59:54", timezone: "UTC" })).toContain("6 seconds ago");
  });

  it("takes a few seconds ago for now", () => {
    expect(Date.parse(atOf("2026-02-19 07:59:56", "UTC"))).toBe(NOW + 1);
  });

  it.each([
    "tomorrow",
    "2026-02-30 09:00",
    "2026-02-30T09:00:00Z",
    "2026-13-01 09:00",
    "2026-02-20 25:00",
    "2026-02-20",
    "20.02.2026 09:00",
    "2026-02-20T09:00:00+99:00",
    "",
  ])("refuses %j with an example of what it takes", (text) => {
    expect(errorOf({ execute_at: text, timezone: "UTC" })).toContain("2026-02-20 09:00:00");
  });
});

describe("a schedule that can't be", () => {
  it("needs exactly one of the three times", () => {
    expect(errorOf({})).toContain("none was given");
    expect(errorOf({ cron: "@daily", every_seconds: 5 })).toContain("cron and every_seconds were given");
  });

  it("refuses a cron expression with the reason and an example", () => {
    expect(errorOf({ cron: "61 0 * * *" })).toMatch(/minute: 61.*0 9 \* \* 1-5/s);
    expect(errorOf({ cron: "* * *" })).toContain("has 3 fields");
    expect(errorOf({ cron: "0 0 0 1 1 * 2030" })).toContain("has 7 fields");
    expect(errorOf({ cron: "2026-10-10T10:00:00" })).toContain("has 1 field.");
    expect(errorOf({ cron: "@reboot" })).toContain("@reboot");
    expect(errorOf({ cron: "@sometimes" })).toContain("@daily");
  });

  it("refuses a cron expression that never comes true", () => {
    expect(errorOf({ cron: "0 0 30 2 *" })).toContain("never comes true");
    expect(errorOf({ cron: "0 0 31 2,4,6 *" })).toContain("never comes true");
  });

  it("refuses an interval that isn't a whole number of seconds from 1", () => {
    for (const every_seconds of [0, -5, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1e12]) {
      expect(errorOf({ every_seconds })).toContain("whole number from 1");
    }
  });

  it("refuses a zone that doesn't exist, with those that come close", () => {
    expect(errorOf({ cron: "@daily", timezone: "Mars/Phobos" })).toContain("Europe/Berlin");
    expect(errorOf({ cron: "@daily", timezone: "berlin" })).toContain("Did you mean Europe/Berlin?");
    expect(errorOf({ cron: "@daily", timezone: "New York" })).toContain("America/New_York");
    expect(errorOf({ cron: "@daily", timezone: "+02:00" })).toContain("IANA");
    expect(errorOf({ cron: "@daily", timezone: "" })).toContain("IANA");
  });
});

describe("the zone of a schedule", () => {
  it("is the host's unless one is given, written in its usual case", () => {
    const host = Intl.DateTimeFormat().resolvedOptions().timeZone;
    expect(parseSchedule({ cron: "@daily" }, NOW).timezone).toBe(host);
    expect(parseSchedule({ cron: "@daily", timezone: "europe/berlin" }, NOW).timezone).toBe("Europe/Berlin");
  });

  it("anchors an interval at the moment it is made", () => {
    const { schedule } = parseSchedule({ every_seconds: 90, timezone: "UTC" }, NOW);
    expect(schedule).toEqual({ kind: "every", everySeconds: 90, anchor: NOW });
  });
});
