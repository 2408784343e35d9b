import { describe, expect, it } from "vitest";
import { readSeconds } from "../../src/jobs/duration.ts";
import { readSaidCron } from "../../src/jobs/said-time.ts";
import { parseSchedule } from "../../src/jobs/schedule.ts";
import { toZonedIso } from "../../src/jobs/time.ts";

/** A Thursday, 10:30 in Berlin. */
const NOW = Date.parse("2026-02-19T09:30:00Z");
const BERLIN = "Europe/Berlin";

const at = (text: string, now = NOW, timezone = BERLIN): string => {
  const { schedule } = parseSchedule({ execute_at: text, timezone }, now);
  return schedule.kind === "at" ? toZonedIso(schedule.at, timezone) : schedule.kind;
};
const errorOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return String(error);
  }
  throw new Error("it was taken");
};

describe("a moment as people say it", () => {
  it.each([
    ["in 10 minutes", "2026-02-19T10:40:00+01:00"],
    ["2h", "2026-02-19T12:30:00+01:00"],
    ["an hour from now", "2026-02-19T11:30:00+01:00"],
    ["in half an hour", "2026-02-19T11:00:00+01:00"],
    ["1h 30m", "2026-02-19T12:00:00+01:00"],
    ["in 1 hour and 30 minutes", "2026-02-19T12:00:00+01:00"],
    ["in 2 days", "2026-02-21T10:30:00+01:00"],
    ["tomorrow 9am", "2026-02-20T09:00:00+01:00"],
    ["Tomorrow at 9:15 PM", "2026-02-20T21:15:00+01:00"],
    ["9am tomorrow", "2026-02-20T09:00:00+01:00"],
    ["today at 14:00", "2026-02-19T14:00:00+01:00"],
    ["at 11:00", "2026-02-19T11:00:00+01:00"],
    ["9am", "2026-02-20T09:00:00+01:00"],
    ["noon", "2026-02-19T12:00:00+01:00"],
    ["midnight", "2026-02-20T00:00:00+01:00"],
    ["12am", "2026-02-20T00:00:00+01:00"],
    ["friday at 14:30", "2026-02-20T14:30:00+01:00"],
    ["on Monday, 8 am", "2026-02-23T08:00:00+01:00"],
    ["this sunday 18:00", "2026-02-22T18:00:00+01:00"],
    ["thursday 9am", "2026-02-26T09:00:00+01:00"],
    ["2026-03-01 at 7pm", "2026-03-01T19:00:00+01:00"],
    ["20 February 9:00", "2026-02-20T09:00:00+01:00"],
    ["Jan 3rd at 9:00", "2027-01-03T09:00:00+01:00"],
    ["March 1 2027 at 13", "2027-03-01T13:00:00+01:00"],
  ])("%s is %s", (text, expected) => {
    expect(at(text)).toBe(expected);
  });

  it("is read in the zone that is meant, over a change of its clocks", () => {
    const evening = Date.parse("2026-02-19T23:30:00Z");
    expect(at("tomorrow 9am", evening, "America/New_York")).toBe("2026-02-20T09:00:00-05:00");
    expect(at("tomorrow 9am", evening, "Asia/Tokyo")).toBe("2026-02-21T09:00:00+09:00");
    const beforeSpring = Date.parse("2026-03-28T09:30:00Z");
    expect(at("in 1 day", beforeSpring)).toBe("2026-03-29T10:30:00+02:00");
    expect(at("in 24 hours", beforeSpring)).toBe("2026-03-29T11:30:00+02:00");
    expect(at("tomorrow 2:30", beforeSpring)).toBe("2026-03-29T03:00:00+02:00");
    expect(at("now", beforeSpring)).toBe("2026-03-28T10:30:00+01:00");
  });

  it.each([
    ["tomorrow at 9", "09:00, or 21:00"],
    ["7 o'clock", "07:00, or 19:00"],
    ["next friday 9am", "2026-02-20 09:00, or 2026-02-27 09:00"],
    ["thursday at 14:00", "2026-02-19 14:00, or 2026-02-26 14:00"],
    ["tomorrow midnight", "2026-02-20 00:00, when that day begins, or 2026-02-21 00:00, when it ends"],
  ])("%s is refused with both readings: %s", (text, readings) => {
    const said = errorOf(() => at(text));
    expect(said).toContain("can be read in two ways: ");
    expect(said).toContain(readings);
  });

  it.each([
    "tomorrow",
    "friday",
    "in the morning",
    "soon",
    "3/4 9am",
    "25:00",
    "13pm",
    "30 february 9am",
    "in 2 months",
  ])("%s is refused, not guessed", (text) => {
    expect(errorOf(() => at(text))).toMatch(
      /lacks the time|not a time that|not on the calendar|on the calendar/,
    );
  });

  it("is refused when it has passed", () => {
    expect(errorOf(() => at("today 9am"))).toContain("90 minutes ago");
  });
});

describe("an interval as people say it", () => {
  it.each([
    ["2h", 7_200],
    ["90 minutes", 5_400],
    ["every 2 hours", 7_200],
    ["1.5h", 5_400],
    ["every day", 86_400],
    ["1 week", 604_800],
    ["soon", undefined],
    ["", undefined],
    ["2 months", undefined],
  ])("%s is %s s", (text, seconds) => {
    expect(readSeconds(text)).toBe(seconds);
  });

  it("is taken as every and as every_seconds", () => {
    for (const given of [{ every: "2h" }, { every_seconds: "2h" }, { every_seconds: 7_200 }])
      expect(parseSchedule(given, NOW).schedule).toMatchObject({ kind: "every", everySeconds: 7_200 });
    expect(errorOf(() => parseSchedule({ every: "often" }, NOW))).toContain('"2h"');
  });
});

describe("a repeated time as people say it", () => {
  it.each([
    ["weekdays at 9:00", "0 9 * * 1-5"],
    ["every weekday at 9am", "0 9 * * 1-5"],
    ["Daily at 7:30", "30 7 * * *"],
    ["every day 18:00", "0 18 * * *"],
    ["every day at 9:00 and 17:00", "0 9,17 * * *"],
    ["weekends at noon", "0 12 * * 0,6"],
    ["every monday and thursday at 18:30", "30 18 * * 1,4"],
    ["mondays, tuesdays and fridays at 8am", "0 8 * * 1,2,5"],
    ["monday to friday at 9:00", "0 9 * * 1-5"],
    ["friday to monday at 9:00", "0 9 * * 5-1"],
    ["every month on the 15th at 9:00", "0 9 15 * *"],
    ["daily at midnight", "0 0 * * *"],
    ["every 15 minutes", "*/15 * * * *"],
    ["every 2 hours", "0 */2 * * *"],
    ["hourly", "0 * * * *"],
  ])("%s is %s", (text, cron) => {
    expect(readSaidCron(text)).toBe(cron);
    expect(parseSchedule({ cron: text }, NOW).schedule).toEqual({ kind: "cron", cron });
  });

  it.each([
    ["daily at 9", "09:00, or 21:00"],
    ["fridays at midnight", "when such a day begins"],
    ["weekdays", 'say "weekdays at 9:00"'],
    ["every 7 minutes", "give every_seconds: 420"],
    ["daily at 9:00 and 17:30", "make one job for each"],
    ["daily at dawn", "time that cannot be read"],
    ["sometimes", "weekdays at 9:00"],
    ["every blue moon", "weekdays at 9:00"],
  ])("%s is refused: %s", (text, said) => {
    expect(errorOf(() => parseSchedule({ cron: text }, NOW))).toContain(said);
  });

  it("leaves cron expressions as they are", () => {
    for (const cron of ["0 9 * * MON-FRI", "@daily", "*/5 * * * *"])
      expect(readSaidCron(cron)).toBeUndefined();
  });
});
