/** Lengths of time as people say them: see `said-time.ts` for the grammar. */

export const DAY_SECONDS = 86_400;
const SAID_UNIT_SECONDS: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3_600,
  d: DAY_SECONDS,
  w: 7 * DAY_SECONDS,
};
const DURATION_PART =
  /^(\d{1,9}(?:\.\d{1,3})?|an?|one|half an)\s*(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)(?=$|[\s,\d])[\s,]*(?:and\s+)?/;

/** A length of time: its days, and the seconds besides. */
interface Duration {
  readonly days: number;
  readonly seconds: number;
}

/** Reads "2h", "90 minutes" or "1 day and 2 hours". Undefined for what is no length of time. */
export function readDuration(text: string): Duration | undefined {
  let [rest, days, seconds] = [text.trim().toLowerCase(), 0, 0];
  if (rest === "") return undefined;
  while (rest !== "") {
    const [all, amount = "", unit = ""] = DURATION_PART.exec(rest) ?? [];
    if (all === undefined) return undefined;
    const count = amount === "half an" ? 0.5 : /^[ao]/.test(amount) ? 1 : Number(amount);
    const unitSeconds = SAID_UNIT_SECONDS[unit.charAt(0)] ?? 0;
    if (unitSeconds >= DAY_SECONDS && Number.isInteger(count)) days += (count * unitSeconds) / DAY_SECONDS;
    else seconds += Math.round(count * unitSeconds);
    rest = rest.slice(all.length);
  }
  return { days, seconds };
}

/** Seconds of a length of time such as "2h", "90 minutes" or "1 day"; undefined for what is none. */
export function readSeconds(text: string): number | undefined {
  const duration = readDuration(
    text
      .trim()
      .replace(/^every\s+/i, "")
      .replace(/^(hour|day|week|minute)$/i, "1 $1"),
  );
  return duration && duration.days * DAY_SECONDS + duration.seconds;
}
