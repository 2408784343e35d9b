import type { ToolResult } from "../../tools/define.ts";
import { textOf } from "../../tools/result.ts";
import type { Toolkit } from "../../tools/toolkit.ts";
import { cut, MAX_STEP_TEXT_CHARS, type Step } from "../protocol/messages.ts";
import { isUpstream } from "../upstreams.ts";

/** A ghost's way to its tools: every call stands in the run's transcript, also one that was refused. */
export interface ToolCaller {
  /** What goes wrong is a result with `isError`; never rejects. */
  call(tool: string, args: unknown): Promise<ToolResult>;
}

/** Characters of a tool's result that a model is given: more would push the task out of its sight. */
export const MAX_TOOL_RESULT_CHARS = 32_000;

export function openToolCaller(
  toolkit: Toolkit,
  signal: AbortSignal,
  onStep: (step: Step) => void,
): ToolCaller {
  return {
    async call(tool, args) {
      const denied = !toolkit.has(tool);
      const result = denied ? refuse(tool, toolkit) : await toolkit.call(tool, args, { signal });
      const text = textOf(result);
      onStep({
        type: "tool",
        tool: cut(tool, 200),
        arguments: cutArguments(args),
        result: cut(text, MAX_STEP_TEXT_CHARS),
        ...(result.isError && { is_error: true }),
        ...(isSkipped(result) && { skipped: true }),
        ...(denied && { denied: true }),
      });
      return result;
    },
  };
}

/** Said of memory that a ghost does not have, and of nothing else. */
const isSkipped = (result: ToolResult) =>
  result.structuredContent?.status === "skipped" && !isUpstream(result);

function refuse(tool: string, toolkit: Toolkit): ToolResult {
  const names = toolkit.list().map(({ name }) => name);
  const text =
    `Denied: "${cut(tool, 100)}" is not among the tools that this automated run may use. ` +
    `It may use: ${names.join(", ") || "none"}. Nobody can grant more while it runs; go on without.`;
  return {
    content: [{ type: "text", text }],
    structuredContent: { error: { code: "TOOL_DENIED", message: text } },
    isError: true,
  };
}

function cutArguments(args: unknown): unknown {
  const text = JSON.stringify(args) ?? "";
  return text.length > MAX_STEP_TEXT_CHARS / 2 ? cut(text, MAX_STEP_TEXT_CHARS / 2) : args;
}
