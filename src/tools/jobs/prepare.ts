import { z } from "zod";
import { NightshiftError } from "../../errors.ts";
import { policyFields } from "../../jobs/fields.ts";
import {
  type Action,
  type Check,
  DEFAULT_LIMITS,
  type Limits,
  MAX_PINNED_BYTES,
  MAX_PINNED_FACTS,
  NO_PROVISION,
  type PinnedFact,
  type Provision,
} from "../../jobs/job.ts";
import { requireService, type SchedulerApi, type Services } from "../services.ts";

export const jobId = z.string().min(1).max(100);

/** What schedule_task and update_job take of a job's provision; null takes it away again. */
export const provisionArguments = {
  pinned_facts: z
    .array(z.string().min(1).max(100))
    .max(MAX_PINNED_FACTS)
    .optional()
    .describe("fact_ids whose text is copied into the job now; its ghost reads no memory"),
  max_tokens_per_job: z
    .number()
    .int()
    .min(1)
    .max(1e12)
    .nullable()
    .optional()
    .describe("input and output tokens of all its runs together at most (default null: no limit)"),
  check: z
    .strictObject({
      name: z.string().min(1).max(128),
      arguments: z.record(z.string(), z.unknown()).default({}),
    })
    .nullable()
    .optional()
    .describe('a tool to call first, without a model: an empty text, false or {"run": false} skips the run'),
  silent_token: z
    .string()
    .trim()
    .min(1)
    .max(100)
    .nullable()
    .optional()
    .describe("an answer that is just this is recorded and delivered to nobody"),
  previous_output: z
    .boolean()
    .optional()
    .describe("show each run what the last successful one came to; with after, that of the job before"),
  webhook_url: z.string().nullable().optional().describe("https URL to post each run's end to"),
};

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

const provisionArgumentsSchema = z.strictObject(provisionArguments);
type ProvisionArguments = z.output<typeof provisionArgumentsSchema>;

/** What must be asked of others before a job is made or changed. */
export interface Prepared {
  readonly pinnedFacts?: readonly PinnedFact[];
  /** A sentence for each server that did not answer. */
  readonly warnings: readonly string[];
}

interface Given extends Partial<ProvisionArguments> {
  readonly tool?: { readonly name: string } | undefined;
  readonly allowed_tools?: readonly string[] | null | undefined;
}

/**
 * Copies the facts that are named out of the caller's own memory, and asks other servers for the tools of theirs that
 * are named. Rejects with FACT_NOT_FOUND, FACT_TOO_LARGE, TOOL_NOT_FOUND, INVALID_ARGUMENTS for a webhook that cannot
 * be, or TOOL_DENIED for a caller without memory.
 */
export async function prepare(args: Given, services: Services): Promise<Prepared> {
  const { pinned_facts, webhook_url } = args;
  const scheduler = requireService(services.scheduler, "schedules");
  if (webhook_url) scheduler.checkWebhook(webhook_url);
  return {
    ...(pinned_facts && { pinnedFacts: await copyFacts(pinned_facts, services) }),
    warnings: await checkUpstreams(args, scheduler),
  };
}

async function checkUpstreams({ tool, check, allowed_tools }: Given, scheduler: SchedulerApi) {
  const named = [...(allowed_tools ?? []), ...(tool ? [tool.name] : []), ...(check ? [check.name] : [])];
  const names = named.filter(scheduler.isUpstream);
  return names.length > 0 ? scheduler.checkUpstreams(names) : [];
}

async function copyFacts(factIds: readonly string[], services: Services): Promise<readonly PinnedFact[]> {
  if (factIds.length === 0) return [];
  const facts = requireService(services.facts, "memory");
  const copies: PinnedFact[] = [];
  for (const factId of new Set(factIds)) copies.push({ factId, text: (await facts.get(factId)).text });
  const bytes = copies.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
  if (bytes <= MAX_PINNED_BYTES) return copies;
  throw new NightshiftError(
    "FACT_TOO_LARGE",
    `These facts have ${bytes} bytes together; a job can have ${MAX_PINNED_BYTES} of them pinned. Pin fewer.`,
    { bytes, limit: MAX_PINNED_BYTES },
  );
}

/** `before` with what was given changed. */
export function provisionOf(
  { max_tokens_per_job, check, silent_token, previous_output, webhook_url }: ProvisionArguments,
  { pinnedFacts }: Prepared,
  before: Provision = NO_PROVISION,
): Provision {
  return {
    ...before,
    pinnedFacts: pinnedFacts ?? before.pinnedFacts,
    maxTokensPerJob: max_tokens_per_job === undefined ? before.maxTokensPerJob : max_tokens_per_job,
    check:
      check === undefined
        ? before.check
        : check && { kind: "tool", tool: check.name, arguments: check.arguments },
    silentToken: silent_token === undefined ? before.silentToken : silent_token,
    previousOutput: previous_output ?? before.previousOutput,
    webhookUrl: webhook_url === undefined ? before.webhookUrl : webhook_url || null,
  };
}

export const provisionShape = {
  pinned_facts: z.array(z.object({ fact_id: z.string(), fact: z.string() })).optional(),
  max_tokens_per_job: z.number().nullable(),
  check: z.record(z.string(), z.unknown()).optional(),
  silent_token: z.string().optional(),
  previous_output: z.boolean(),
  webhook_url: z.string().optional(),
};

/** What there is of it: most jobs have nothing. */
export const showProvision = (provision: Provision) => ({
  max_tokens_per_job: provision.maxTokensPerJob,
  previous_output: provision.previousOutput,
  ...(provision.silentToken !== null && { silent_token: provision.silentToken }),
  ...(provision.check && { check: showCheck(provision.check) }),
  ...(provision.webhookUrl !== null && { webhook_url: provision.webhookUrl }),
  ...(provision.pinnedFacts.length > 0 && {
    pinned_facts: provision.pinnedFacts.map(({ factId, text }) => ({ fact_id: factId, fact: text })),
  }),
});

const showCheck = (check: Check) =>
  check.kind === "code" ? { file: check.file } : { name: check.tool, arguments: { ...check.arguments } };
