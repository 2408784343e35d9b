import { z } from "zod";
import { NightshiftError } from "../../errors.ts";
import {
  type Check,
  MAX_PINNED_BYTES,
  MAX_PINNED_FACTS,
  NO_PROVISION,
  type PinnedFact,
  type Provision,
} from "../../jobs/provision.ts";
import { requireService, type SchedulerApi, type Services } from "../services.ts";

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
