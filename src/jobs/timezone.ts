import { NightshiftError } from "../errors.ts";

/** The IANA zone of this machine. */
export const hostTimezone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** `timezone` as it is to be stored, or throws INVALID_SCHEDULE with the names that come close. */
export function readTimezone(timezone: string): string {
  const name = timezone.trim();
  // Intl also takes fixed offsets ("+02:00"), which know nothing of summer time: not what "timezone" promises.
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

/** The zones that `typed` may become: those that begin with it, then those with a city that does. */
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
