import { NightshiftError } from "../errors.ts";
import { cutText } from "./cut-text.ts";
import { readDuration, readSeconds } from "./duration.ts";
import { DAY_MS } from "./time.ts";

/*
 * Times as people say them, in a small closed grammar. It never guesses: what can be read in two ways is refused with
 * both readings, and what it does not know is left to its caller. Libraries for this (chrono-node) are lenient: they
 * choose a reading of "next friday" or "at 9" and drop words that they do not know.
 *
 *   moment   = "now" | ["in"] duration ["from now"] | [day] ["at"] time | time day
 *   day      = "today" | "tomorrow" | weekday | "this" weekday | 2026-02-20 | month 20 | 20 month
 *   time     = 9am | 9:30pm | 21:00 | 21:00:30 | "noon" | "midnight"
 *   duration = 90s | 15m | 2h | 3 days | 1 week | 1h 30m | an hour and 30 minutes
 *   repeated = days ["at"] time {("," | "and") time} | "every" 15 minutes | "hourly"
 *   days     = "daily" | "every day" | "weekdays" | "weekends" | weekday {("," | "and") weekday} | weekday "to" weekday
 *            | "every month on the" 15th
 *
 * A time without a day is the next one, today or tomorrow. A day of the week is the next one; on that day itself it is
 * ambiguous while its time is still to come. A day of 24 hours counts in a duration, unless a moment is meant: "in 2
 * days" is the same time of day, whatever the clocks do.
 */

/** Examples for an error. */
export const SAID_MOMENTS = '"in 10 minutes", "tomorrow 9am" or "friday at 14:30"';
export const SAID_CRONS = '"weekdays at 9:00", "every monday and thursday at 18:30" or "every 15 minutes"';

const SAID_WEEKDAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const SAID_MONTHS =
  "january february march april may june july august september october november december".split(" ");

/** The place in `names` of a name, or of its first three letters or more; -1 for any other word. */
const indexOfName = (names: readonly string[], word: string): number =>
  word.length < 3 ? -1 : names.findIndex((name) => name.startsWith(word.replace(/\.$/, "")));

const weekdayOf = (word: string): number => indexOfName(SAID_WEEKDAYS, word.replace(/(?<=day)s$/, ""));

interface TimeOfDay {
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

const pad = (value: number): string => String(value).padStart(2, "0");
const tellTime = ({ hour, minute }: Pick<TimeOfDay, "hour" | "minute">): string =>
  `${pad(hour)}:${pad(minute)}`;

const refuse = (text: string, why: string): NightshiftError =>
  new NightshiftError("INVALID_SCHEDULE", `"${cutText(text.trim(), 60)}" ${why}`);

const ambiguous = (text: string, one: string, other: string): NightshiftError =>
  refuse(text, `can be read in two ways: ${one}, or ${other}. Say which.`);

/** The time of day that the words say; undefined for what is none. Throws INVALID_SCHEDULE for an hour that may be two. */
function readTimeOfDay(words: string, text: string): TimeOfDay | undefined {
  if (words === "noon") return { hour: 12, minute: 0, second: 0 };
  if (words === "midnight") return { hour: 24, minute: 0, second: 0 };
  const [, hours, minutes, seconds = "0", half] =
    /^(\d{1,2})(?::(\d\d)(?::(\d\d))?)?\s*(am|pm|a\.m\.|p\.m\.|o'clock)?$/.exec(words) ?? [];
  if (hours === undefined) return undefined;
  const [hour, minute, second] = [Number(hours), Number(minutes ?? 0), Number(seconds)];
  if (minute > 59 || second > 59) return undefined;
  if (half && half !== "o'clock")
    return hour >= 1 && hour <= 12
      ? { hour: (hour % 12) + (half.startsWith("p") ? 12 : 0), minute, second }
      : undefined;
  if (hour > 23) return undefined;
  if (minutes === undefined && hour >= 1 && hour <= 12) {
    const [early, late] = [hour % 12, (hour % 12) + 12].map((of) => tellTime({ hour: of, minute: 0 }));
    throw ambiguous(text, early ?? "", late ?? "");
  }
  return { hour, minute, second };
}

/** A moment as it was said: `days` from `today` at a time of day, or a number of ms from now. */
export type SaidMoment =
  | { readonly kind: "wall"; readonly wall: string }
  | { readonly kind: "in"; readonly ms: number };

/**
 * Reads a moment. `wallNow` is what a clock on the wall shows now, in the zone that is meant, as if that were UTC; the
 * answer's `wall` is such a time too, as `2026-02-20 09:00:00`. Undefined for what is not of this grammar. Throws
 * INVALID_SCHEDULE for what can be read in two ways, or lacks its time.
 */
export function readSaidMoment(text: string, wallNow: number): SaidMoment | undefined {
  const words = text.trim().toLowerCase().replaceAll(/\s+/g, " ");
  if (words.length > 64) return undefined;
  if (words === "now") return { kind: "in", ms: 0 };
  const duration = readDuration(words.replace(/^in /, "").replace(/ from now$/, ""));
  if (duration) {
    if (duration.days === 0) return { kind: "in", ms: duration.seconds * 1000 };
    return { kind: "wall", wall: tellWall(wallNow + duration.days * DAY_MS + duration.seconds * 1000) };
  }
  const { day, time } = splitDay(words, text);
  if (day === undefined && time === undefined) return undefined;
  if (time === undefined)
    throw refuse(
      text,
      `lacks the time of day: say "${words} 9am" or "${words} 14:30", or give a time such as "2026-02-20 09:00:00".`,
    );
  if (time.hour === 24 && day !== undefined) throw midnightOf(text, dateOf(day, time, wallNow, text));
  const today = Math.floor(wallNow / DAY_MS) * DAY_MS;
  const ofDay = ((time.hour * 60 + time.minute) * 60 + time.second) * 1000;
  if (day !== undefined) return { kind: "wall", wall: tellWall(dateOf(day, time, wallNow, text) + ofDay) };
  return { kind: "wall", wall: tellWall(today + ofDay > wallNow ? today + ofDay : today + ofDay + DAY_MS) };
}

const tellWall = (wall: number): string => new Date(wall).toISOString().slice(0, 19).replace("T", " ");
const tellDate = (wall: number): string => tellWall(wall).slice(0, 10);

const midnightOf = (text: string, date: number): NightshiftError =>
  ambiguous(
    text,
    `${tellDate(date)} 00:00, when that day begins`,
    `${tellDate(date + DAY_MS)} 00:00, when it ends`,
  );

/** The part of the words that is a time of day, at their end or their beginning, and the rest, which must be a day. */
function splitDay(words: string, text: string): { day?: string; time?: TimeOfDay | undefined } {
  const parts = words
    .replaceAll(",", "")
    .split(" ")
    .filter((word) => word !== "at" && word !== "on");
  if (isDay(parts.join(" "))) return { day: parts.join(" ") };
  for (let count = Math.min(2, parts.length); count >= 1; count--)
    for (const [rest, said] of [
      [parts.slice(0, -count), parts.slice(-count)],
      [parts.slice(count), parts.slice(0, count)],
    ] as const) {
      const day = rest.join(" ");
      if (day !== "" && !isDay(day)) continue;
      const time = readTimeOfDay(said.join(" "), text);
      if (time) return day === "" ? { time } : { day, time };
    }
  return {};
}

const DAY = /^(?:today|tomorrow|(?:(?:this|next) )?([a-z]+)|\d{4}-\d\d-\d\d)$/;

function isDay(words: string): boolean {
  const [found, name] = DAY.exec(words) ?? [];
  if (found === undefined) return readMonthDay(words) !== undefined;
  return name === undefined || found === "today" || found === "tomorrow" || weekdayOf(name) >= 0;
}

interface MonthDay {
  readonly month: number;
  readonly day: number;
  readonly year: number | undefined;
}

/** "20 february", "feb 20 2026". */
function readMonthDay(words: string): MonthDay | undefined {
  const [, first = "", second = "", year] = /^(\w+\.?) (\w+\.?)(?: (\d{4}))?$/.exec(words) ?? [];
  const [name, number] = /^\d/.test(first) ? [second, first] : [first, second];
  const month = indexOfName(SAID_MONTHS, name);
  const [, day] = /^(\d{1,2})(?:st|nd|rd|th)?$/.exec(number) ?? [];
  if (month < 0 || day === undefined) return undefined;
  return { month, day: Number(day), year: year === undefined ? undefined : Number(year) };
}

/** The beginning of the day that the words name. */
function dateOf(words: string, time: TimeOfDay, wallNow: number, text: string): number {
  const today = Math.floor(wallNow / DAY_MS) * DAY_MS;
  if (words === "today") return today;
  if (words === "tomorrow") return today + DAY_MS;
  if (/^\d{4}-/.test(words)) {
    const date = Date.parse(`${words}T00:00:00Z`);
    if (Number.isNaN(date) || tellDate(date) !== words) throw refuse(text, "is not on the calendar.");
    return date;
  }
  const monthDay = readMonthDay(words);
  if (monthDay) return dateOfMonthDay(monthDay, today, text);
  const [prefix] = / /.test(words) ? words.split(" ") : [undefined];
  const ahead = (weekdayOf(words.split(" ").at(-1) ?? "") - new Date(today).getUTCDay() + 7) % 7;
  const coming = today + ahead * DAY_MS;
  if (prefix === "this") return coming;
  const isAhead = ahead > 0 || (time.hour * 60 + time.minute) * 60_000 > wallNow - today;
  if (prefix === "next" || (ahead === 0 && isAhead))
    throw ambiguous(
      text,
      `${tellDate(coming)} ${tellTime(time)}`,
      `${tellDate(coming + 7 * DAY_MS)} ${tellTime(time)}`,
    );
  return ahead === 0 ? coming + 7 * DAY_MS : coming;
}

/** The next such day; a day that a year lacks is refused. */
function dateOfMonthDay({ month, day, year }: MonthDay, today: number, text: string): number {
  const thisYear = new Date(today).getUTCFullYear();
  const inYear = (of: number) => Date.UTC(of, month, day);
  const date =
    year === undefined && inYear(thisYear) < today ? inYear(thisYear + 1) : inYear(year ?? thisYear);
  if (new Date(date).getUTCMonth() !== month) throw refuse(text, "is not on the calendar.");
  return date;
}

/**
 * The cron expression of words such as "weekdays at 9:00". Undefined for what is not of this grammar. Throws
 * INVALID_SCHEDULE for what can be read in two ways, or that no cron expression can say.
 */
export function readSaidCron(text: string): string | undefined {
  const words = text.trim().toLowerCase().replaceAll(/\s+/g, " ");
  if (words.length > 120 || !/^[a-z]/.test(words)) return undefined;
  if (words === "hourly") return "0 * * * *";
  const seconds = /^every /.test(words) ? readSeconds(words) : undefined;
  if (seconds !== undefined && !/^every (?:1 |a |one )?(?:day|week)s?$/.test(words))
    return cronOfStep(seconds, text);
  const [, said = "", timesSaid] =
    /^(.*?)(?: at (.+)| (noon|midnight|\d[\d:]* ?(?:am|pm)?))?$/.exec(words) ?? [];
  const times = timesSaid ?? words.slice(said.length).trim();
  const fields = dayFieldsOf(said.replace(/^(?:every|each|on) /, ""));
  if (fields === undefined) return undefined;
  if (times === "") throw refuse(text, `lacks the time of day: say "${words} at 9:00".`);
  if (/midnight/.test(times) && fields !== "* * *")
    throw ambiguous(text, "0:00, when such a day begins", "0:00 of the day after, when it ends");
  return `${timeFieldsOf(times, text)} ${fields}`;
}

function cronOfStep(seconds: number, text: string): string {
  const minutes = seconds / 60;
  if (minutes === 1) return "* * * * *";
  if (minutes === 60) return "0 * * * *";
  if (Number.isInteger(minutes) && 60 % minutes === 0) return `*/${minutes} * * * *`;
  const hours = minutes / 60;
  if (Number.isInteger(hours) && hours < 24 && 24 % hours === 0) return `0 */${hours} * * *`;
  throw refuse(
    text,
    `is no cron expression, because it does not divide an hour or a day: give every_seconds: ${seconds}.`,
  );
}

/** The day of the month, the month and the weekday of a cron expression. */
function dayFieldsOf(words: string): string | undefined {
  if (/^(?:day|daily)$/.test(words)) return "* * *";
  if (/^weekdays?$/.test(words)) return "* * 1-5";
  if (/^weekends?$/.test(words)) return "* * 0,6";
  const [, date] = /^month on the (\d{1,2})(?:st|nd|rd|th)?$/.exec(words) ?? [];
  if (date !== undefined) return Number(date) >= 1 && Number(date) <= 31 ? `${Number(date)} * *` : undefined;
  const [, from, to] = /^([a-z]+) ?(?:to|through|-) ?([a-z]+)$/.exec(words) ?? [];
  const days = (from && to ? [from, to] : words.split(/,? and |, ?/)).map(weekdayOf);
  if (days.some((day) => day < 0)) return undefined;
  return `* * ${from && to ? days.join("-") : [...new Set(days)].sort().join(",")}`;
}

/** The minute and the hour of a cron expression. */
function timeFieldsOf(words: string, text: string): string {
  const times = words.split(/,? and |, ?/).map((word) => readTimeOfDay(word.trim(), text));
  if (times.some((time) => time === undefined))
    throw refuse(text, `has a time that cannot be read: say 9:00 or 9am.`);
  const read = (times as TimeOfDay[]).map((time) => ({ ...time, hour: time.hour % 24 }));
  const minutes = new Set(read.map(({ minute }) => minute));
  if (minutes.size > 1 || read.some(({ second }) => second !== 0))
    throw refuse(
      text,
      "has times with different minutes, which one cron expression cannot say: make one job for each.",
    );
  return `${[...minutes][0]} ${[...new Set(read.map(({ hour }) => hour))].sort((a, b) => a - b).join(",")}`;
}
