import type { UpstreamAnswer } from "../tools/upstream.ts";

/** Characters of one answer that cross to a ghost; a model is given less. */
const MAX_TEXT_CHARS = 200_000;

interface Block {
  readonly type: string;
  readonly text?: unknown;
  readonly uri?: unknown;
  readonly resource?: { readonly uri?: unknown; readonly text?: unknown };
}

/** A server's result as text, with its structure where that is small enough. Pictures and sound are named only. */
export function readAnswer(result: {
  readonly content?: unknown;
  readonly structuredContent?: unknown;
  readonly isError?: unknown;
}): UpstreamAnswer {
  const blocks = Array.isArray(result.content) ? (result.content as readonly Block[]) : [];
  const structured = structureOf(result.structuredContent);
  const said = blocks.map(textOf).join("\n");
  const text = said || (structured ? JSON.stringify(structured) : "");
  return {
    text: cut(text),
    ...(structured && { structured }),
    isError: result.isError === true,
  };
}

function textOf(block: Block): string {
  if (block.type === "text") return String(block.text);
  if (block.type === "resource" && typeof block.resource?.text === "string") return block.resource.text;
  if (block.type === "resource_link") return `[resource ${String(block.uri).slice(0, 1_000)}]`;
  return `[${String(block.type).slice(0, 40)} content]`;
}

function structureOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return JSON.stringify(value).length <= MAX_TEXT_CHARS ? (value as Record<string, unknown>) : undefined;
}

const cut = (text: string): string =>
  text.length <= MAX_TEXT_CHARS
    ? text
    : `${text.slice(0, MAX_TEXT_CHARS)}… [cut: ${text.length} characters in all]`;
