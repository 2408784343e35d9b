import { describe, expect, it } from "vitest";
import { coalesce, MAX_COALESCED } from "../../src/jobs/catch-up.ts";
import type { Schedule } from "../../src/jobs/job.ts";
import { nextOccurrence } from "../../src/jobs/schedule.ts";

const cron = (text: string): Schedule => ({ kind: "cron", cron: text });

/** Runs `coalesce` for the occurrences up to `now`, and finds the first one after it. */
const coalesceAt = (schedule: Schedule, zone: string, due: number, now: number) => ({
  ...coalesce(schedule, zone, due, now),
  next: nextOccurrence(schedule, zone, now),
});

/** The expected result of `coalesce`, found by walking from one occurrence to the next. */
function walk(schedule: Schedule, zone: string, due: number, now: number) {
  let scheduledFor = due;
  let coalesced = 0;
  for (;;) {
    const next = nextOccurrence(schedule, zone, scheduledFor);
    if (next === null || next > now) return { scheduledFor, coalesced, next };
    scheduledFor = next;
    coalesced++;
  }
}

describe("what was missed", () => {
  it("is nothing when the job is only a little late", () => {
    const due = Date.parse("2026-02-20T09:00:00Z");
    expect(coalesceAt(cron("0 9 * * *"), "UTC", due, due + 5000)).toEqual({
      scheduledFor: due,
      coalesced: 0,
      next: due + 86_400_000,
    });
  });

  it.each(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Santiago"])(
    "agrees with a walk through every occurrence, over both changes of the clocks in %s",
    (zone) => {
      const schedules = [
        "30 2 * * *",
        "0,30 1-3 * * *",
        "0 0 * * *",
        "0 9 * * 1",
        "0 12 29 2 *",
        "30 */12 * * *",
      ];
      for (const text of schedules) {
        for (const month of [2, 3, 8, 9, 10]) {
          const due = nextOccurrence(cron(text), zone, Date.UTC(2026, month, 1)) ?? 0;
          for (const days of [0.01, 1, 3.37, 14]) {
            const now = due + days * 86_400_000;
            const { coalesced, ...times } = coalesceAt(cron(text), zone, due, now);
            const { coalesced: exact, ...expected } = walk(cron(text), zone, due, now);
            expect(times).toEqual(expected);
            // Above 32 a change of the clocks may blur the count by the times that it skips or repeats.
            expect(Math.abs(coalesced - exact)).toBeLessThanOrEqual(exact > 32 ? 3 : 0);
          }
        }
      }
    },
  );

  it("agrees with a walk for intervals, to the millisecond", () => {
    const schedule: Schedule = { kind: "every", everySeconds: 7, anchor: 1000 };
    for (const lateMs of [0, 1, 6999, 7000, 7001, 20_999, 21_000, 699_999]) {
      expect(coalesceAt(schedule, "UTC", 8000, 8000 + lateMs)).toEqual(
        walk(schedule, "UTC", 8000, 8000 + lateMs),
      );
    }
  });

  it("is one run for a one-shot, for the time it was meant for", () => {
    const schedule: Schedule = { kind: "at", at: 5000 };
    expect(coalesceAt(schedule, "UTC", 5000, 9e9)).toEqual({ scheduledFor: 5000, coalesced: 0, next: null });
  });

  it("stops counting at a thousand, and still finds the last time", () => {
    const due = Date.UTC(2026, 0, 1);
    const now = due + 365 * 86_400_000 + 17_500;
    expect(coalesceAt(cron("* * * * * *"), "Europe/Berlin", due, now)).toEqual({
      scheduledFor: now - 500,
      coalesced: MAX_COALESCED,
      next: now + 500,
    });
  });
});
