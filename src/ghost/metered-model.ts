import { NightshiftError } from "../errors.ts";
import type { Usage } from "../jobs/run.ts";
import type { Log } from "../log.ts";
import type { Model, ModelAnswer, ModelRequest } from "../model/model.ts";
import type { TokenBudget } from "../store/usage.ts";
import { hashOf } from "./hash.ts";
import type { RunJournal } from "./journal.ts";
import { MAX_STEP_TEXT_CHARS, shorten } from "./protocol/messages.ts";
import { withoutReasoning } from "./reasoning.ts";

export interface MeteredModelOptions {
  /** Absent where no model is configured. Its key stays on the main side. */
  readonly model: Model | undefined;
  /** Input and output tokens that this run may use. */
  readonly maxTokens: number;
  /** The budget that this run shares with others. */
  readonly budget: TokenBudget;
  /** True for a ghost that asks in no fixed order: its questions are told apart by what they say. */
  readonly asksInAnyOrder: boolean;
  readonly journal: RunJournal;
  readonly log: Log;
}

/** Makes the model calls of one ghost, one after the other, so that each is checked against the use of all before it. */
export function openMeteredModel(options: MeteredModelOptions) {
  const { asksInAnyOrder, journal } = options;
  let last: Promise<unknown> = Promise.resolve();
  return {
    ask(request: ModelRequest, signal: AbortSignal): Promise<ModelAnswer> {
      const said = asksInAnyOrder ? request.messages.filter(({ role }) => role !== "system") : null;
      const key = journal.nextKey(said ? `model ${hashOf(said)}` : "model");
      const answer = last.then(() => askOnce(options, key, request, signal));
      last = answer.catch(() => {});
      return answer;
    },
  };
}

/** The answer that an earlier thread got, or a new one, which is stored before the ghost gets it. */
async function askOnce(
  options: MeteredModelOptions,
  key: string,
  request: ModelRequest,
  signal: AbortSignal,
): Promise<ModelAnswer> {
  const { model, maxTokens, budget, journal, log } = options;
  signal.throwIfAborted();
  const known = journal.find(key);
  if (known?.isDone) return known.value as ModelAnswer;
  if (!model)
    throw new NightshiftError(
      "MODEL_NOT_CONFIGURED",
      "No model is configured: set NIGHTSHIFT_MODEL (and NIGHTSHIFT_MODEL_API_KEY where one is needed).",
    );
  const spentBefore = totalOf(journal.usage);
  if (spentBefore >= maxTokens) throw overBudget(journal.usage, maxTokens);
  await budget.assertLeft();
  if (known) journal.noteOnce(COST_UNKNOWN, key);
  else journal.begin(key);
  await journal.write();
  const answer = withoutReasoning(await model.generate(request, signal));
  journal.addUsage(answer.usage);
  const text = shorten(answer.text, MAX_STEP_TEXT_CHARS);
  journal.finish(key, { value: answer, shown: { type: "model", ...(text && { text }) } });
  if (answer.usageIsEstimate && journal.noteOnce(ESTIMATED))
    log.warn({ model: model.name }, "a model reported no tokens, or a number that cannot be true");
  await journal.write((trx) => budget.spend(trx, totalOf(answer.usage)));
  return answer;
}

const totalOf = ({ input_tokens, output_tokens }: Usage): number => input_tokens + output_tokens;

const ESTIMATED =
  "The model reported no tokens, or a number that cannot be true; this run's usage is partly an estimate.";
const COST_UNKNOWN =
  "The process ended during a call of the model, which is made again. What that call cost is not known.";

function overBudget({ input_tokens, output_tokens }: Usage, maxTokens: number): NightshiftError {
  const spent = input_tokens + output_tokens;
  return new NightshiftError(
    "BUDGET_EXCEEDED",
    `Stopped before the next model call: this run has used ${spent} tokens (${input_tokens} in, ${output_tokens} out) of the ${maxTokens} that its max_tokens allows.`,
    { spent, maxTokens },
  );
}
