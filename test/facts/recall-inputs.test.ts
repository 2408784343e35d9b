import { describe, expect, it } from "vitest";
import { createSearchIndex } from "../../src/facts/search/index.ts";
import { MORE_RECALL_INPUTS } from "./more-recall-inputs.ts";
import { OTHER_INPUTS } from "./other-recall-inputs.ts";
import { ENGLISH_INPUTS } from "./recall-inputs.ts";

/** Facts that are told in one sitting. */
function firstOf(facts: readonly string[], question: string): string | undefined {
  const index = createSearchIndex();
  for (const [i, text] of facts.entries()) index.add({ id: text, text, tags: [], createdAt: i });
  return index.search(question, 10)[0]?.id;
}

const ALL = { ...ENGLISH_INPUTS, ...OTHER_INPUTS, "more of each kind": MORE_RECALL_INPUTS };

describe.each(Object.entries(ALL))("recall of %s", (_kind, inputs) => {
  it.each(inputs.map(([facts, question, first]) => ({ facts, question, first })))(
    "answers $question with $first, whatever was saved first",
    ({ facts, question, first }) => {
      expect(firstOf(facts, question)).toBe(first);
      expect(firstOf(facts.toReversed(), question)).toBe(first);
    },
  );
});
