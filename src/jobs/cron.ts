import { Cron, type CronOptions } from "croner";
import { unwrapRanges } from "./cron-text.ts";
import { gapEnd, offsetMs } from "./time.ts";

/**
 * How cron expressions are read. `no-wildcard`: a job whose hour and minute are named (`30 1 * * *`, `0 9,17 * * *`)
 * runs once for every time it names: not twice when the clocks go back, and at the first moment after the gap when
 * they go forward. A job with `*` or a step in its times (`0 * * * *`) keeps its interval through both.
 */
const CRON_OPTIONS = {
  mode: "5-or-6-parts",
  fixedTimeRule: "no-wildcard",
} as const satisfies CronOptions;

/** A cron expression without a timer. Throws croner's own errors. */
export const readCron = (cron: string, timezone: string): Cron =>
  new Cron(unwrapRanges(cron), { ...CRON_OPTIONS, timezone });

/** The same expression on a clock that is never changed: its times are what a wall clock shows, as if that were UTC. */
export const readWallCron = (cron: string): Cron =>
  new Cron(unwrapRanges(cron), { ...CRON_OPTIONS, utcOffset: 0 });

/** Epoch ms of the first time later than `after`; null when there is none. Throws croner's own errors. */
export function nextCron(cron: string, timezone: string, after: number): number | null {
  const next = readCron(cron, timezone).nextRun(new Date(after))?.getTime() ?? null;
  if (!namesItsTimes(cron)) return next;
  const wall = readWallCron(cron)
    .nextRun(new Date(after + offsetMs(timezone, after)))
    ?.getTime();
  const skipped = wall === undefined ? null : afterGap(timezone, wall, next);
  return skipped !== null && skipped > after && (next === null || skipped < next) ? skipped : next;
}

/** Epoch ms of the last time of a cron expression that is not later than `at`; null when there was none. */
export function previousCron(cron: string, timezone: string, at: number): number | null {
  // croner's previous run lies strictly before the time it is given.
  const last =
    readCron(cron, timezone)
      .previousRuns(1, new Date(at + 1))[0]
      ?.getTime() ?? null;
  if (!namesItsTimes(cron)) return last;
  const wallNow = at + offsetMs(timezone, at);
  const wall = readWallCron(cron)
    .previousRuns(1, new Date(wallNow + 1))[0]
    ?.getTime();
  const skipped = wall === undefined ? null : afterGap(timezone, wall, last);
  return skipped !== null && skipped <= at && (last === null || skipped > last) ? skipped : last;
}

/**
 * croner moves a time that a clock change skips to the first moment after the gap, unless the gap ends on another day
 * (America/Nuuk goes from 22:59 to 00:00): then it leaves the time out. This finds it. `found` is croner's answer.
 */
const afterGap = (timezone: string, wall: number, found: number | null): number | null =>
  found !== null && found + offsetMs(timezone, found) === wall ? null : gapEnd(timezone, wall);

/** The expressions that croner calls fixed, by `fixedTimeRule`. */
const namesItsTimes = (cron: string): boolean => {
  const fields = cron.split(" ");
  return fields.length >= 5 && !/[*/?]/.test(fields.slice(0, fields.length - 3).join(" "));
};
