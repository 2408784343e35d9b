import { describe, expect, it } from "vitest";
import { DEFAULT_POLICY } from "../../src/jobs/job.ts";
import { nextTimes } from "../../src/jobs/schedule.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Changes by an hour, by half an hour, at midnight, across midnight, twice around Ramadan, and of the southern half. */
const ZONES = [
  "Africa/Cairo",
  "Africa/Casablanca",
  "Africa/El_Aaiun",
  "America/Asuncion",
  "America/Chicago",
  "America/Godthab",
  "America/Halifax",
  "America/Havana",
  "America/Los_Angeles",
  "America/Miquelon",
  "America/New_York",
  "America/Nuuk",
  "America/Santiago",
  "America/Scoresbysund",
  "America/St_Johns",
  "Antarctica/Troll",
  "Asia/Beirut",
  "Asia/Gaza",
  "Asia/Jerusalem",
  "Atlantic/Azores",
  "Australia/Adelaide",
  "Australia/Lord_Howe",
  "Australia/Sydney",
  "Europe/Berlin",
  "Europe/Chisinau",
  "Europe/Dublin",
  "Europe/London",
  "Pacific/Auckland",
  "Pacific/Chatham",
  "Pacific/Easter",
  "Pacific/Norfolk",
];
const [FROM, TO] = [Date.UTC(2024, 0, 1), Date.UTC(2031, 0, 1)];

interface Change {
  readonly at: number;
  readonly before: number;
  readonly after: number;
}

/** The clock changes of a zone, from the offsets that Intl names, and so not by the code that is tested. */
function changesOf(timeZone: string): Change[] {
  const format = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "longOffset" });
  const offsetAt = (at: number): number => {
    const name = format.formatToParts(at).find(({ type }) => type === "timeZoneName")?.value ?? "";
    const [, sign, hours, minutes] = /GMT([+-])(\d\d):(\d\d)/.exec(name) ?? [];
    return (sign === "-" ? -1 : 1) * (Number(hours ?? 0) * HOUR + Number(minutes ?? 0) * MINUTE);
  };
  const changes: Change[] = [];
  for (let day = FROM; day < TO; day += DAY) {
    let [low, high] = [day, day + DAY];
    const [before, after] = [offsetAt(low), offsetAt(high)];
    if (before === after) continue;
    while (high - low > MINUTE) {
      const middle = low + Math.floor((high - low) / MINUTE / 2) * MINUTE;
      if (offsetAt(middle) === before) low = middle;
      else high = middle;
    }
    changes.push({ at: high, before, after });
  }
  return changes;
}

/** When a daily time comes around a change: where it exists, the first time; where it does not, right after the gap. */
function expected({ at, before, after }: Change, wallMinute: number): number[] {
  const found = new Set<number>();
  const firstDay = Math.floor((at + before - 2 * DAY) / DAY) * DAY;
  for (let day = firstDay; day < firstDay + 6 * DAY; day += DAY) {
    const wall = day + wallMinute * MINUTE;
    const [old, changed] = [wall - before, wall - after];
    if (old < at) found.add(old);
    else found.add(changed >= at ? changed : at);
  }
  return [...found].filter((time) => time > at - DAY && time < at + DAY).sort((a, b) => a - b);
}

describe("a daily time around a clock change", () => {
  it.each(ZONES)("comes once, at its time or right after the gap: %s", (timezone) => {
    const changes = changesOf(timezone);
    expect(changes.length).toBeGreaterThan(0);
    const wrong: unknown[] = [];
    for (const change of changes)
      for (let offset = -90; offset <= 90; offset += 15) {
        for (const wall of [change.at + change.before, change.at + change.after]) {
          const minute = (((wall / MINUTE + offset) % 1440) + 1440) % 1440;
          const cron = `${minute % 60} ${Math.floor(minute / 60)} * * *`;
          const times = nextTimes(
            { schedule: { kind: "cron", cron }, timezone, policy: DEFAULT_POLICY },
            change.at - DAY,
            4,
          ).filter((time) => time < change.at + DAY);
          const right = expected(change, minute);
          if (times.join() !== right.join())
            wrong.push([cron, new Date(change.at).toISOString(), times, right]);
        }
      }
    expect(wrong).toEqual([]);
  });
});
