import { describe, expect, it } from "vitest";
import type { ScriptedAnswer } from "../../src/model/scripted.ts";
import { eventually } from "../harness.ts";
import { ask, endedRun, openProgram } from "../program.ts";
import { startReceiver } from "../webhooks/receiver.ts";
import { openGhostWorld } from "./ghost-world.ts";

interface RawAnswer {
  readonly content?: string | null;
  readonly finish?: string;
  readonly reasoning?: string;
  readonly refusal?: string;
  readonly calls?: readonly (readonly [id: string, tool: string, args: string])[];
}

/** An answer as a provider sends it. */
const raw = ({ content = null, finish, reasoning, refusal, calls = [] }: RawAnswer): ScriptedAnswer => ({
  body: JSON.stringify({
    id: "c",
    object: "chat.completion",
    created: 1,
    model: "scripted",
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content,
          ...(reasoning && { reasoning_content: reasoning }),
          ...(refusal && { refusal }),
          ...(calls.length > 0 && {
            tool_calls: calls.map(([id, name, args]) => ({
              id,
              type: "function",
              function: { name, arguments: args },
            })),
          }),
        },
        finish_reason: finish ?? (calls.length > 0 ? "tool_calls" : "stop"),
      },
    ],
    usage: { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 },
  }),
});

async function runWith(answers: readonly RawAnswer[], limits = {}) {
  const queue = [...answers];
  const world = await openGhostWorld({ script: () => raw(queue.shift() ?? { content: "nothing left" }) });
  const run = await world.prompt("p", { limits });
  return { run, asked: world.scripted?.requests ?? [] };
}

const EMPTY: readonly RawAnswer[] = [
  { content: "" },
  { content: null },
  { content: " \n\t " },
  { content: null, reasoning: "Let me think." },
  { content: "<think>Let me think.</think>" },
  { content: "\n<thinking>\nLet me think.\n</thinking>\n" },
  { content: "<think>Let me think" },
];

describe("an answer that is empty", () => {
  it.each(EMPTY)("%j is asked for once more", async (empty) => {
    const { run, asked } = await runWith([empty, { content: "Here it is." }]);
    expect(run).toMatchObject({ status: "succeeded", output: "Here it is.", endReason: null });
    expect(asked).toHaveLength(2);
    expect(asked[1]?.messages.at(-1)?.content).toContain("Answer now");
  });

  it.each(EMPTY)("%j fails when it comes twice", async (empty) => {
    for (const useReactLoop of [true, false]) {
      const { run, asked } = await runWith([empty, empty], { useReactLoop });
      expect(run).toMatchObject({ status: "failed", output: null, error: { code: "MODEL_FAILED" } });
      expect(run.error?.message).toContain("empty answer");
      expect(asked).toHaveLength(2);
    }
  });

  it("is asked for no more often than max_iterations allows", async () => {
    const { run, asked } = await runWith([{ content: "" }], { maxIterations: 1 });
    expect(run).toMatchObject({ status: "failed", error: { code: "MODEL_FAILED" } });
    expect(asked).toHaveLength(1);
  });
});

describe("reasoning in the text of an answer", () => {
  it.each([
    ["<think>a</think>The answer.", "The answer."],
    ["<THINK>\na\n</THINK>\n\nThe answer.\n", "The answer."],
    ["Said first.\n<think>a</think>\nThe answer.", "Said first.\n\nThe answer."],
    ["a reasoned step\n</think>\n\nThe answer.", "The answer."],
    ["<think>a</think>One.\n<think>b</think>Two.", "One.\nTwo."],
    ["Models put <think> before it.", "Models put <think> before it."],
    ["It ends with `</think>` there.", "It ends with `</think>` there."],
    ["  kept as it is \n", "  kept as it is \n"],
  ])("%j comes to %j", async (content, output) => {
    const { run } = await runWith([{ content }]);
    expect(run).toMatchObject({ status: "succeeded", output, endReason: null });
    expect(run.transcript.map(({ text }) => text)).toEqual([output]);
  });
});

describe("an answer that was cut", () => {
  it("is asked for again, and stands when it is complete then", async () => {
    for (const useReactLoop of [true, false]) {
      const answers = [{ content: "It begins", finish: "length" }, { content: "All of it." }];
      const { run, asked } = await runWith(answers, { useReactLoop });
      expect(run).toMatchObject({ status: "succeeded", output: "All of it.", endReason: null });
      expect(asked[1]?.messages.slice(-2).map(({ role }) => role)).toEqual(["assistant", "user"]);
    }
  });

  it("is marked when it is cut again, or empty the second time", async () => {
    const cut = { content: "It begins", finish: "length" };
    const marked = { status: "succeeded", output: "It begins", endReason: "length" };
    expect((await runWith([cut, cut])).run).toMatchObject(marked);
    expect((await runWith([cut, { content: null }])).run).toMatchObject(marked);
  });

  it("is marked when its reasoning was never closed", async () => {
    const open = { content: "A start.\n<think>and then" };
    const { run } = await runWith([open, open]);
    expect(run).toMatchObject({ output: "A start.", endReason: "unclosed_reasoning" });
  });

  it("keeps a refusal and what a filter left, marked and not asked again", async () => {
    const filtered = await runWith([{ content: "Half", finish: "content_filter" }]);
    expect(filtered.run).toMatchObject({ status: "succeeded", output: "Half", endReason: "content_filter" });
    const refused = await runWith([{ refusal: "I can't help with that." }]);
    expect(refused.run).toMatchObject({ output: "I can't help with that.", endReason: "refusal" });
    for (const { asked } of [filtered, refused]) expect(asked).toHaveLength(1);
  });

  it("says why it is missing", async () => {
    const cut = { reasoning: "a long thought", finish: "length" };
    const { run } = await runWith([cut, cut]);
    expect(run).toMatchObject({ status: "failed", output: null, endReason: "length" });
    expect(run.error?.message).toContain("its length limit was reached");
  });
});

it("marks the answer of a run that reached max_iterations", async () => {
  const call = { calls: [["c1", "current_time", "{}"]] } as const;
  const { run } = await runWith([call, { content: "What I have." }], { maxIterations: 2 });
  expect(run).toMatchObject({ status: "succeeded", output: "What I have.", endReason: "max_iterations" });
  const enough = await runWith([call, { content: "Done." }], { maxIterations: 3 });
  expect(enough.run).toMatchObject({ output: "Done.", endReason: null });
});

it("tells the end reason in get_run, in the inbox and to a webhook", async () => {
  const { open } = await openProgram({
    script: () => raw({ content: "Half", finish: "length" }),
    scheduler: true,
    webhookAllowPrivate: true,
  });
  const alice = open();
  const receiver = await startReceiver();
  const job = await ask(alice, "schedule_task", {
    prompt: "p",
    cron: "0 9 * * *",
    timezone: "UTC",
    webhook_url: receiver.url,
  });
  const { run_id } = await ask(alice, "run_job", { job_id: job.job_id });
  expect(await endedRun(alice, job.job_id, run_id)).toMatchObject({ output: "Half", end_reason: "length" });
  const { items } = await ask(alice, "inbox");
  expect(items).toMatchObject([{ run_id, output: "Half", end_reason: "length" }]);
  const received = await eventually(async () => receiver.received[0]);
  expect(received.body).toContain('"end_reason":"length"');
});

describe("the tool calls of one answer", () => {
  const zones = ["Europe/Berlin", "Asia/Tokyo", "UTC"];

  it.each([["same"], [""]])("run each with their own arguments when all have the id %j", async (id) => {
    const calls = zones.map((timezone) => [id, "current_time", JSON.stringify({ timezone })] as const);
    const { run, asked } = await runWith([{ calls }, { content: "Done." }]);
    const made = run.transcript.filter(({ type }) => type === "tool");
    expect(made.map(({ arguments: args }) => args)).toEqual(zones.map((timezone) => ({ timezone })));
    const results = asked[1]?.messages.filter(({ role }) => role === "tool") ?? [];
    expect(results.map(({ content }) => zones.find((zone) => content.includes(zone)))).toEqual(zones);
  });

  it.each(['{"timezone": "UTC"', "timezone=UTC", '{"timezone": "UTC"}}', "{'timezone': 'UTC'}"])(
    "tell a model whose arguments %j are no JSON that they are not",
    async (args) => {
      const { run } = await runWith([{ calls: [["c1", "current_time", args]] }, { content: "Done." }]);
      expect(run.transcript[1]).toMatchObject({ tool: "current_time", is_error: true });
      expect(run.transcript[1]?.result).toMatch(/are not JSON: .*Send one JSON object/);
      expect(run.output).toBe("Done.");
    },
  );
});
