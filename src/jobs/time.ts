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
  // Zones come from users: what is kept of them is bounded (there are some 600 names).
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

/** The zone of the host, as an IANA name. */
export const hostZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;
