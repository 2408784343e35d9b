import type { Config } from "./config.ts";
import { NightshiftError } from "./errors.ts";
import type { UserSettings } from "./jobs/contracts.ts";
import { hostTimezone, hostZoneProblem, readTimezone } from "./jobs/time.ts";
import type { Services, UserZone } from "./tools/services.ts";

/**
 * The zone of users who have set none. `isHosted`: the machine is not the user's, so its zone is nobody's nine o'clock.
 * Throws CONFIG_INVALID for a setting that is no zone.
 */
export function defaultZone({ timezone }: Pick<Config, "timezone">, isHosted: boolean): UserZone {
  if (timezone !== undefined) return { timezone: readSetting(timezone) };
  const host = hostTimezone();
  const warning = isHosted
    ? `You have set no time zone, so this is in the server's, ${host}. set_timezone sets yours.`
    : hostZoneProblem();
  return { timezone: host, ...(warning !== undefined && { warning }) };
}

function readSetting(timezone: string): string {
  try {
    return readTimezone(timezone);
  } catch (error) {
    const why = error instanceof Error ? error.message : "";
    throw new NightshiftError("CONFIG_INVALID", `timezone (NIGHTSHIFT_TIMEZONE): ${why}`);
  }
}

/** A user's own zone, or the default. Without `mayRead` it is the default: the credential cannot read settings. */
export const userZone = (
  settings: UserSettings,
  fallback: UserZone,
  mayRead: boolean,
): NonNullable<Services["zone"]> => ({
  async read() {
    const own = mayRead ? await settings.timezone() : null;
    return own === null ? fallback : { timezone: own };
  },
  set: (timezone) => settings.setTimezone(timezone),
});
