import { z } from "zod";
import { ERROR_CODES } from "../errors.ts";
import type { Answers, ToThread } from "./messages.ts";

/*
 * The main side is trusted, and it is the same version of the same program: this side checks shapes and no sizes,
 * and of runs only what it relies on. It is loaded and used once for every ghost, so it is kept small.
 */

const wireError = z.object({ code: z.enum(ERROR_CODES), message: z.string() });

const action = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("prompt"), prompt: z.string() }),
  z.object({ kind: z.literal("tool"), tool: z.string(), arguments: z.record(z.string(), z.unknown()) }),
  z.object({ kind: z.literal("code"), file: z.string() }),
]);

const start = z.object({
  type: z.literal("start"),
  user: z.object({ userId: z.string(), userKey: z.string() }),
  correlationId: z.string(),
  threadId: z.string(),
  job: z.object({
    jobId: z.string(),
    name: z.string().nullable(),
    timezone: z.string(),
    tools: z.array(z.string()).nullable(),
    useReactLoop: z.boolean(),
    maxIterations: z.number(),
  }),
  action,
  run: z.object({
    runId: z.string(),
    prompt: z.string(),
    parentSessionId: z.string().nullable(),
    scheduledFor: z.number(),
    startedAt: z.number(),
    coalesced: z.number(),
  }),
  toolModules: z.array(z.string()),
});

const toThread: z.ZodType<ToThread> = z.discriminatedUnion("type", [
  start,
  z.object({ type: z.literal("answer"), id: z.number(), value: z.unknown() }),
  z.object({ type: z.literal("refusal"), id: z.number(), error: wireError }),
  z.object({ type: z.literal("cancel"), error: wireError }),
]);

const run = z.looseObject({ runId: z.string(), jobId: z.string(), status: z.string() });
const answers = {
  model: z.object({
    text: z.string(),
    calls: z.array(z.object({ callId: z.string(), tool: z.string(), arguments: z.unknown() })),
    usage: z.object({ input_tokens: z.number(), output_tokens: z.number() }),
  }),
  get_run: run,
  list_runs: z.object({ runs: z.array(run), nextCursor: z.string().optional() }),
} satisfies Record<keyof Answers, z.ZodType>;

/** Parses what came from the main side. Throws for anything else. */
export const parseToThread = (data: unknown): ToThread => toThread.parse(JSON.parse(String(data)));

/** Parses the answer to a question of this kind. Throws for anything else. */
export const parseAnswer = <Kind extends keyof Answers>(kind: Kind, value: unknown): Answers[Kind] =>
  answers[kind].parse(value) as unknown as Answers[Kind];
