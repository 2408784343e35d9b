import { z } from "zod";
import { NightshiftError } from "../../errors.ts";
import { cronWarning } from "../../jobs/cron-text.ts";
import { limitsOf, nameAndToolsOf, policyOf, provisionOf } from "../../jobs/fields.ts";
import {
  anchored,
  hasTimeLeft,
  nextTime,
  nextTimes,
  parseSchedule,
  type ScheduleInput,
} from "../../jobs/schedule.ts";
import { hostZoneProblem, toZonedIso } from "../../jobs/time.ts";
import type { ToolDefinition } from "../define.ts";
import { answer } from "../result.ts";
import { requireService, type Services } from "../services.ts";
import {
  assertRunnable,
  type JobArguments,
  jobArguments,
  NO_TIME,
  prepare,
  readAction,
  withPinnedFacts,
} from "./prepare.ts";
import { jobBrief, showJob } from "./show.ts";

export const scheduleTask: ToolDefinition<Services> = {
  name: "schedule_task",
  scope: "jobs:write",
  title: "Schedule a task",
  description:
    "Has a prompt worked on later, or again and again, by a ghost: an automated session of its own with a ReAct loop and tools, which cannot read or write this user's memory and cannot ask anybody. Put everything it needs to know into the prompt. Give exactly one of prompt and tool, and exactly one of execute_at, cron and every_seconds (or after).",
  inputSchema: z.strictObject(jobArguments),
  outputSchema: jobBrief.extend({
    ghost_session_id: z.string(),
    timezone: z.string(),
    note: z.string().optional(),
  }),
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  create: (context, services) => ({
    run: async (args: JobArguments) => {
      const scheduler = requireService(services.scheduler, "schedules");
      const action = readAction(args);
      if (!action)
        throw new NightshiftError(
          "INVALID_ARGUMENTS",
          "Say what to do: give a prompt, or a tool {name, arguments}.",
        );
      const now = services.now();
      const { timezone, schedule: unanchored } = parseSchedule(args, now);
      const policy = policyOf(args, timezone);
      const timing = { schedule: anchored(unanchored, policy), timezone, policy };
      if (!hasTimeLeft(timing, now)) throw new NightshiftError("INVALID_SCHEDULE", NO_TIME);
      const { name, tools } = nameAndToolsOf(args);
      const prepared = await prepare(args, services);
      const provision = withPinnedFacts(provisionOf(args), prepared);
      assertRunnable(action, { tools, check: provision.check }, scheduler);
      const job = await requireService(services.jobs, "schedules").create({
        name,
        action,
        ...timing,
        limits: limitsOf(args),
        tools,
        provision,
        nextRunAt: nextTime(timing, now),
        origin: { kind: "tool", parentSessionId: context.sessionId, threadId: context.threadId },
      });
      scheduler.wake();
      const shown = showJob(job, services);
      const caveat = await scheduler.caveat?.(action.kind);
      const notes = [caveat, ...scheduleNotes(args), ...prepared.warnings].filter(isText);
      const text = [
        `Scheduled as ${job.jobId}. It runs ${shown.after ? `whenever a run of ${shown.after} succeeded` : `at ${shown.next_runs.join(", then ")} (${timezone})`}.`,
        `It runs as ${shown.ghost_session_id}, which has no access to this user's memory. What it comes to is in the inbox; list_runs and get_run have every run.`,
        ...notes,
      ].join("\n");
      return answer({ ...shown, ...(notes.length > 0 && { note: notes.join("\n") }) }, text);
    },
  }),
};

const isText = (text: string | undefined): text is string => text !== undefined;

/** What the caller should know about a schedule that is valid. */
const scheduleNotes = ({ cron, timezone }: ScheduleInput): string[] =>
  [timezone === undefined ? hostZoneProblem() : undefined, cron && cronWarning(cron)].filter(isText);

const optionalText = z.string().max(256).optional();
const previewArguments = z.strictObject({
  execute_at: optionalText,
  cron: optionalText,
  every_seconds: z.number().int().optional(),
  timezone: optionalText,
  starts_at: optionalText,
  ends_at: optionalText,
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
      const policy = policyOf(args, timezone);
      const found = nextTimes({ schedule: anchored(schedule, policy), timezone, policy }, now(), args.count);
      const times = found.map((at) => toZonedIso(at, timezone));
      const shown = times.length === 0 ? ["It has no time left."] : times;
      return answer({ timezone, times }, [...shown, ...scheduleNotes(args)].join("\n"));
    },
  }),
};
