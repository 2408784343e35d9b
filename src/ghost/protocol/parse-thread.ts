import { NightshiftError } from "../../errors.ts";
import type { GhostResponses, ToThread } from "./messages.ts";

/*
 * The main side is trusted, and it is the same version of the same program: here shapes are checked, not sizes, and
 * of runs only what is relied on. By hand and not by zod, whose first parse in a fresh thread takes 5 ms of
 * processor: a tenth of what a whole ghost costs.
 */

/** What `typeof` says, `array`, `any`; with `?`, or null. A list's items, an object's parts. */
type Shape = string | readonly [Shape] | ShapeOf;
interface ShapeOf {
  readonly [key: string]: Shape;
}

const ERROR: Shape = { code: "string", message: "string" };

const MESSAGES: Readonly<Record<ToThread["type"], Shape>> = {
  start: {
    user: { userId: "string", userKey: "string" },
    correlationId: "string",
    threadId: "string",
    job: {
      jobId: "string",
      name: "string?",
      timezone: "string",
      tools: "array?",
      useReactLoop: "boolean",
      maxIterations: "number",
      usesUpstreams: "boolean",
      pinnedFacts: ["string"],
      silentToken: "string?",
    },
    action: { kind: "string" },
    check: "object?",
    run: {
      runId: "string",
      prompt: "string",
      parentSessionId: "string?",
      scheduledFor: "number",
      startedAt: "number",
      coalesced: "number",
      previousOutput: "string?",
    },
    toolModules: ["string"],
  },
  response: { id: "number", value: "any" },
  error: { id: "number", error: ERROR },
  cancel: { error: ERROR },
};

const RUN: Shape = { runId: "string", jobId: "string", status: "string" };

const RESPONSES: Readonly<Record<keyof GhostResponses, Shape>> = {
  model: {
    text: "string",
    calls: [{ callId: "string", tool: "string" }],
    usage: { input_tokens: "number", output_tokens: "number" },
  },
  get_run: RUN,
  list_runs: { runs: [RUN] },
  upstream_tools: {
    tools: [{ name: "string", description: "string", inputSchema: "object" }],
    notes: ["string"],
  },
  upstream_call: { text: "string", isError: "boolean" },
};

/** Parses what came from the main side. Throws for anything else. */
export function parseToThread(data: unknown): ToThread {
  const message = JSON.parse(String(data)) as ToThread;
  check(message, MESSAGES[message.type] ?? { type: "known" }, "message");
  return message;
}

/** Parses the answer to a question of this kind. Throws for anything else. */
export function parseResponse<Kind extends keyof GhostResponses>(
  kind: Kind,
  value: unknown,
): GhostResponses[Kind] {
  check(value, RESPONSES[kind], kind);
  return value as GhostResponses[Kind];
}

function check(value: unknown, shape: Shape, path: string): void {
  if (typeof shape === "string") {
    if (!isOf(value, shape)) throw new NightshiftError("INTERNAL", `A ghost could not read ${path}.`);
  } else if (isList(shape)) {
    check(value, "array", path);
    for (const item of value as unknown[]) check(item, shape[0], path);
  } else {
    check(value, "object", path);
    for (const key in shape) check((value as ShapeOf)[key], shape[key] as Shape, `${path}.${key}`);
  }
}

const isList = (shape: Shape): shape is readonly [Shape] => Array.isArray(shape);

function isOf(value: unknown, kind: string): boolean {
  if (kind === "any") return true;
  if (kind.endsWith("?")) return value === null || isOf(value, kind.slice(0, -1));
  if (kind === "array") return Array.isArray(value);
  return value !== null && typeof value === kind;
}
