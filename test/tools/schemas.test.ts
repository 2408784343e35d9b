import { fromJsonSchema } from "@modelcontextprotocol/server";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { OpenContext } from "../../src/connection/connection.ts";
import type { ToolResult } from "../../src/tools/result.ts";
import { lazySchema, parseWith, toJsonSchema } from "../../src/tools/schema.ts";
import { eventually } from "../harness.ts";
import { ask, endedRun, openProgram } from "../program.ts";

const LATER = { execute_at: "2099-02-20 09:00:00", timezone: "Europe/Berlin" };

/** Checks as a client does: by the SDK's validator, against the schema that the tool itself advertises. */
async function problemsOf({ toolkit }: OpenContext, name: string, result: ToolResult): Promise<unknown> {
  const schema = toolkit.list().find((tool) => tool.name === name)?.outputSchema;
  if (!schema) return `${name} has no output schema`;
  const value = JSON.parse(JSON.stringify(result.structuredContent ?? null));
  const checked = await fromJsonSchema(schema as never)["~standard"].validate(value);
  return checked.issues;
}

describe("a lazy schema", () => {
  it("is built when it is first used, once, and checks and lists like the one it builds", async () => {
    let built = 0;
    const schema = lazySchema<{ n: number }>(() => {
      built++;
      return z.strictObject({ n: z.number() });
    });
    expect(built).toBe(0);
    expect(await parseWith(schema, { n: 1 })).toEqual({ value: { n: 1 } });
    expect(await parseWith(schema, { n: "1" })).toEqual({ problems: [expect.stringMatching(/^n: /)] });
    expect(toJsonSchema(schema, "input")).toEqual(toJsonSchema(z.strictObject({ n: z.number() }), "input"));
    expect(built).toBe(1);
  });
});

describe("a listed schema", () => {
  it("leaves out words that say nothing, and nothing that is named like them", () => {
    const named = { propertyNames: z.string(), additionalProperties: z.record(z.string(), z.unknown()) };
    const map = { type: "object" };
    expect(toJsonSchema(z.strictObject(named), "input")).toEqual({
      type: "object",
      properties: { propertyNames: { type: "string" }, additionalProperties: map },
      required: ["propertyNames", "additionalProperties"],
      additionalProperties: false,
    });
    const answer = z.object({ parts: z.array(z.object({ of: z.enum(["additionalProperties"]) })) });
    expect(JSON.stringify(toJsonSchema(answer, "output"))).not.toContain("false");
    expect(toJsonSchema(z.record(z.enum(["a"]), z.number()), "input")).toMatchObject({
      propertyNames: { enum: ["a"] },
      additionalProperties: { type: "number" },
    });
  });
});

describe("every built-in tool", () => {
  it("answers with what its own output schema says, and with text for the model", async () => {
    const program = await openProgram({
      scheduler: true,
      script: ({ messages }) =>
        messages.some(({ role }) => role === "tool")
          ? { text: "Done." }
          : {
              calls: messages.some(({ content }) => content.includes("Ask."))
                ? [{ tool: "ask_owner", arguments: { question: "Go on?" } }]
                : [
                    { tool: "recall_facts", arguments: { query: "x" } },
                    { tool: "nope", arguments: {} },
                  ],
            },
    });
    const context = program.open();
    const driven = new Set<string>();
    const drive = async (name: string, args: object = {}) => {
      const result = await context.toolkit.call(name, args);
      expect(result.isError, `${name}: ${result.content[0]?.text}`).toBeFalsy();
      expect(await problemsOf(context, name, result), name).toBeUndefined();
      expect(String(result.content[0]?.text).trim(), name).not.toBe("");
      driven.add(name);
      // biome-ignore lint/suspicious/noExplicitAny: checked by its schema just now
      return result.structuredContent as any;
    };
    await drive("whoami");
    await drive("current_time", { timezone: "Asia/Tokyo" });
    await drive("set_timezone", { timezone: "Asia/Tokyo" });
    const { fact_id } = await drive("save_fact", {
      fact: "Tea, no sugar.",
      tags: ["drinks"],
      expires_in_days: 3,
    });
    await drive("save_fact", { fact: "tea, NO sugar." });
    expect((await drive("recall_facts", { query: "sugar in tea?" })).facts).toHaveLength(1);
    await drive("recall_facts", { query: "volcano" });
    await drive("save_fact", { fact: "Lives in Oslo." });
    expect((await drive("list_facts", { limit: 1 })).next_cursor).toBeTruthy();
    await drive("forget_fact", { fact_id });

    const { job_id } = await drive("schedule_task", { prompt: "Say done.", ...LATER, name: "Done" });
    await drive("schedule_task", { tool: { name: "whoami" }, cron: "0 9 * * *" });
    await drive("schedule_task", { tool: { name: "whoami", arguments: {} }, every_seconds: 3_600 });
    await drive("get_job", { job_id });
    await drive("preview_schedule", { cron: "0 9 * * *", count: 3 });
    await drive("backfill", { job_id, from: "2020-01-01 00:00", to: "2020-01-02 00:00" });
    await drive("update_job", { job_id, max_iterations: 3, allowed_tools: ["recall_facts"] });
    await drive("pause_job", { job_id });
    await drive("resume_job", { job_id });
    expect((await drive("list_jobs", { limit: 2 })).next_cursor).toBeTruthy();
    const { run_id } = await drive("run_job", { job_id });
    await drive("get_run", { run_id });
    await endedRun(context, job_id);
    const run = await drive("get_run", { run_id });
    expect(run).toMatchObject({ status: "succeeded", output: "Done." });
    expect(run.transcript.some(({ skipped }: { skipped?: boolean }) => skipped)).toBe(true);
    expect(run.transcript.some(({ denied }: { denied?: boolean }) => denied)).toBe(true);
    await drive("get_job", { job_id });
    expect(await drive("run_job", { job_id, wait: true })).toMatchObject({ status: "succeeded" });
    await drive("list_runs", { job_id, limit: 1 });
    const { items, unread } = await drive("inbox", { limit: 1 });
    expect(items).toMatchObject([
      { kind: "result", job_id, status: "succeeded", output: "Done.", read: false },
    ]);
    expect(unread).toBe(0);
    const asking = { prompt: "Ask.", may_ask: true, ...LATER };
    const { job_id: asks } = await ask(context, "schedule_task", asking);
    const { run_id: waiting } = await ask(context, "run_job", { job_id: asks });
    await eventually(async () => (await ask(context, "get_run", { run_id: waiting })).status === "waiting");
    await drive("get_run", { run_id: waiting });
    await drive("answer_run", { run_id: waiting, answer: "yes" });
    await drive("cancel_job", { job_id });

    const { job_id: other } = await ask(context, "schedule_task", { tool: { name: "whoami" }, ...LATER });
    await program.close();
    const still = await openProgram({ dataDir: program.dataDir });
    const quiet = still.open();
    const queued = await ask(quiet, "run_job", { job_id: other });
    const cancelled = await quiet.toolkit.call("cancel_run", { run_id: queued.run_id });
    expect(await problemsOf(quiet, "cancel_run", cancelled)).toBeUndefined();
    expect(cancelled.structuredContent).toMatchObject({ status: "cancelled" });
    driven.add("cancel_run");
    expect([...driven].sort()).toEqual(
      quiet.toolkit
        .list()
        .map(({ name }) => name)
        .sort(),
    );
  }, 60_000);

  it("is described for a model: title, text, annotations, and a description of what is not obvious", async () => {
    const { toolkit } = (await openProgram()).open();
    for (const tool of toolkit.list()) {
      expect(tool.title, tool.name).toMatch(/^[A-Z]/);
      expect(tool.description.length, tool.name).toBeGreaterThan(20);
      expect(tool.annotations, tool.name).toMatchObject({ openWorldHint: expect.any(Boolean) });
      expect(tool.inputSchema, tool.name).toMatchObject({ type: "object", additionalProperties: false });
      expect(JSON.stringify(tool)).not.toContain("$schema");
    }
  });

  it("says in its error what to do next", async () => {
    const context = (await openProgram()).open();
    const said = async (name: string, args: object) =>
      String((await context.toolkit.call(name, args)).content[0]?.text);
    expect(await said("schedule_task", { prompt: "Hi.", cron: "0 9 * * *" })).toMatch(/Set NIGHTSHIFT_MODEL/);
    expect(await said("schedule_task", { prompt: "a", tool: { name: "whoami" }, cron: "0 9 * * *" })).toMatch(
      /either prompt or tool/,
    );
    expect(await said("schedule_task", { tool: { name: "whoami" } })).toMatch(
      /exactly one of execute_at, cron and every_seconds/,
    );
    expect(await said("schedule_task", { tool: { name: "schedule_task" }, cron: "0 9 * * *" })).toMatch(
      /A ghost's tools here: whoami/,
    );
    expect(await said("get_job", { job_id: "job_none" })).toMatch(/list_jobs/);
    expect(await said("current_time", { timezone: "Mars/Olympus" })).toMatch(/IANA name/);
    expect(await said("list_facts", { cursor: "made up" })).toMatch(/CURSOR_INVALID/);
    expect(await said("cancel_run", { run_id: "run_none" })).toMatch(/RUN_NOT_FOUND/);
  });
});
