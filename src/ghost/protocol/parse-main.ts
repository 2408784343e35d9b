import { z } from "zod";
import { ERROR_CODES } from "../../errors.ts";
import { END_REASONS, RUN_STATUSES } from "../../jobs/run.ts";
import {
  type GhostRequest,
  MAX_ERROR_CHARS,
  MAX_PORT_MESSAGE_CHARS,
  MAX_RUN_OUTPUT_CHARS,
  MAX_STEP_TEXT_CHARS,
  type ToMain,
} from "./messages.ts";

const id = z.string().min(1).max(200);
const wireError = z.object({ code: z.enum(ERROR_CODES), message: z.string().max(MAX_ERROR_CHARS) });

const conversation = z.discriminatedUnion("role", [
  z.object({ role: z.literal("system"), text: z.string() }),
  z.object({ role: z.literal("user"), text: z.string() }),
  z.object({
    role: z.literal("assistant"),
    text: z.string(),
    calls: z.array(z.object({ callId: z.string(), tool: z.string(), arguments: z.unknown() })).max(1_000),
  }),
  z.object({
    role: z.literal("tool"),
    results: z
      .array(z.object({ callId: z.string(), tool: z.string(), text: z.string(), isError: z.boolean() }))
      .max(1_000),
  }),
]);

const offeredTool = z.object({
  name: z.string(),
  description: z.string(),
  inputSchema: z.record(z.string(), z.unknown()),
});

const request: z.ZodType<GhostRequest> = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("model"),
    input: z.object({
      messages: z.array(conversation).min(1).max(10_000),
      tools: z.array(offeredTool).max(1_000),
      toolUse: z.enum(["auto", "none"]).exactOptional(),
    }),
  }),
  z.object({
    kind: z.literal("begin_call"),
    tool: z.string(),
    arguments: z.unknown(),
    isRepeatable: z.boolean(),
  }),
  z.object({
    kind: z.literal("ask_owner"),
    question: z.string().min(1).max(2_000),
    options: z.array(z.string().min(1).max(200)).min(1).max(10).exactOptional(),
  }),
  z.object({ kind: z.literal("sleep"), until: z.number() }),
  z.object({ kind: z.literal("begin_step"), name: z.string().min(1).max(200) }),
  z.object({ kind: z.literal("end_step"), key: z.string().max(300), value: z.unknown() }),
  z.object({ kind: z.literal("get_run"), runId: id }),
  z.object({
    kind: z.literal("list_runs"),
    options: z.object({
      jobId: id.exactOptional(),
      status: z.enum(RUN_STATUSES).exactOptional(),
      limit: z.number().exactOptional(),
      cursor: z.string().max(1_000).exactOptional(),
    }),
  }),
  z.object({ kind: z.literal("upstream_tools") }),
  z.object({
    kind: z.literal("upstream_call"),
    tool: z.string().max(200),
    arguments: z.record(z.string(), z.unknown()),
  }),
]);

const stepText = z.string().max(MAX_STEP_TEXT_CHARS);
const isShort = (value: unknown) => (JSON.stringify(value)?.length ?? 0) <= MAX_STEP_TEXT_CHARS;

const step = z.strictObject({
  type: z.enum(["model", "tool", "note"]),
  text: stepText.exactOptional(),
  tool: z.string().max(200).exactOptional(),
  arguments: z.unknown().refine(isShort).exactOptional(),
  result: stepText.exactOptional(),
  is_error: z.boolean().exactOptional(),
  skipped: z.boolean().exactOptional(),
  denied: z.boolean().exactOptional(),
});

const toMain: z.ZodType<ToMain> = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready") }),
  z.object({ type: z.literal("request"), id: z.number(), request }),
  z.object({ type: z.literal("cancel"), id: z.number() }),
  z.object({
    type: z.literal("step"),
    step,
    call: z.string().max(300).exactOptional(),
    result: z.unknown().exactOptional(),
  }),
  z.object({ type: z.literal("failure"), tool: z.string().max(300), error: z.string().max(MAX_ERROR_CHARS) }),
  z.object({
    type: z.literal("outcome"),
    status: z.enum(["succeeded", "failed", "skipped"]),
    output: z.string().max(MAX_RUN_OUTPUT_CHARS).nullable(),
    error: wireError.nullable(),
    reason: z.string().max(MAX_ERROR_CHARS).exactOptional(),
    endReason: z.enum(END_REASONS).exactOptional(),
  }),
]);

/** Parses a message of a thread. Undefined for anything that is not exactly one of its messages. */
export function parseToMain(data: unknown): ToMain | undefined {
  if (typeof data !== "string" || data.length > MAX_PORT_MESSAGE_CHARS) return undefined;
  try {
    return toMain.safeParse(JSON.parse(data)).data;
  } catch {
    return undefined;
  }
}
