/** What people type into a cron expression beyond what croner reads: ranges that wrap around, and hints where they go wrong. */

const UNIT_SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;
const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

interface FieldBounds {
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

/** From the right, because a field for seconds may come first. */
const BOUNDS: readonly FieldBounds[] = [
  { min: 0, max: 6, names: WEEKDAYS },
  { min: 1, max: 12, names: MONTHS },
  { min: 1, max: 31 },
  { min: 0, max: 23 },
  { min: 0, max: 59 },
  { min: 0, max: 59 },
];

/** The expression with each range that wraps around (`FRI-MON`, `22-2`) as two that do not. */
export function unwrapRanges(cron: string): string {
  if (!/[\w]-[\w]/.test(cron)) return cron;
  const fields = cron.split(" ");
  return fields
    .map((field, index) => {
      const bounds = BOUNDS[fields.length - 1 - index];
      return bounds
        ? field
            .split(",")
            .map((range) => unwrapRange(range, bounds))
            .join(",")
        : field;
    })
    .join(" ");
}

function unwrapRange(range: string, { min, max, names }: FieldBounds): string {
  const parts = /^(\w+)-(\w+)(?:\/(\d+))?$/.exec(range);
  if (!parts) return range;
  const numberOf = (text: string | undefined): number => {
    const named = names?.indexOf(text?.toUpperCase() ?? "") ?? -1;
    return named >= 0 ? named + min : Number(text);
  };
  const [from, to, step] = [numberOf(parts[1]), numberOf(parts[2]), Number(parts[3] ?? 1)];
  // Sunday is 0 and 7; croner takes 7 at the end of a range only.
  if (names === WEEKDAYS && from === 7 && to < 7)
    return unwrapRange(`0${range.slice(1)}`, { min, max, names });
  const isRange = [from, to].every((value) => value >= min && value <= max) && step > 0;
  if (!isRange || from <= to) return range;
  const suffix = parts[3] ? `/${step}` : "";
  // The steps go on where they are after the wrap.
  const resumed = from + Math.ceil((max - from + 1) / step) * step - (max - min + 1);
  const [first, second] = [`${from}-${max}${suffix}`, `${resumed}-${to}${suffix}`];
  return resumed > to ? first : `${first},${second}`;
}

/** What to give in place of an expression that other programs take; undefined for any other. */
export function hintOf(cron: string): string | undefined {
  const every = /^@every\s+((?:\d+(?:\.\d+)?\s*[smhd]\s*)+)$/i.exec(cron)?.[1];
  if (every) {
    const parts = every.toLowerCase().matchAll(/(\d+(?:\.\d+)?)\s*([smhd])/g);
    const seconds = [...parts].reduce(
      (sum, [, n, unit]) => sum + Number(n) * UNIT_SECONDS[unit as keyof typeof UNIT_SECONDS],
      0,
    );
    return `A cron expression has no @every; give every_seconds: ${Math.max(1, Math.round(seconds))} instead.`;
  }
  if (/^@every\b/i.test(cron)) return "A cron expression has no @every; give every_seconds instead.";
  const zone = /^(?:CRON_)?TZ=(\S*)\s+(.+)$/i.exec(cron);
  if (!zone) return undefined;
  return `A cron expression has no time zone in it; give cron: "${zone[2]}" and timezone: "${zone[1]}".`;
}

/** A warning about an expression that can be read but may mean something else to its writer. */
export function cronWarning(cron: string): string | undefined {
  const weekday = cron.trim().split(/\s+/).at(-1) ?? "";
  if (!/\?/.test(cron) || !/(?:^|[,-])\d/.test(weekday)) return undefined;
  return `Weekday numbers count from 0 (Sunday) here, so "${weekday}" is ${nameWeekdays(weekday)}; in Quartz 1 is Sunday. Write names, such as MON-FRI, to be sure.`;
}

const nameWeekdays = (field: string): string =>
  field.replaceAll(/(?<![#/\d])[0-7]/g, (digit) => WEEKDAYS[Number(digit) % 7] ?? digit);
