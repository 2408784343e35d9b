import { NightshiftError } from "../../errors.ts";
import type { GhostResponses, ToThread } from "./messages.ts";

/*
 * The main side is trusted and is the same version of this program, so only shapes are checked, not sizes, and of runs
 * only the fields that are used. Not with zod: its first parse in a fresh thread takes 5 ms of processor time, a tenth
 * of what a whole ghost costs.
 */

/** A result of `typeof`, `array` or `any`, with `?` where null is allowed; `[shape]` for a list; an object of shapes. */
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
      mayAsk: "boolean",
      approveTools: ["string"],
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
      resumed: "number",
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
  begin_call: { state: "string" },
  ask_owner: { answer: "string?", isAnswered: "boolean" },
  sleep: "any",
  begin_step: { state: "string" },
  end_step: "any",
  get_run: RUN,
  list_runs: { runs: [RUN] },
  upstream_tools: {
    tools: [{ name: "string", description: "string", inputSchema: "object" }],
    notes: ["string"],
  },
  upstream_call: { text: "string", isError: "boolean" },
};

/** Parses a message of the main side. Throws INTERNAL for anything else. */
export function parseToThread(data: unknown): ToThread {
  const message = JSON.parse(String(data)) as ToThread;
  const shape: Shape | undefined = MESSAGES[message.type];
  if (shape === undefined) throw unreadable("message");
  check(message, shape, "message");
  return message;
}

/** Parses the response to a request of this kind. Throws INTERNAL for anything else. */
export function parseResponse<Kind extends keyof GhostResponses>(
  kind: Kind,
  value: unknown,
): GhostResponses[Kind] {
  check(value, RESPONSES[kind], kind);
  return value as GhostResponses[Kind];
}

function check(value: unknown, shape: Shape, path: string): void {
  if (typeof shape === "string") {
    if (!isKind(value, shape)) throw unreadable(path);
  } else if (isList(shape)) {
    check(value, "array", path);
    for (const item of value as unknown[]) check(item, shape[0], path);
  } else {
    check(value, "object", path);
    for (const key in shape) check((value as ShapeOf)[key], shape[key] as Shape, `${path}.${key}`);
  }
}

const unreadable = (path: string) => new NightshiftError("INTERNAL", `A ghost could not read ${path}.`);

const isList = (shape: Shape): shape is readonly [Shape] => Array.isArray(shape);

function isKind(value: unknown, kind: string): boolean {
  if (kind === "any") return true;
  if (kind.endsWith("?")) return value === null || isKind(value, kind.slice(0, -1));
  if (kind === "array") return Array.isArray(value);
  return value !== null && typeof value === kind;
}
