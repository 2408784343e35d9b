import { NightshiftError } from "../../errors.ts";
import type { Message, ModelAnswer, ModelRequest, OfferedTool, ToolAnswer } from "../../model/model.ts";
import { textOf } from "../../tools/result.ts";
import { type Step, shorten } from "../protocol/messages.ts";
import { type Answer, askAgain, settleAnswer } from "./answer.ts";
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
 * and goes on until it answers without a call. `maxIterations` is a hard limit on model calls. The last one may not call
 * tools, so that a long task ends with what was found instead of with nothing. An empty answer, or one that was cut, gets
 * a second try where a call is left. Rejects with MODEL_FAILED when the model still does not answer.
 */
export async function react(options: ReactOptions): Promise<Answer> {
  const { maxIterations, signal, tools } = options;
  const messages = openingOf(options);
  let before: Answer | undefined;
  for (let iteration = 1; ; iteration++) {
    signal.throwIfAborted();
    const isLast = iteration >= maxIterations;
    const isForced = isLast && iteration > 1 && !before;
    if (isForced) askForTheEnd(options, messages);
    const toolUse = isLast && { toolUse: "none" as const };
    const answer = await askModel(options, { messages, tools, ...toolUse });
    if (answer.calls.length > 0 && !isLast) {
      messages.push({ role: "assistant", text: answer.text, calls: answer.calls });
      messages.push({ role: "tool", results: await runToolCalls(options, answer) });
      continue;
    }
    if (answer.calls.length > 0) assertAnswered(answer, maxIterations);
    const again = before || isLast ? undefined : askAgain(answer);
    if (!again) {
      const isOut = isForced || answer.calls.length > 0;
      return settleAnswer(
        { ...answer, endReason: answer.endReason ?? (isOut ? "max_iterations" : undefined) },
        before,
      );
    }
    messages.push(...again);
    before = answer;
  }
}

function askForTheEnd({ maxIterations, onStep }: ReactOptions, messages: Message[]): void {
  messages.push({ role: "user", text: LAST_CALL });
  onStep({
    type: "note",
    text: `max_iterations (${maxIterations}) reached: asked for the answer without tools`,
  });
}

type OneCallOptions = Omit<ReactOptions, "toolCaller" | "tools" | "maxIterations">;

const openingOf = ({ system, prompt }: OneCallOptions): Message[] => [
  { role: "system", text: system },
  { role: "user", text: prompt },
];

async function askModel({ ask, signal }: OneCallOptions, request: ModelRequest) {
  const answer = await ask(request, signal);
  return { ...answer, endReason: answer.end };
}

/** One model call, without tools; a second one when the answer was empty or cut. Rejects as `react` does. */
export async function completeOnce(options: OneCallOptions): Promise<Answer> {
  const messages = openingOf(options);
  const first = await askModel(options, { messages, tools: [] });
  const again = askAgain(first);
  if (!again) return first;
  return settleAnswer(await askModel(options, { messages: [...messages, ...again], tools: [] }), first);
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

function assertAnswered({ text, calls }: ModelAnswer, maxIterations: number): void {
  if (text.trim()) return;
  throw new NightshiftError(
    "MODEL_FAILED",
    `Stopped at max_iterations: after ${maxIterations} model call${maxIterations === 1 ? "" : "s"} the model still asked for ${calls[0]?.tool ?? "a tool"} instead of answering. Raise max_iterations or ask for less.`,
    { endReason: "max_iterations" },
  );
}
