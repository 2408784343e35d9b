import { z } from "zod";
import { policyOf } from "../../jobs/fields.ts";
import { DEFAULT_POLICY } from "../../jobs/policy.ts";
import { parseSchedule } from "../../jobs/schedule.ts";
import { toZonedIso } from "../../jobs/time.ts";
import { anchored, nextTimes } from "../../jobs/times.ts";
import type { ToolDefinition } from "../define.ts";
import { answer } from "../result.ts";
import type { Services } from "../services.ts";

const text = z.string().max(256).optional();
const previewArguments = z.strictObject({
  execute_at: text,
  cron: text,
  every_seconds: z.number().int().optional(),
  timezone: text,
  starts_at: text,
  ends_at: text,
  count: z.number().int().min(1).max(50).default(10),
});

export const previewSchedule: ToolDefinition<Services> = {
  name: "preview_schedule",
  scope: "jobs:read",
  title: "Preview a schedule",
  description:
    "Shows the next times of a schedule without storing anything, clock changes included. Takes what schedule_task takes.",
  inputSchema: previewArguments,
  outputSchema: z.object({ timezone: z.string(), times: z.array(z.string()) }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  create: (_context, { now }) => ({
    run: (args: z.output<typeof previewArguments>) => {
      const { schedule, timezone } = parseSchedule(args, now());
      const policy = policyOf(args, timezone, DEFAULT_POLICY);
      const found = nextTimes({ schedule: anchored(schedule, policy), timezone, policy }, now(), args.count);
      const times = found.map((at) => toZonedIso(at, timezone));
      return answer({ timezone, times }, times.length === 0 ? "It has no time left." : times.join("\n"));
    },
  }),
};
