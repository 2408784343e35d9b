import { z } from "zod";
import { toZonedIso } from "../jobs/time.ts";
import type { ToolDefinition } from "./define.ts";
import { answer } from "./result.ts";
import { lazySchema } from "./schema.ts";
import type { Services } from "./services.ts";
import { readZone, zoneOf } from "./timezone.ts";

export const currentTime: ToolDefinition<Services> = {
  name: "current_time",
  title: "Current time",
  description: "Tells the date and time now, in a time zone.",
  inputSchema: lazySchema(() =>
    z.strictObject({
      timezone: z.string().min(1).max(64).optional().describe("IANA name; default: the user's"),
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
  create: (_context, services) => ({
    run: async ({ timezone: given }: { timezone?: string }) => {
      const epochMs = services.now();
      const timezone = given === undefined ? (await zoneOf(services)).timezone : readZone(given);
      const iso = toZonedIso(epochMs, timezone);
      const weekday = new Intl.DateTimeFormat("en", { weekday: "long", timeZone: timezone }).format(epochMs);
      return answer(
        { now: iso, timezone, weekday, epoch_ms: epochMs },
        `It is ${weekday}, ${iso} (${timezone}).`,
      );
    },
  }),
};
