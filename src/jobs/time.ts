import { NightshiftError } from "../errors.ts";
import { cutText } from "./cut-text.ts";
import { CURRENT_NAMES, meaningsOf } from "./zone-names.ts";

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timezone: string): Intl.DateTimeFormat {
  const known = formats.get(timezone);
  if (known) return known;
  const made = new Intl.DateTimeFormat("en-CA", {
    timeZone: timezone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "longOffset",
  });
  // Zones come from users, so the cache is bounded; there are some 600 names.
  if (formats.size < 1_000) formats.set(timezone, made);
  return made;
}

/** ISO 8601 with the zone's offset at that moment: `2026-02-20T09:00:00+01:00`. */
export function toZonedIso(epochMs: number, timezone: string): string {
  const part: Record<string, string> = {};
  for (const { type, value } of formatOf(timezone).formatToParts(epochMs)) part[type] = value;
  const offset = part.timeZoneName?.replace("GMT", "") || "+00:00";
  return `${part.year}-${part.month}-${part.day}T${part.hour}:${part.minute}:${part.second}${offset}`;
}

/** ISO 8601 in UTC, or null. */
export const toIso = (epochMs: number | null): string | null =>
  epochMs === null ? null : new Date(epochMs).toISOString();

/** Ms that the zone is ahead of UTC at that moment. */
export function offsetMs(timezone: string, epochMs: number): number {
  const at = Math.floor(epochMs / 1000) * 1000;
  const part: Record<string, string> = {};
  for (const { type, value } of formatOf(timezone).formatToParts(at)) part[type] = value;
  const { year, month, day, hour, minute, second } = part;
  return Date.parse(`${year?.padStart(4, "0")}-${month}-${day}T${hour}:${minute}:${second}Z`) - at;
}

export const DAY_MS = 86_400_000;

/** A duration in the unit that suits it: `90 seconds`, `5 minutes`, `2 days`. */
export function describeDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds === 1) return "1 second";
  if (seconds < 120) return `${seconds} seconds`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} minutes`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}

/** No zone changes its clocks twice within this time of a moment, nor by more than half of it. */
const TWO_DAYS_MS = 2 * DAY_MS;

/**
 * Epoch ms of the first moment after the clock change that skips this wall time; null when the wall time exists. `wall` is
 * what the clock on the wall shows, as if that were UTC.
 */
export function gapEnd(timezone: string, wall: number): number | null {
  let before = wall - TWO_DAYS_MS;
  let after = wall + TWO_DAYS_MS;
  const [old, changed] = [offsetMs(timezone, before), offsetMs(timezone, after)];
  const exists = [old, changed].some((offset) => offsetMs(timezone, wall - offset) === offset);
  if (exists || changed <= old) return null;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (offsetMs(timezone, middle) === old) before = middle;
    else after = middle;
  }
  return after;
}

/**
 * The IANA zone of this machine. A TZ in another form of POSIX (`UTC0`, `:/etc/localtime`, nothing) gives no name that a
 * schedule can be kept with: then it is UTC.
 */
export function hostTimezone(): string {
  const found: string | undefined = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return found !== undefined && isIana(found) ? found : "UTC";
}

/** Says that a job without a zone gets another one than the environment asks for. `tz` is its TZ, where that is known. */
export function hostZoneProblem(tz?: string): string | undefined {
  const found: string | undefined = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const isRead = found !== undefined && isIana(found);
  if (isRead && (tz === undefined || isIana(tz.replace(/^:/, "")))) return undefined;
  const given = tz === undefined ? "this machine's time zone" : `TZ=${JSON.stringify(tz.slice(0, 60))}`;
  return `A job without a timezone is in ${hostTimezone()}: ${given} is not an IANA name. Set TZ to one, such as Europe/Berlin.`;
}

/** The zone's name as it is stored. Throws INVALID_SCHEDULE with similar names for one that does not exist. */
export function readTimezone(timezone: string): string {
  const name = timezone.trim();
  if (isIana(name)) return withUsualCase(name);
  const close = suggest(name);
  const hint = close.length > 0 ? ` Did you mean ${close.join(" or ")}?` : "";
  throw new NightshiftError(
    "INVALID_SCHEDULE",
    `"${cutText(name, 60)}" is not a time zone.${hint} Use an IANA name, for example "Europe/Berlin" or "UTC".`,
  );
}

/** Intl also takes offsets ("+02:00"), which ignore summer time, and names that Java had once ("BST", "SystemV/PST8"). */
function isIana(name: string): boolean {
  if (!/^[A-Z]/i.test(name) || /^SystemV\//i.test(name) || meaningsOf(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function withUsualCase(name: string): string {
  const lower = name.toLowerCase();
  return zones().find((zone) => zone.toLowerCase() === lower) ?? name;
}

const zones = (): readonly string[] => ["UTC", ...CURRENT_NAMES, ...Intl.supportedValuesOf("timeZone")];

/** The zones that complete `typed`: those that begin with it, then those whose city does. */
export function zonesLike(typed: string): readonly string[] {
  const start = typed.trim().replaceAll(/\s+/g, "_").toLowerCase();
  const all = zones();
  const begun = all.filter((zone) => zone.toLowerCase().startsWith(start));
  const cities = all.filter((zone) => zone.toLowerCase().includes(`/${start}`));
  return [...new Set([...begun, ...cities, ...(meaningsOf(typed.trim()) ?? [])])];
}

/** What an abbreviation or an offset may mean, or the zones with a word that begins as `name`, or its last part, does. */
function suggest(name: string): readonly string[] {
  const meant = meaningsOf(name.replace(/^SystemV\/([A-Z]+).*$/i, "$1"));
  if (meant) return meant;
  const hours = /^(?:UTC|GMT)? ?([+-])0?(\d|1\d)(?::?00)?$/i.exec(name);
  // The signs of these names are the other way round: Etc/GMT-2 is two hours ahead of UTC.
  if (hours)
    return [hours[2] === "0" ? "UTC" : `Etc/GMT${hours[1] === "+" ? "-" : "+"}${hours[2]}`].filter(isIana);
  const city = asWords(name.split("/").at(-1)?.trim() ?? "");
  if (city.length < 3) return [];
  return zones()
    .filter((zone) => `/${asWords(zone)}`.includes(`/${city}`))
    .slice(0, 3);
}

const asWords = (name: string): string => name.toLowerCase().replaceAll(/[\s_-]+/g, "/");
