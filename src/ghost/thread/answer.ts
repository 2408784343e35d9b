import { NightshiftError } from "../../errors.ts";
import type { EndReason } from "../../jobs/run.ts";
import type { Message } from "../../model/model.ts";

/** The text that a model's work came to. `endReason`: why it may be incomplete. */
export interface Answer {
  readonly text: string;
  readonly endReason?: EndReason | undefined;
}

const isEmpty = ({ text }: Answer): boolean => text.trim() === "";

const ANSWER_NOW = "Your answer was empty. Answer now, in plain text, with what you have.";
const ANSWER_SHORTER =
  "Your answer was cut off before its end. Write all of it again, now, and short enough to fit.";

/** What to say to a model whose answer is worth a second try; undefined for one that stands. A refusal stands. */
export function askAgain(answer: Answer): readonly Message[] | undefined {
  if (isEmpty(answer)) return [{ role: "user", text: ANSWER_NOW }];
  if (answer.endReason !== "length" && answer.endReason !== "unclosed_reasoning") return undefined;
  return [
    { role: "assistant", text: answer.text, calls: [] },
    { role: "user", text: ANSWER_SHORTER },
  ];
}

/** The answer that the run ends with: the last, or one before it that was cut. Throws MODEL_FAILED when all are empty. */
export function settleAnswer(last: Answer, before: Answer | undefined): Answer {
  if (!isEmpty(last)) return last;
  if (before && !isEmpty(before)) return before;
  const why = { length: "its length limit was reached", content_filter: "a content filter held it back" };
  const reason = last.endReason ?? before?.endReason;
  const cause = reason && reason in why ? ` (${why[reason as keyof typeof why]})` : "";
  throw new NightshiftError(
    "MODEL_FAILED",
    `The model gave an empty answer${cause}${before ? ", also when it was asked once more" : ""}. Where a run may have nothing to say, set silent_token and tell the model to answer with it.`,
    { endReason: reason },
  );
}
