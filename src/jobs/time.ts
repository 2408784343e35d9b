import { NightshiftError } from "../errors.ts";

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

/** The IANA zone of this machine. */
export const hostTimezone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The zone's name as it is stored. Throws INVALID_SCHEDULE with similar names for one that does not exist. */
export function readTimezone(timezone: string): string {
  const name = timezone.trim();
  // Intl also takes fixed offsets ("+02:00"), which do not change with summer time as a time zone does.
  if (/^[A-Za-z]/.test(name) && isKnown(name)) return withUsualCase(name);
  const close = suggest(name);
  const hint = close.length > 0 ? ` Did you mean ${close.join(" or ")}?` : "";
  throw new NightshiftError(
    "INVALID_SCHEDULE",
    `"${name.slice(0, 60)}" is not a time zone.${hint} Use an IANA name, for example "Europe/Berlin" or "UTC".`,
  );
}

function isKnown(name: string): boolean {
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

const zones = (): readonly string[] => ["UTC", ...Intl.supportedValuesOf("timeZone")];

/** The zones that complete `typed`: those that begin with it, then those whose city does. */
export function zonesLike(typed: string): readonly string[] {
  const start = typed.trim().replaceAll(/\s+/g, "_").toLowerCase();
  const all = zones();
  const begun = all.filter((zone) => zone.toLowerCase().startsWith(start));
  const cities = all.filter((zone) => zone.toLowerCase().includes(`/${start}`));
  return [...new Set([...begun, ...cities])];
}

/** Zones that contain the letters of `name`, or its last part: "Berlin", "Europe/Munich/Berlin", "new york". */
function suggest(name: string): readonly string[] {
  const city = name.split("/").at(-1)?.trim().replaceAll(/\s+/g, "_").toLowerCase() ?? "";
  if (city.length < 3) return [];
  return zones()
    .filter((zone) => zone.toLowerCase().includes(city))
    .slice(0, 3);
}
