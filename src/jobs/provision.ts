import * as z from "zod";

/** What the owner of a job has given it of their memory: a copy, made when they asked for it. */
export interface PinnedFact {
  readonly factId: string;
  readonly text: string;
}

/** What is asked first, without a model: whether there is anything to do. */
export type Check =
  | { readonly kind: "tool"; readonly tool: string; readonly arguments: Readonly<Record<string, unknown>> }
  /** A module of the jobs folder, named by its file name within it. */
  | { readonly kind: "code"; readonly file: string };

/** What a job's ghost is given besides the action, and what it may cost over the job's life. */
export interface Provision {
  readonly pinnedFacts: readonly PinnedFact[];
  /** Input and output tokens of all runs together; null means no limit. */
  readonly maxTokensPerJob: number | null;
  readonly check: Check | null;
  /** An answer that is just this is recorded and delivered to nobody. */
  readonly silentToken: string | null;
  /** Whether a run is shown the output of the last one that succeeded. */
  readonly previousOutput: boolean;
  /** Where the ends of its runs are told, besides the user's own webhook. */
  readonly webhookUrl: string | null;
}

export const NO_PROVISION: Provision = Object.freeze({
  pinnedFacts: [],
  maxTokensPerJob: null,
  check: null,
  silentToken: null,
  previousOutput: false,
  webhookUrl: null,
});

export const MAX_PINNED_FACTS = 20;
/** UTF-8 bytes of all of a job's pinned facts: they are part of every question to the model. */
export const MAX_PINNED_BYTES = 16 * 1024;

/** As it is stored. What an older row lacks is not provided. */
export const provisionSchema: z.ZodType<Provision> = z.object({
  pinnedFacts: z.array(z.object({ factId: z.string(), text: z.string() })).default([]),
  maxTokensPerJob: z.number().nullable().default(null),
  check: z
    .discriminatedUnion("kind", [
      z.object({ kind: z.literal("tool"), tool: z.string(), arguments: z.record(z.string(), z.unknown()) }),
      z.object({ kind: z.literal("code"), file: z.string() }),
    ])
    .nullable()
    .default(null),
  silentToken: z.string().nullable().default(null),
  previousOutput: z.boolean().default(false),
  webhookUrl: z.string().nullable().default(null),
});
