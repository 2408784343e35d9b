import { NightshiftError, toPublicError } from "../errors.ts";

/** MCP's result of a tool. A user's tool rarely needs more than to return a string or an object. */
export interface ToolResult {
  readonly content: readonly { readonly type: string; readonly [key: string]: unknown }[];
  readonly structuredContent?: Readonly<Record<string, unknown>>;
  readonly isError?: boolean;
  readonly _meta?: Readonly<Record<string, unknown>>;
}

/** A result in two forms: `structured` for programs, `text` for the model. */
export function answer(structured: Record<string, unknown>, text: string): ToolResult {
  return { content: [{ type: "text", text }], structuredContent: structured };
}

/** Makes an MCP result of the return value of tool `name`. Throws TOOL_FAILED for a value that JSON cannot hold. */
export function toToolResult(value: unknown, name: string): ToolResult {
  if (value === undefined || value === null) return { content: [] };
  if (typeof value !== "object") return { content: [{ type: "text", text: String(value) }] };
  if (isResult(value)) return value;
  const text = toJson(value, name);
  if (text === undefined) return { content: [] };
  // An object that becomes something else as JSON (a date, a list) has no structure to show.
  if (!text.startsWith("{")) return { content: [{ type: "text", text }] };
  return { content: [{ type: "text", text }], structuredContent: JSON.parse(text) };
}

/** Like `toToolResult`, for a user's tool: a result that it made itself must be JSON too, or it could not be sent. */
export function toUserToolResult(value: unknown, name: string): ToolResult {
  const result = toToolResult(value, name);
  if (result === value) toJson(result, name);
  return result;
}

/** A user's own object may have a field `content` too: it is a result only when that holds blocks. */
const isResult = (value: object): value is ToolResult =>
  "content" in value &&
  Array.isArray(value.content) &&
  value.content.every((block: unknown) => typeof (block as { type?: unknown } | null)?.type === "string");

function toJson(value: object, name: string): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    const why = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new NightshiftError(
      "TOOL_FAILED",
      `${name} answered with something that is not JSON: ${why}`,
      {},
      { cause: error },
    );
  }
}

/**
 * The error for the model: a sentence that says what to do, and the code. Programs find both in `_meta`, because
 * structured content would have to fit the tool's output schema.
 */
export function toErrorResult(error: unknown, correlationId: string): ToolResult {
  const { code, message, data } = toPublicError(error);
  return {
    content: [{ type: "text", text: `${message} [${code}]` }],
    isError: true,
    _meta: { "nightshift/error": { ...data, code, message, correlation_id: correlationId } },
  };
}

/** The text of a result, as the model reads it. */
export function textOf(result: ToolResult): string {
  const texts = result.content.map((block) =>
    block.type === "text" ? String(block.text) : `[${block.type} content]`,
  );
  if (texts.length > 0) return texts.join("\n");
  return result.structuredContent ? JSON.stringify(result.structuredContent) : "";
}
