import { describe, expect, it } from "vitest";
import type { Script } from "../../src/model/scripted.ts";
import { openNight } from "./night.ts";

const RECALL = "[Scheduler Task] Memory recall skipped - automated tasks cannot access user memories";
const SAVE = "[Scheduler Task] Memory save skipped - automated tasks cannot write to user memories";

/** Answers with each of `answers` in turn. */
const inTurn =
  (...answers: Awaited<ReturnType<Script>>[]): Script =>
  () =>
    answers.shift() ?? { text: "nothing left to say" };

describe("a prompt with the ReAct loop", () => {
  it("is told that memory is skipped, word for word, and goes on", async () => {
    const night = await openNight({
      script: inTurn(
        {
          calls: [
            { tool: "recall_facts", arguments: { query: "my city" } },
            { tool: "save_fact", arguments: { fact: "alice lives in Berlin" } },
          ],
        },
        { calls: [{ tool: "current_time", arguments: { timezone: "UTC" } }] },
        { text: "Done without memory." },
      ),
    });
    const run = await night.prompt("Where do I live?");
    expect(run).toMatchObject({ status: "succeeded", output: "Done without memory.", error: null });
    expect(run.transcript).toMatchObject([
      { step: 1, type: "model" },
      { step: 2, type: "tool", tool: "recall_facts", arguments: { query: "my city" }, result: RECALL, skipped: true },
      { step: 3, type: "tool", tool: "save_fact", result: SAVE, skipped: true },
      { step: 4, type: "model" },
      { step: 5, type: "tool", tool: "current_time" },
      { step: 6, type: "model", text: "Done without memory." },
    ]);
    expect(run.transcript[4]).not.toHaveProperty("skipped");
    const toldInOrder = night.scripted?.requests[1]?.messages.filter(({ role }) => role === "tool");
    expect(toldInOrder?.map(({ content }) => content)).toEqual([RECALL, SAVE]);
  });
});
