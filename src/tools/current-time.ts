import { z } from "zod";
import { NightshiftError } from "../errors.ts";
import { hostTimezone, toZonedIso } from "../jobs/time.ts";
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
      timezone: z
        .string()
        .max(64)
        .optional()
        .describe("IANA name, e.g. Europe/Berlin; default: the server's zone"),
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
    run: ({ timezone = hostTimezone() }: { timezone?: string }) => {
      const epochMs = now();
      try {
        const iso = toZonedIso(epochMs, timezone);
        const weekday = new Intl.DateTimeFormat("en", { weekday: "long", timeZone: timezone }).format(
          epochMs,
        );
        return answer(
          { now: iso, timezone, weekday, epoch_ms: epochMs },
          `It is ${weekday}, ${iso} (${timezone}).`,
        );
      } catch (error) {
        throw new NightshiftError(
          "INVALID_ARGUMENTS",
          `"${timezone}" is no time zone; use an IANA name such as Europe/Berlin or UTC.`,
          {},
          { cause: error },
        );
      }
    },
  }),
};
