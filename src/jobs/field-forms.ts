import { z } from "zod";
import { NightshiftError } from "../errors.ts";
import { DAY_SECONDS } from "./duration.ts";
import { type Check, MAX_PINNED_FACTS, type PinnedFact, RETRY_ON, type Retry } from "./job.ts";
import { readExecuteAt } from "./moment.ts";
import { toZonedIso } from "./time.ts";

/** One field of a job, in each of its forms. */
export interface Field {
  /** Its name within its part of the stored job. Never change it: stored jobs have it. */
  readonly key: string;
  readonly describe: string;
  /** How tools take it. Null, where it is allowed, takes the field away. */
  readonly argument: z.ZodType;
  /** How a job file says it; null when a file cannot. */
  readonly file: z.ZodType | null;
  /** How it is stored, without the limits of `argument`: a stored job stays readable when these change. */
  readonly stored: z.ZodType;
  /** Makes the stored value of what a tool or a file gives, which is never null. */
  read(given: unknown, before: unknown, timezone: string): unknown;
  /** Makes what tools show of the stored value; undefined is left out. */
  show(value: unknown, timezone: string): unknown;
}

export const field = <Key extends string, Form>(key: Key, form: Form, describe: string) => ({
  key,
  describe,
  ...form,
});

/** A value that is stored and shown as it is given. */
export const plainForm = <Value>(given: z.ZodType<Value, Value>, stored: z.ZodType<Value> = given) => ({
  argument: given,
  file: given,
  stored,
  read: (value: Value) => value,
  show: (value: Value) => value,
});

export const booleanForm = plainForm(z.boolean());
export const numberForm = (min: number, max: number) =>
  plainForm(z.number().int().min(min).max(max), z.number());
export const choiceForm = <const Value extends string>(values: readonly Value[]) =>
  plainForm<Value>(z.enum(values));

/** A value that a job may be without. */
export const orNone = <Value>({ argument, file, stored, read }: ReturnType<typeof plainForm<Value>>) => ({
  argument: argument.nullable(),
  file,
  stored: stored.nullable(),
  read,
  show: (value: Value | null) => value,
});
export const hideNone = <Value>(value: Value | null) => value ?? undefined;

const OPEN_ENDS = { starts_at: "now", ends_at: "never" } as const;

/** A moment as text. In a file YAML may have read it as a date. */
export const momentText = z.string().min(1).max(64);
export const fileMoment = z.union([z.string().max(64), z.date().transform((date) => date.toISOString())]);

export const spanEndForm = (name: keyof typeof OPEN_ENDS) => ({
  argument: momentText.nullable(),
  file: fileMoment.nullable(),
  stored: z.number().nullable(),
  read: (text: string, _before: number | null, timezone: string) => readSpanEnd(name, text, timezone),
  show: (at: number | null, timezone: string) => (at === null ? null : toZonedIso(at, timezone)),
});

/** A moment in the past is allowed: a span may have begun, and a job that has ended is still a job. */
function readSpanEnd(name: keyof typeof OPEN_ENDS, text: string, timezone: string): number | null {
  if (text.trim().toLowerCase() === OPEN_ENDS[name]) return null;
  try {
    return readExecuteAt(text, timezone, 0);
  } catch (error) {
    if (!(error instanceof NightshiftError)) throw error;
    throw new NightshiftError("INVALID_SCHEDULE", error.message.replaceAll("execute_at", name), error.data);
  }
}

export const toolName = z.string().min(1).max(128);
/** Characters of a tool call's arguments as JSON: as many as a prompt may have. */
const MAX_ARGUMENTS_CHARS = 32_000;
export const toolCall = z.strictObject({
  name: toolName,
  arguments: z
    .record(z.string(), z.unknown())
    .refine(
      (given) => JSON.stringify(given).length <= MAX_ARGUMENTS_CHARS,
      `they may have at most ${MAX_ARGUMENTS_CHARS} characters as JSON`,
    )
    .default({}),
});

const retryArgument = z.strictObject({
  attempts: z.number().int().min(1).max(10).optional(),
  backoff_seconds: z.number().int().min(0).max(DAY_SECONDS).optional(),
  max_backoff_seconds: z.number().int().min(0).max(DAY_SECONDS).optional(),
  on: z.array(z.enum(RETRY_ON)).max(RETRY_ON.length).optional(),
});
export const retryForm = {
  argument: retryArgument,
  file: retryArgument,
  stored: z.object({
    attempts: z.number(),
    backoffSeconds: z.number(),
    maxBackoffSeconds: z.number(),
    on: z.array(z.enum(RETRY_ON)),
  }),
  read: (given: z.output<typeof retryArgument>, before: Retry): Retry => ({
    attempts: given.attempts ?? before.attempts,
    backoffSeconds: given.backoff_seconds ?? before.backoffSeconds,
    maxBackoffSeconds: given.max_backoff_seconds ?? before.maxBackoffSeconds,
    on: given.on ?? before.on,
  }),
  show: ({ attempts, backoffSeconds, maxBackoffSeconds, on }: Retry) => ({
    attempts,
    backoff_seconds: backoffSeconds,
    max_backoff_seconds: maxBackoffSeconds,
    on: [...on],
  }),
};

const runCount = numberForm(0, 1_000_000_000);
export const maxRunsForm = {
  ...orNone(runCount),
  file: runCount.file.nullable(),
  read: (runs: number) => runs || null,
};

export const pinnedFactsForm = {
  argument: z.array(z.string().min(1).max(100)).max(MAX_PINNED_FACTS),
  file: null,
  stored: z.array(z.object({ factId: z.string(), text: z.string() })),
  // An argument names facts. The tools copy their texts, for they have access to the owner's memory.
  read: (_ids: readonly string[], before: readonly PinnedFact[]) => before,
  show: (facts: readonly PinnedFact[]) =>
    facts.length === 0 ? undefined : facts.map(({ factId, text }) => ({ fact_id: factId, fact: text })),
};

export const checkForm = {
  argument: toolCall.nullable(),
  file: z.union([toolName, toolCall]),
  stored: z
    .discriminatedUnion("kind", [
      z.object({ kind: z.literal("tool"), tool: z.string(), arguments: z.record(z.string(), z.unknown()) }),
      z.object({ kind: z.literal("code"), file: z.string() }),
    ])
    .nullable(),
  read: readCheck,
  show: (value: Check | null) => {
    if (value === null) return undefined;
    return value.kind === "code"
      ? { file: value.file }
      : { name: value.tool, arguments: { ...value.arguments } };
  },
};

/** A name with the ending of a code file is a file of the same folder; any other is the name of a tool. */
function readCheck(given: string | z.output<typeof toolCall>): Check {
  if (typeof given !== "string") return { kind: "tool", tool: given.name, arguments: given.arguments };
  return /\.[cm]?[jt]s$/.test(given)
    ? { kind: "code", file: given }
    : { kind: "tool", tool: given, arguments: {} };
}
