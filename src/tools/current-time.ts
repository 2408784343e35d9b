import { z } from "zod";
import { NightshiftError } from "../errors.ts";
import { hostTimezone, readTimezone, toZonedIso } from "../jobs/time.ts";
import type { ToolDefinition } from "./define.ts";
import { answer } from "./result.ts";
import { lazySchema } from "./schema.ts";
import type { Services } from "./services.ts";

export const currentTime: ToolDefinition<Services> = {
  name: "current_time",
  title: "Current time",
  description: "Tells the date and time now, in a time zone.",
  inputSchema: lazySchema(() =>
    z.strictObject({
      timezone: z.string().min(1).max(64).optional().describe("IANA name; default: the server's"),
    }),
  ),
  outputSchema: lazySchema(() =>
    z.object({
      now: z.string(),
      timezone: z.string(),
      weekday: z.string(),
      epoch_ms: z.number(),
    }),
  ),
  annotations: { readOnlyHint: true, openWorldHint: false },
  create: (_context, { now }) => ({
    run: ({ timezone: given = hostTimezone() }: { timezone?: string }) => {
      const epochMs = now();
      const timezone = readZone(given);
      const iso = toZonedIso(epochMs, timezone);
      const weekday = new Intl.DateTimeFormat("en", { weekday: "long", timeZone: timezone }).format(epochMs);
      return answer(
        { now: iso, timezone, weekday, epoch_ms: epochMs },
        `It is ${weekday}, ${iso} (${timezone}).`,
      );
    },
  }),
};

function readZone(given: string): string {
  try {
    return readTimezone(given);
  } catch (error) {
    if (!(error instanceof NightshiftError)) throw error;
    const message = error.message.replace("is not a time zone", "is no time zone");
    throw new NightshiftError("INVALID_ARGUMENTS", message, {}, { cause: error });
  }
}
