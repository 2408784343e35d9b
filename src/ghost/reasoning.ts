import type { ModelAnswer } from "../model/model.ts";

/** What reasoning models that have no field of their own for it put around their reasoning. */
const REASONING = /(^|\n)[ \t]*<(think|thinking|reasoning)>([\s\S]*?)(?:<\/\2>|$(?![\s\S]))/gi;
const CLOSED_ONLY = /^[\s\S]*(?<!`)<\/(?:think|thinking|reasoning)>/i;

/**
 * The answer without its reasoning, and whether it ends within the reasoning. A tag within a line is left: such a text is
 * about tags. Some servers cut off the opening tag; then all before the closing one is reasoning.
 */
function splitReasoning(text: string): { readonly text: string; readonly isOpen: boolean } {
  let isOpen = false;
  let hasReasoning = false;
  const rest = text.replace(REASONING, (all, before: string, tag: string) => {
    hasReasoning = true;
    isOpen ||= !all.toLowerCase().endsWith(`</${tag.toLowerCase()}>`);
    return before;
  });
  if (!hasReasoning && !CLOSED_ONLY.test(text)) return { text, isOpen };
  return { text: hasReasoning ? rest.trim() : text.replace(CLOSED_ONLY, "").trim(), isOpen };
}

/** The model's answer without its reasoning. */
export function withoutReasoning(answer: ModelAnswer): ModelAnswer {
  const { text, isOpen } = splitReasoning(answer.text);
  const end = answer.end ?? (isOpen ? "unclosed_reasoning" : undefined);
  return { ...answer, text, ...(end && { end }) };
}
