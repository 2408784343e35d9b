import { Cron } from "croner";
import type { Schedule } from "./job.ts";
import { CRON_OPTIONS, nextOccurrence, readCron } from "./schedule.ts";

/** Counting stops here: whoever missed a thousand wants to know that, not how many more. */
export const MAX_COALESCED = 1000;
/** Up to here cron misses are counted in the job's zone (60 µs each), beyond without one (4 µs each). */
const COUNTED_IN_ZONE = 32;

/** What to do about a job whose time has come. Times are epoch ms. */
export interface Due {
  /** The latest occurrence that has come: the one that the run is for. */
  readonly scheduledFor: number;
  /** Occurrences before it that nobody ran and that this run stands for; at most MAX_COALESCED. */
  readonly coalesced: number;
  /** The first occurrence after `now`. */
  readonly next: number | null;
}

/**
 * Like anacron: however long nobody was there, one late run, for the last time that was missed, and the earlier ones
 * are counted. `due` is the stored next time, `now` is not before it. Takes at most a few ms, whatever was missed.
 */
export function coalesce(schedule: Schedule, timezone: string, due: number, now: number): Due {
  const afterDue = nextOccurrence(schedule, timezone, due);
  if (afterDue === null || afterDue > now) return { scheduledFor: due, coalesced: 0, next: afterDue };
  const next = nextOccurrence(schedule, timezone, now);
  if (schedule.kind === "every") {
    const stepMs = schedule.everySeconds * 1000;
    const missed = Math.floor((now - afterDue) / stepMs) + 1;
    const scheduledFor = afterDue + (missed - 1) * stepMs;
    return { scheduledFor, coalesced: Math.min(missed, MAX_COALESCED), next };
  }
  if (schedule.kind !== "cron") return { scheduledFor: due, coalesced: 0, next };
  // croner's previous run lies strictly before the time it is given.
  const scheduledFor =
    readCron(schedule.cron, timezone)
      .previousRuns(1, new Date(now + 1))[0]
      ?.getTime() ?? afterDue;
  return { scheduledFor, coalesced: countCron(schedule.cron, timezone, due, scheduledFor), next };
}

/**
 * Occurrences from `from` (counted) to `until` (not). Beyond COUNTED_IN_ZONE they are counted on the clock on the
 * wall, so that a change of clocks in between may blur the count by the few that it skips or repeats.
 */
function countCron(cron: string, timezone: string, from: number, until: number): number {
  let count = 0;
  const walk = (pattern: Cron, start: number, end: number, limit: number): number => {
    let at = start;
    for (; count < limit && at < end; count++) at = pattern.nextRun(new Date(at))?.getTime() ?? end;
    return at;
  };
  const reached = walk(readCron(cron, timezone), from, until, COUNTED_IN_ZONE);
  if (reached >= until) return count;
  const onTheWall = (at: number): number => at + offsetMs(timezone, at);
  const wallClock = new Cron(cron, { ...CRON_OPTIONS, utcOffset: 0 });
  walk(wallClock, onTheWall(reached), onTheWall(until), MAX_COALESCED);
  return count;
}

/** East of UTC at that moment; seconds of historical offsets are dropped. */
function offsetMs(timeZone: string, at: number): number {
  const parts = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "longOffset" }).formatToParts(at);
  const name = parts.find((part) => part.type === "timeZoneName")?.value ?? "GMT";
  const match = /^GMT([+-])(\d\d):(\d\d)/.exec(name);
  if (!match) return 0;
  const minutes = Number(match[2]) * 60 + Number(match[3]);
  return (match[1] === "-" ? -minutes : minutes) * 60_000;
}
