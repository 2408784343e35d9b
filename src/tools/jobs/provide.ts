import { z } from "zod";
import { NightshiftError } from "../../errors.ts";
import {
  MAX_PINNED_BYTES,
  MAX_PINNED_FACTS,
  NO_PROVISION,
  type PinnedFact,
  type Provision,
} from "../../jobs/provision.ts";
import { need, type SchedulerFace, type Services } from "../services.ts";

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
};

const provisionArgumentsSchema = z.strictObject(provisionArguments);
type ProvisionArguments = z.output<typeof provisionArgumentsSchema>;

/** What must be asked of others before a job is made or changed. */
export interface Prepared {
  readonly pinnedFacts?: readonly PinnedFact[];
  /** A sentence for each server that did not answer. */
  readonly warnings: readonly string[];
}

interface Given extends ProvisionArguments {
  readonly tool?: { readonly name: string } | undefined;
  readonly allowed_tools?: readonly string[] | undefined;
}

/**
 * Copies the facts that are named out of the caller's own memory, and asks other servers for the tools of theirs that
 * are named. Rejects with FACT_NOT_FOUND, FACT_TOO_LARGE, TOOL_NOT_FOUND, or TOOL_DENIED for a caller without memory.
 */
export async function prepare(args: Given, services: Services): Promise<Prepared> {
  const { pinned_facts } = args;
  return {
    ...(pinned_facts && { pinnedFacts: await copyFacts(pinned_facts, services) }),
    warnings: await checkUpstreams(args, need(services.scheduler, "schedules")),
  };
}

async function checkUpstreams({ tool, allowed_tools = [] }: Given, scheduler: SchedulerFace) {
  const named = [...allowed_tools, ...(tool ? [tool.name] : [])];
  const names = named.filter(scheduler.isUpstream);
  return names.length > 0 ? scheduler.checkUpstreams(names) : [];
}

async function copyFacts(factIds: readonly string[], services: Services): Promise<readonly PinnedFact[]> {
  if (factIds.length === 0) return [];
  const facts = need(services.facts, "memory");
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
  { max_tokens_per_job }: ProvisionArguments,
  { pinnedFacts }: Prepared,
  before: Provision = NO_PROVISION,
): Provision {
  return {
    ...before,
    pinnedFacts: pinnedFacts ?? before.pinnedFacts,
    maxTokensPerJob: max_tokens_per_job === undefined ? before.maxTokensPerJob : max_tokens_per_job,
  };
}

export const provisionShape = {
  pinned_facts: z.array(z.object({ fact_id: z.string(), fact: z.string() })).optional(),
  max_tokens_per_job: z.number().nullable(),
};

/** What there is of it: most jobs have nothing. */
export const showProvision = ({ pinnedFacts, maxTokensPerJob }: Provision) => ({
  max_tokens_per_job: maxTokensPerJob,
  ...(pinnedFacts.length > 0 && {
    pinned_facts: pinnedFacts.map(({ factId, text }) => ({ fact_id: factId, fact: text })),
  }),
});
