import { z } from "zod";
import { NightshiftError } from "../../errors.ts";
import { momentText, toolCall } from "../../jobs/field-forms.ts";
import { fieldArguments } from "../../jobs/fields.ts";
import {
  type Action,
  type Check,
  MAX_PINNED_BYTES,
  type PinnedFact,
  type Provision,
} from "../../jobs/job.ts";
import { BRIEF, UNLISTED } from "../../jobs/listing.ts";
import { MAX_EVERY_SECONDS } from "../../jobs/schedule.ts";
import { findJobId } from "../names.ts";
import { requireService, type SchedulerApi, type Services } from "../services.ts";
import { POLICY_HELP, policySchema } from "./policy.ts";

export const jobId = z.string().min(1).max(200);

/** Seconds, or a duration. */
export const intervalArgument = z.union([
  z.number().int().min(1).max(MAX_EVERY_SECONDS),
  z.string().min(1).max(64),
]);

/** The arguments of schedule_task and update_job. */
export const jobArguments = {
  prompt: z.string().trim().min(1).max(32_000).optional().describe("what the ghost is to do"),
  tool: toolCall.optional().describe("one call, no model"),
  execute_at: momentText.optional().describe("once: `2026-02-20 09:00`, `tomorrow 9am`, `in 2h`"),
  cron: z.string().min(1).max(256).optional().describe("`0 9 * * 1-5`, `weekdays at 9:00`"),
  every_seconds: intervalArgument.optional().describe("or `2h`"),
  every: intervalArgument.optional().meta(UNLISTED),
  after: z.string().min(1).max(200).optional().describe("a job_id: when that succeeded"),
  timezone: z.string().min(1).max(64).optional().describe("IANA name; default: the user's"),
  ...fieldArguments,
  policy: policySchema.optional().describe(POLICY_HELP),
};

/** The same arguments, listed by name and type alone: every client reads `tools/list`, and need not read them twice. */
export const listedBriefly = (fields: Readonly<Record<string, z.ZodType>>): z.ZodRawShape =>
  Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.meta(BRIEF)]));

const jobArgumentsSchema = z.strictObject(jobArguments);
export type JobArguments = Omit<z.output<typeof jobArgumentsSchema>, "policy">;

export const NO_TIME = "Nothing would ever run: the schedule has no time between starts_at and ends_at.";

/** The action of the job; undefined when neither prompt nor tool was given. */
export function readAction({ prompt, tool }: Pick<JobArguments, "prompt" | "tool">): Action | undefined {
  if (prompt !== undefined && tool !== undefined)
    throw new NightshiftError(
      "INVALID_ARGUMENTS",
      "Give either prompt or tool, not both: a tool job uses no model.",
    );
  if (prompt !== undefined) return { kind: "prompt", prompt };
  if (tool !== undefined) return { kind: "tool", tool: tool.name, arguments: tool.arguments };
  return undefined;
}

/** Refuses a job that could only fail later: one that this host cannot run, or with a tool that no ghost has. */
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
  scheduler.assertMayName(wanted);
  const unknown = wanted.filter((tool) => !offered.includes(tool) && !scheduler.isUpstream(tool));
  if (unknown.length > 0)
    throw new NightshiftError(
      "TOOL_NOT_FOUND",
      `A ghost has no tool "${unknown[0]}". A ghost's tools here: ${offered.join(", ")}.`,
    );
}

/** Results of the asynchronous work that comes before a job is made or changed. */
export interface PreparedArguments {
  readonly pinnedFacts?: readonly PinnedFact[];
  /** A sentence for each server that did not answer, and for a limit that does not hold here. */
  readonly warnings: readonly string[];
}

/**
 * Copies the named facts from the caller's memory, and asks other MCP servers for the named tools of theirs. Rejects
 * with FACT_NOT_FOUND, FACT_TOO_LARGE, TOOL_NOT_FOUND, INVALID_ARGUMENTS for a webhook that cannot be used, or
 * TOOL_DENIED for a caller without memory.
 */
export async function prepare(args: JobArguments, services: Services): Promise<PreparedArguments> {
  const { pinned_facts, webhook_url } = args;
  const scheduler = requireService(services.scheduler, "schedules");
  if (webhook_url) scheduler.checkWebhook(webhook_url);
  return {
    ...(pinned_facts && { pinnedFacts: await copyFacts(pinned_facts, services) }),
    warnings: [...(await checkUpstreamTools(args, scheduler)), ...longerThanAllowed(args, scheduler)],
  };
}

const longerThanAllowed = ({ timeout_seconds = 0 }: JobArguments, { maxTimeoutSeconds }: SchedulerApi) =>
  timeout_seconds > maxTimeoutSeconds
    ? [`A run gets at most ${maxTimeoutSeconds} s on this server, less than the timeout_seconds given.`]
    : [];

async function checkUpstreamTools({ tool, check, allowed_tools }: JobArguments, scheduler: SchedulerApi) {
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

/** The arguments with the id of the job that `after` names, which may be a name or a beginning of its id. */
export async function withDependency<Args extends { readonly after?: string | undefined }>(
  args: Args,
  services: Services,
): Promise<Args> {
  return args.after === undefined ? args : { ...args, after: await findJobId(args.after, services) };
}

/** `provision` with the copied facts; unchanged when none were named. */
export const withPinnedFacts = (provision: Provision, { pinnedFacts }: PreparedArguments): Provision =>
  pinnedFacts ? { ...provision, pinnedFacts } : provision;
