import { z } from "zod";
import { NightshiftError } from "../../errors.ts";
import { cronWarning } from "../../jobs/cron-text.ts";
import { limitsOf, nameAndToolsOf, policyOf, provisionOf } from "../../jobs/fields.ts";
import { UNLISTED } from "../../jobs/listing.ts";
import { readSaidCron } from "../../jobs/said-time.ts";
import {
  anchored,
  hasTimeLeft,
  nextTime,
  nextTimes,
  parseSchedule,
  type ScheduleInput,
} from "../../jobs/schedule.ts";
import { toZonedIso } from "../../jobs/time.ts";
import type { ToolDefinition } from "../define.ts";
import { answer, type ToolResult } from "../result.ts";
import { requireService, type Services, type UserZone } from "../services.ts";
import { zoneOf } from "../timezone.ts";
import { withoutPolicy } from "./policy.ts";
import {
  assertRunnable,
  intervalArgument,
  jobArguments,
  NO_TIME,
  prepare,
  readAction,
  withDependency,
  withPinnedFacts,
} from "./prepare.ts";
import { jobBrief, type ShownJob, showJob, tellJob } from "./show.ts";

const scheduleArguments = z.strictObject({
  ...jobArguments,
  allow_duplicate: z
    .boolean()
    .optional()
    .meta({ description: "make it although an active job does the same", ...UNLISTED }),
  idempotency_key: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .meta({ description: "of the calling program: the same key makes no second job", ...UNLISTED }),
});

export const scheduleTask: ToolDefinition<Services> = {
  name: "schedule_task",
  scope: "jobs:write",
  title: "Schedule a task",
  description:
    "Has a prompt worked on later, once or repeatedly, by a ghost: an automated session with tools that cannot reach this user's memory or ask anybody, so put all it needs into the prompt. Give prompt or tool, and one of execute_at, cron, every_seconds and after.",
  inputSchema: scheduleArguments,
  outputSchema: jobBrief.extend({
    ghost_session_id: z.string(),
    timezone: z.string(),
    note: z.string().optional(),
    already_scheduled: z.boolean().optional(),
  }),
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  create: (context, services) => ({
    run: async (given: z.output<typeof scheduleArguments>) => {
      const args = await withDependency(withoutPolicy(given), services);
      const scheduler = requireService(services.scheduler, "schedules");
      const action = readAction(args);
      if (!action)
        throw new NightshiftError(
          "INVALID_ARGUMENTS",
          "Say what to do: give a prompt, or a tool {name, arguments}.",
        );
      const now = services.now();
      const zone = await zoneOf(services);
      const { timezone, schedule: unanchored } = parseSchedule(
        { ...args, timezone: args.timezone ?? zone.timezone },
        now,
      );
      const policy = policyOf(args, timezone);
      const timing = { schedule: anchored(unanchored, policy), timezone, policy };
      if (!hasTimeLeft(timing, now)) throw new NightshiftError("INVALID_SCHEDULE", NO_TIME);
      const { name, tools } = nameAndToolsOf(args);
      const prepared = await prepare(args, services);
      const provision = withPinnedFacts(provisionOf(args), prepared);
      assertRunnable(action, { tools, check: provision.check }, scheduler);
      const { allow_duplicate: allowDuplicate, idempotency_key: key } = args;
      const wanted = {
        name,
        action,
        ...timing,
        limits: limitsOf(args),
        tools,
        provision,
        nextRunAt: nextTime(timing, now),
        origin: { kind: "tool", parentSessionId: context.sessionId, threadId: context.threadId },
      } as const;
      const { job, isNew } = await requireService(services.jobs, "schedules").createOnce(wanted, {
        ...(allowDuplicate && { allowDuplicate }),
        ...(key !== undefined && { key }),
      });
      scheduler.wake();
      const caveat = await scheduler.caveat?.(action.kind);
      const notes = [caveat, ...scheduleNotes(args, zone), ...prepared.warnings].filter(isText);
      return tellMade(showJob(job, services), notes, isNew);
    },
  }),
};

function tellMade(job: ShownJob, notes: readonly string[], isNew: boolean): ToolResult {
  const shown = { ...job, ...(notes.length > 0 && { note: notes.join("\n") }) };
  if (!isNew) {
    const told = `Already scheduled, and not made again: ${tellJob(job)}. allow_duplicate: true makes a second one.`;
    return answer({ ...shown, already_scheduled: true }, [told, ...notes].join("\n"));
  }
  const when = job.after
    ? `whenever a run of ${job.after} succeeded`
    : `at ${job.next_runs.join(", then ")} (${job.timezone})`;
  const text = [
    `Scheduled as ${job.job_id}. It runs ${when}.`,
    `It runs as ${job.ghost_session_id}, which has no access to this user's memory. What it comes to is in the inbox; list_runs and get_run have every run.`,
    ...notes,
  ].join("\n");
  return answer(shown, text);
}

const isText = (text: string | undefined): text is string => text !== undefined;

/** What the caller should know about a schedule that is valid. */
const scheduleNotes = ({ cron, execute_at, timezone }: ScheduleInput, zone: UserZone): string[] => {
  const said = cron && readSaidCron(cron);
  const isOfZone =
    cron !== undefined || (execute_at !== undefined && !/[+-]\d\d:?\d\d$|Z$|^in /i.test(execute_at));
  return [
    timezone === undefined && isOfZone ? zone.warning : undefined,
    cron && cronWarning(cron),
    said && `"${cron}" was read as the cron expression ${said}.`,
  ].filter(isText);
};

const optionalText = z.string().min(1).max(256).optional();
const previewArguments = z.strictObject({
  execute_at: optionalText,
  cron: optionalText,
  every_seconds: intervalArgument.optional(),
  every: intervalArgument.optional().meta(UNLISTED),
  timezone: optionalText,
  starts_at: optionalText.meta(UNLISTED),
  ends_at: optionalText.meta(UNLISTED),
  count: z.number().int().min(1).max(50).default(10),
});

export const previewSchedule: ToolDefinition<Services> = {
  name: "preview_schedule",
  scope: "jobs:read",
  title: "Preview a schedule",
  description: "Shows the next times of a schedule, clock changes included. Stores nothing.",
  inputSchema: previewArguments,
  outputSchema: z.object({ timezone: z.string(), times: z.array(z.string()) }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  create: (_context, services) => ({
    run: async (args: z.output<typeof previewArguments>) => {
      const { now } = services;
      const zone = await zoneOf(services);
      const { schedule, timezone } = parseSchedule(
        { ...args, timezone: args.timezone ?? zone.timezone },
        now(),
      );
      const policy = policyOf(args, timezone);
      const found = nextTimes({ schedule: anchored(schedule, policy), timezone, policy }, now(), args.count);
      const times = found.map((at) => toZonedIso(at, timezone));
      const shown = times.length === 0 ? ["It has no time left."] : times;
      return answer({ timezone, times }, [...shown, ...scheduleNotes(args, zone)].join("\n"));
    },
  }),
};
