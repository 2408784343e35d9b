import { toPublicError } from "../errors.ts";
import type { ToolResult } from "./define.ts";

/** A result with both faces: `structured` for programs, `text` for the model. */
export function answer(structured: Record<string, unknown>, text: string): ToolResult {
  return { content: [{ type: "text", text }], structuredContent: structured };
}

/** Whatever a tool returned, as an MCP result. */
export function toToolResult(value: unknown): ToolResult {
  if (value === undefined || value === null) return { content: [] };
  if (typeof value !== "object") return { content: [{ type: "text", text: String(value) }] };
  if ("content" in value && Array.isArray(value.content)) return value as ToolResult;
  const text = JSON.stringify(value);
  if (Array.isArray(value)) return { content: [{ type: "text", text }] };
  return { content: [{ type: "text", text }], structuredContent: value as Record<string, unknown> };
}

/**
 * The error as the model reads it: a sentence that says what to do, and the code. Programs find both in `_meta`, for
 * structured content would have to fit the tool's output schema.
 */
export function toErrorResult(error: unknown, correlationId: string): ToolResult {
  const { code, message, data } = toPublicError(error);
  return {
    content: [{ type: "text", text: `${message} [${code}]` }],
    isError: true,
    _meta: { "nightshift/error": { code, message, correlation_id: correlationId, ...data } },
  };
}

/** The text blocks of a result, joined: what a model is given to read. */
export function textOf(result: ToolResult): string {
  const texts = result.content.map((block) =>
    block.type === "text" ? String(block.text) : `[${block.type} content]`,
  );
  if (texts.length > 0) return texts.join("\n");
  return result.structuredContent ? JSON.stringify(result.structuredContent) : "";
}
