import { z } from "zod";
import { NightshiftError } from "../../errors.ts";
import { policyFields } from "../../jobs/fields.ts";
import { type Action, DEFAULT_LIMITS, type Limits } from "../../jobs/job.ts";
import type { Check } from "../../jobs/provision.ts";
import type { SchedulerApi } from "../services.ts";
import { provisionArguments } from "./provide.ts";

export const jobId = z.string().min(1).max(100);

/** How schedule_task, update_job and the jobs folder describe a job; each says what it leaves out on its own. */
export const jobArguments = {
  prompt: z
    .string()
    .trim()
    .min(1)
    .max(32_000)
    .optional()
    .describe("what the ghost is asked to do; this or tool"),
  tool: z
    .strictObject({
      name: z.string().min(1).max(128),
      arguments: z.record(z.string(), z.unknown()).default({}),
    })
    .optional()
    .describe("call this one tool, without a model; this or prompt"),
  execute_at: z
    .string()
    .max(64)
    .optional()
    .describe("once: `2026-02-20 09:00:00` in timezone, or ISO 8601 with an offset"),
  cron: z.string().max(256).optional().describe("again and again: five or six cron fields, e.g. `0 9 * * *`"),
  every_seconds: z
    .number()
    .int()
    .min(1)
    .max(31_536_000)
    .optional()
    .describe("again and again: every n seconds"),
  after: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .describe("instead of a time: a job_id; runs whenever a run of that job succeeded"),
  timezone: z
    .string()
    .max(64)
    .optional()
    .describe("IANA name, e.g. Europe/Berlin; default: the server's zone"),
  name: z.string().trim().min(1).max(200).nullable().optional().describe("what to call the job"),
  use_react_loop: z
    .boolean()
    .optional()
    .describe(
      `think and use tools in a loop; without it one completion and no tools (default ${DEFAULT_LIMITS.useReactLoop})`,
    ),
  max_iterations: z
    .number()
    .int()
    .min(1)
    .max(100)
    .optional()
    .describe(`model calls of one run at most (default ${DEFAULT_LIMITS.maxIterations})`),
  max_tokens: z
    .number()
    .int()
    .min(1)
    .max(10_000_000)
    .optional()
    .describe(`input and output tokens of one run at most (default ${DEFAULT_LIMITS.maxTokens})`),
  timeout_seconds: z
    .number()
    .int()
    .min(1)
    .max(86_400)
    .optional()
    .describe(`time for one run (default ${DEFAULT_LIMITS.timeoutSeconds})`),
  allowed_tools: z
    .array(z.string().min(1).max(128))
    .max(100)
    .nullable()
    .optional()
    .describe(
      "the tools its ghost may use, of other MCP servers too: server__tool or server__*; default: the harmless built-in ones",
    ),
  ...policyFields,
  ...provisionArguments,
};

/** The same fields without their descriptions: every client reads `tools/list`, and need not read them twice. */
export const undescribed = (fields: Readonly<Record<string, z.ZodType>>): z.ZodRawShape =>
  Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, field.meta({ description: undefined })]),
  );

const jobArgumentsSchema = z.strictObject(jobArguments);
export type JobArguments = z.output<typeof jobArgumentsSchema>;

export const NO_TIME = "Nothing would ever run: the schedule has no time between starts_at and ends_at.";

/** The one thing the job does. */
export function actionOf({ prompt, tool }: Pick<JobArguments, "prompt" | "tool">): Action | undefined {
  if (prompt !== undefined && tool !== undefined)
    throw new NightshiftError(
      "INVALID_ARGUMENTS",
      "Give either prompt or tool, not both: a tool job uses no model.",
    );
  if (prompt !== undefined) return { kind: "prompt", prompt };
  if (tool !== undefined) return { kind: "tool", tool: tool.name, arguments: tool.arguments };
  return undefined;
}

/** `before` with what was given changed. */
export function limitsOf(args: JobArguments, before: Limits = DEFAULT_LIMITS): Limits {
  return {
    useReactLoop: args.use_react_loop ?? before.useReactLoop,
    maxIterations: args.max_iterations ?? before.maxIterations,
    maxTokens: args.max_tokens ?? before.maxTokens,
    timeoutSeconds: args.timeout_seconds ?? before.timeoutSeconds,
  };
}

/** Refuses at creation what could only fail at night: a job this host cannot run, a tool no ghost has. */
export function assertRunnable(
  action: Action,
  { tools, check }: { tools: readonly string[] | null; check: Check | null },
  scheduler: SchedulerApi,
): void {
  const obstacle = scheduler.obstacle(action.kind);
  if (obstacle) throw new NightshiftError("MODEL_NOT_CONFIGURED", obstacle);
  const offered = scheduler.ghostTools();
  const wanted = [
    ...(tools ?? []),
    ...[action, check].flatMap((one) => (one?.kind === "tool" ? [one.tool] : [])),
  ];
  const unknown = wanted.filter((tool) => !offered.includes(tool) && !scheduler.isUpstream(tool));
  if (unknown.length > 0)
    throw new NightshiftError(
      "TOOL_NOT_FOUND",
      `A ghost has no tool "${unknown[0]}". A ghost's tools here: ${offered.join(", ")}.`,
    );
}
