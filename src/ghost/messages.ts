import { z } from "zod";
import { ERROR_CODES, type ErrorCode } from "../errors.ts";
import type { Action } from "../jobs/job.ts";
import type { ModelAnswer, ModelRequest } from "../model/model.ts";
import { RUN_STATUSES, type Run, type TranscriptStep } from "../runs/run.ts";
import type { RunPage } from "../runs/store.ts";

/*
 * Everything that crosses the port between a ghost's thread and the main side, in both directions. On the wire
 * every message is JSON text: nothing alive (a port, a shared buffer, a cyclic object) can come with it, and its
 * size is known before it is parsed. The thread may run anybody's code, so the main side takes nothing on trust.
 */

/** Characters of one message. A conversation of many long tool results fits; a flood does not. */
export const MAX_MESSAGE_CHARS = 4_000_000;
export const MAX_OUTPUT_CHARS = 200_000;
export const MAX_STEP_TEXT_CHARS = 20_000;
const MAX_ERROR_CHARS = 4_000;

const id = z.string().min(1).max(200);
const epochMs = z.number();
const wireError = z.object({ code: z.enum(ERROR_CODES), message: z.string().max(MAX_ERROR_CHARS) });
export type WireError = z.infer<typeof wireError>;

const toolRequest = z.object({ callId: z.string(), tool: z.string(), arguments: z.unknown() });
const toolAnswer = z.object({
  callId: z.string(),
  tool: z.string(),
  text: z.string(),
  isError: z.boolean(),
});
const conversation = z.discriminatedUnion("role", [
  z.object({ role: z.literal("system"), text: z.string() }),
  z.object({ role: z.literal("user"), text: z.string() }),
  z.object({ role: z.literal("assistant"), text: z.string(), calls: z.array(toolRequest).max(1_000) }),
  z.object({ role: z.literal("tool"), results: z.array(toolAnswer).max(1_000) }),
]);
const modelRequest = z.object({
  messages: z.array(conversation).min(1).max(10_000),
  tools: z
    .array(
      z.object({
        name: z.string(),
        description: z.string(),
        inputSchema: z.record(z.string(), z.unknown()),
      }),
    )
    .max(1_000),
  toolUse: z.enum(["auto", "none"]).exactOptional(),
});
export const modelAnswer = z.object({
  text: z.string(),
  calls: z.array(toolRequest),
  usage: z.object({ input_tokens: z.number(), output_tokens: z.number() }),
});

const runStatus = z.enum(RUN_STATUSES);
const listOptions = z.object({
  jobId: id.exactOptional(),
  status: runStatus.exactOptional(),
  limit: z.number().exactOptional(),
  cursor: z.string().max(1_000).exactOptional(),
});
/** Runs come from our own store: only what the thread relies on is checked. */
export const runAnswer = z.looseObject({ runId: id, jobId: id, status: runStatus });
export const runPageAnswer = z.object({
  runs: z.array(runAnswer),
  nextCursor: z.string().optional(),
});

/** What a thread may ask the main side for; what it gets depends on the port it asks through. */
const question: z.ZodType<Question> = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("model"), request: modelRequest }),
  z.object({ kind: z.literal("get_run"), runId: id }),
  z.object({ kind: z.literal("list_runs"), options: listOptions }),
]);
export type Question =
  | { readonly kind: "model"; readonly request: ModelRequest }
  | { readonly kind: "get_run"; readonly runId: string }
  | { readonly kind: "list_runs"; readonly options: z.infer<typeof listOptions> };

/** The kind of each question with what it is answered with. */
export interface Answers {
  readonly model: ModelAnswer;
  readonly get_run: Run;
  readonly list_runs: RunPage;
}

const action = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("prompt"), prompt: z.string() }),
  z.object({ kind: z.literal("tool"), tool: z.string(), arguments: z.record(z.string(), z.unknown()) }),
  /** `file` is an absolute path here: the main side has resolved it within the jobs folder. */
  z.object({ kind: z.literal("code"), file: z.string() }),
]) satisfies z.ZodType<Action>;

const startMessage = z.object({
  type: z.literal("start"),
  user: z.object({ userId: z.string(), userKey: z.string() }),
  correlationId: id,
  threadId: id,
  job: z.object({
    jobId: id,
    name: z.string().nullable(),
    timezone: z.string(),
    tools: z.array(z.string()).nullable(),
    useReactLoop: z.boolean(),
    maxIterations: z.number().int().positive(),
  }),
  action,
  run: z.object({
    runId: id,
    prompt: z.string(),
    parentSessionId: z.string().nullable(),
    scheduledFor: epochMs,
    startedAt: epochMs,
    coalesced: z.number(),
  }),
  /** Modules with a user's own tools, as `--tools` names them. */
  toolModules: z.array(z.string()),
});
export type Start = z.infer<typeof startMessage>;

const toThread = z.discriminatedUnion("type", [
  startMessage,
  z.object({ type: z.literal("answer"), id: z.number(), value: z.unknown() }),
  z.object({ type: z.literal("refusal"), id: z.number(), error: wireError }),
  z.object({ type: z.literal("cancel"), error: wireError }),
]);
export type ToThread = z.infer<typeof toThread>;

const stepText = z.string().max(MAX_STEP_TEXT_CHARS);
const step = z.strictObject({
  type: z.enum(["model", "tool", "note"]),
  text: stepText.exactOptional(),
  tool: z.string().max(200).exactOptional(),
  arguments: z
    .unknown()
    .refine((value) => (JSON.stringify(value)?.length ?? 0) <= MAX_STEP_TEXT_CHARS)
    .exactOptional(),
  result: stepText.exactOptional(),
  is_error: z.boolean().exactOptional(),
  skipped: z.boolean().exactOptional(),
  denied: z.boolean().exactOptional(),
});
/** A step before it has its number, which is the main side's to give. */
export type Step = Omit<TranscriptStep, "step">;

const outcome = z.object({
  type: z.literal("outcome"),
  /** That time was over or somebody cancelled is not the thread's to say. */
  status: z.enum(["succeeded", "failed", "skipped"]),
  output: z.string().max(MAX_OUTPUT_CHARS).nullable(),
  error: wireError.nullable(),
});
export type ThreadOutcome = z.infer<typeof outcome>;

const toMain = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready") }),
  z.object({ type: z.literal("question"), id: z.number(), question }),
  z.object({ type: z.literal("withdraw"), id: z.number() }),
  z.object({ type: z.literal("step"), step }),
  z.object({ type: z.literal("failure"), tool: z.string().max(300), error: z.string().max(MAX_ERROR_CHARS) }),
  outcome,
]);
export type ToMain = z.infer<typeof toMain>;

/** Throws when the message cannot be JSON. */
export const encode = (message: ToThread | ToMain): string => JSON.stringify(message);

/** Parses what came from the main side. Throws for anything else: the two sides are one version of one program. */
export const parseToThread = (data: unknown): ToThread => toThread.parse(JSON.parse(String(data)));

/** Parses what came from a thread; undefined for anything that is not exactly one of its messages. */
export function parseToMain(data: unknown): ToMain | undefined {
  if (typeof data !== "string" || data.length > MAX_MESSAGE_CHARS) return undefined;
  try {
    return toMain.safeParse(JSON.parse(data)).data;
  } catch {
    return undefined;
  }
}

/** An error as it travels: the code, and a sentence without its cause. */
export const toWire = (error: { code: ErrorCode; message: string }): WireError => ({
  code: error.code,
  message: cut(error.message, MAX_ERROR_CHARS),
});

/** The beginning of a long text, and how much is missing. */
export function cut(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const mark = `… [cut: ${text.length} characters in all]`;
  return text.slice(0, Math.max(0, maxChars - mark.length)) + mark;
}
