import { NightshiftError } from "../../errors.ts";
import type { Message, ModelAnswer, ModelRequest, OfferedTool, ToolAnswer } from "../../model/model.ts";
import { textOf } from "../../tools/result.ts";
import { MAX_STEP_TEXT_CHARS, type Step, shorten } from "../protocol/messages.ts";
import { MAX_TOOL_RESULT_CHARS, markUntrusted, type ToolCaller } from "./tools.ts";

export interface ReactOptions {
  readonly system: string;
  readonly prompt: string;
  readonly tools: readonly OfferedTool[];
  readonly toolCaller: ToolCaller;
  /** Rejects with MODEL_ codes, BUDGET_EXCEEDED, or the reason of `signal`. */
  readonly ask: (request: ModelRequest, signal: AbortSignal) => Promise<ModelAnswer>;
  /** Limit on model calls. The last one is asked to finish without tools. */
  readonly maxIterations: number;
  readonly signal: AbortSignal;
  readonly onStep: (step: Step) => void;
}

const LAST_CALL =
  "This was the last tool call of this run. Answer now, with what you have, and say what is missing.";

/**
 * Reason and act (Yao et al. 2022, https://arxiv.org/abs/2210.03629): the model thinks, calls tools, reads their results,
 * and goes on until it answers without a call. Resolves to the answer. `maxIterations` is a hard limit on model calls.
 * The last one may not call tools, so that a long task ends with what was found instead of with nothing; rejects with
 * MODEL_FAILED when the model still does not answer.
 */
export async function react(options: ReactOptions): Promise<string> {
  const { maxIterations, signal, onStep, tools } = options;
  const messages: Message[] = [
    { role: "system", text: options.system },
    { role: "user", text: options.prompt },
  ];
  for (let iteration = 1; ; iteration++) {
    signal.throwIfAborted();
    const isLast = iteration >= maxIterations;
    if (isLast && iteration > 1) {
      messages.push({ role: "user", text: LAST_CALL });
      onStep({
        type: "note",
        text: `max_iterations (${maxIterations}) reached: asked for the answer without tools`,
      });
    }
    const answer = await options.ask(
      { messages, tools, ...(isLast && { toolUse: "none" as const }) },
      signal,
    );
    onStep({ type: "model", ...(answer.text && { text: shorten(answer.text, MAX_STEP_TEXT_CHARS) }) });
    if (answer.calls.length === 0) return answer.text;
    if (isLast) return endWithoutAnswer(answer, maxIterations);
    messages.push({ role: "assistant", text: answer.text, calls: answer.calls });
    messages.push({ role: "tool", results: await runToolCalls(options, answer) });
  }
}

/** One model call, without tools. */
export async function completeOnce(
  options: Omit<ReactOptions, "toolCaller" | "tools" | "maxIterations">,
): Promise<string> {
  const messages: Message[] = [
    { role: "system", text: options.system },
    { role: "user", text: options.prompt },
  ];
  const { text } = await options.ask({ messages, tools: [] }, options.signal);
  options.onStep({ type: "model", text: shorten(text, MAX_STEP_TEXT_CHARS) });
  return text;
}

/** Runs the tool calls of one answer in the model's order, one by one: a later call may rely on an earlier one. */
async function runToolCalls(
  { toolCaller, signal }: ReactOptions,
  { calls }: ModelAnswer,
): Promise<ToolAnswer[]> {
  const results: ToolAnswer[] = [];
  for (const { callId, tool, arguments: args } of calls) {
    signal.throwIfAborted();
    const result = await toolCaller.call(tool, args);
    const text = markUntrusted(shorten(textOf(result), MAX_TOOL_RESULT_CHARS), result);
    results.push({ callId, tool, text, isError: result.isError === true });
  }
  return results;
}

function endWithoutAnswer({ text, calls }: ModelAnswer, maxIterations: number): string {
  if (text.trim()) return text;
  throw new NightshiftError(
    "MODEL_FAILED",
    `Stopped at max_iterations: after ${maxIterations} model call${maxIterations === 1 ? "" : "s"} the model still asked for ${calls[0]?.tool ?? "a tool"} instead of answering. Raise max_iterations or ask for less.`,
  );
}
