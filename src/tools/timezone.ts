import { z } from "zod";
import { NightshiftError } from "../errors.ts";
import { hostTimezone, readTimezone, toZonedIso } from "../jobs/time.ts";
import type { ToolDefinition } from "./define.ts";
import { answer } from "./result.ts";
import { requireService, type Services, type UserZone } from "./services.ts";

/** The zone for a call that names none. A ghost has the host's. */
export const zoneOf = async ({ zone }: Services): Promise<UserZone> =>
  (await zone?.read()) ?? { timezone: hostTimezone() };

/** Reads a zone that is an argument of its own. Throws INVALID_ARGUMENTS with similar names. */
export function readZone(given: string): string {
  try {
    return readTimezone(given);
  } catch (error) {
    if (!(error instanceof NightshiftError)) throw error;
    const message = error.message.replace("is not a time zone", "is no time zone");
    throw new NightshiftError("INVALID_ARGUMENTS", message, {}, { cause: error });
  }
}

export const setTimezone: ToolDefinition<Services> = {
  name: "set_timezone",
  scope: "jobs:write",
  title: "Set the time zone",
  description: "Sets this user's time zone, which holds where a call names none.",
  inputSchema: z.strictObject({ timezone: z.string().max(64).describe("IANA name") }),
  outputSchema: z.object({ timezone: z.string(), now: z.string() }),
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  create: (_context, services) => ({
    run: async ({ timezone: given }: { timezone: string }) => {
      const timezone = readZone(given);
      await requireService(services.zone, "settings").set(timezone);
      const now = toZonedIso(services.now(), timezone);
      const text = `Your time zone is ${timezone}, where it is ${now}. Jobs that exist keep theirs.`;
      return answer({ timezone, now }, text);
    },
  }),
};
