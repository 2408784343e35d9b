import { Cron } from "croner";
import { NightshiftError } from "../errors.ts";
import { cutText } from "./cut-text.ts";
import { readSaidMoment, SAID_MOMENTS } from "./said-time.ts";
import { DAY_MS, describeDuration, gapEnd, offsetMs } from "./time.ts";

/** A model needs a moment to make a call: a time that passed less than this ago is run at once, not refused. */
const PAST_GRACE_MS = 5_000;

const DATE_PATTERN = String.raw`(?<year>\d{4})-(?<month>\d\d)-(?<day>\d\d)`;
const TIME_PATTERN = String.raw`(?<hour>\d\d):(?<minute>\d\d)(?::(?<second>\d\d)(?:\.(?<fraction>\d{1,9}))?)?`;
const MOMENT_PATTERN = new RegExp(
  String.raw`^${DATE_PATTERN}[T ]${TIME_PATTERN} ?(?<offset>Z|[+-]\d\d(?::?\d\d)?)?$`,
  "i",
);

const HELP = `Use "2026-02-20 09:00:00" (in the job's timezone), ISO 8601 with an offset, "2026-02-20T09:00:00+01:00", or words such as ${SAID_MOMENTS}.`;

/**
 * Epoch ms of a moment written by a person or a model, read in `timezone` unless it has an offset. A time that a clock
 * change skips is the first moment after the gap, one that comes twice is the first of the two: as for cron.
 * Throws INVALID_SCHEDULE, also for the past; a few seconds ago counts as now. With 0 as `now`, which a past moment needs,
 * words that depend on the time of reading are refused.
 */
export function readExecuteAt(text: string, timezone: string, now: number): number {
  let fields = MOMENT_PATTERN.exec(text.trim())?.groups;
  const said = fields || now === 0 ? undefined : readSaidMoment(text, now + offsetMs(timezone, now));
  if (said?.kind === "in") return Math.max(now + said.ms, now + 1);
  if (said) fields = MOMENT_PATTERN.exec(said.wall)?.groups;
  if (!fields) throw invalidMoment(`"${cutText(text, 60)}" is not a time that execute_at takes. ${HELP}`);
  const at = fields.offset ? readWithOffset(fields) : readInZone(fields, timezone);
  if (at === null)
    throw invalidMoment(`"${text.trim()}" is not on the calendar: check its day and time. ${HELP}`);
  if (at > now) return at;
  if (now - at > PAST_GRACE_MS) {
    throw invalidMoment(
      `"${text.trim()}" (${timezone}) was ${describeDuration(now - at)} ago; it is ${new Date(now).toISOString()} now. ` +
        "Give a time in the future.",
    );
  }
  return now + 1;
}

type DateParts = Readonly<Record<string, string | undefined>>;

const millisecondsOf = ({ fraction = "" }: DateParts): number => Number(fraction.slice(0, 3).padEnd(3, "0"));

/** What a clock on the wall shows, as if that were UTC; null for what no calendar has. */
function wallOf({ year, month, day, hour, minute, second = "00" }: DateParts): number | null {
  const wall = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  );
  // Date.UTC turns February 30 into March 2; the calendar doesn't.
  const isReal =
    new Date(wall).toISOString().slice(0, 19) === `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  return isReal ? wall : null;
}

function readWithOffset(fields: DateParts): number | null {
  const { offset = "Z" } = fields;
  const wall = wallOf(fields);
  if (wall === null) return null;
  const parts = /^([+-])(\d\d):?(\d\d)?$/.exec(offset);
  const offsetMs = parts
    ? (Number(parts[2]) * 60 + Number(parts[3] ?? 0)) * 60_000 * (parts[1] === "-" ? -1 : 1)
    : 0;
  if (Math.abs(offsetMs) > DAY_MS || Number(parts?.[3] ?? 0) > 59) return null;
  return wall + millisecondsOf(fields) - offsetMs;
}

/** croner reads it as a cron expression that comes true once, so that both kinds of job treat a clock change alike. */
function readInZone(fields: DateParts, timezone: string): number | null {
  const { year, month, day, hour, minute, second = "00" } = fields;
  const wall = wallOf(fields);
  if (wall === null) return null;
  const gap = gapEnd(timezone, wall);
  if (gap !== null) return gap + millisecondsOf(fields);
  const once = new Cron(`${second} ${minute} ${hour} ${day} ${month} * ${year}`, {
    mode: "7-part",
    fixedTimeRule: "no-wildcard",
    timezone,
  });
  const found = once.nextRun(new Date(wall - 2 * DAY_MS));
  return found ? found.getTime() + millisecondsOf(fields) : null;
}

const invalidMoment = (message: string): NightshiftError => new NightshiftError("INVALID_SCHEDULE", message);
