import { fromJsonSchema } from "@modelcontextprotocol/server";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { fitArguments } from "../../src/tools/fit-arguments.ts";
import { LISTED_KEYWORDS } from "../../src/tools/listed-schema.ts";
import { type JsonSchema, toJsonSchema } from "../../src/tools/schema.ts";
import { ask, openProgram } from "../program.ts";

const LATER = { execute_at: "2099-02-20 09:00:00", timezone: "Europe/Berlin" };
const WHOAMI = { tool: { name: "whoami" } };

describe("arguments as models send them", () => {
  it("null for an optional argument is as if it were not there", async () => {
    const alice = (await openProgram()).open();
    const nothing = { prompt: null, cron: null, every_seconds: null, after: null, use_react_loop: null };
    const job = await ask(alice, "schedule_task", { ...nothing, ...WHOAMI, ...LATER, max_iterations: null });
    expect(job).toMatchObject({ max_iterations: 10, use_react_loop: true, status: "active" });
    expect((await ask(alice, "list_jobs", { status: null, cursor: null, limit: null })).jobs).toHaveLength(1);
  });

  it("null empties what may be empty, as before", async () => {
    const alice = (await openProgram()).open();
    const { job_id } = await ask(alice, "schedule_task", { ...WHOAMI, ...LATER, name: "Mine", max_runs: 3 });
    const cleared = await ask(alice, "update_job", { job_id, name: null, max_runs: null, max_tokens: null });
    expect(cleared).toMatchObject({ name: null, max_runs: null, max_tokens: 100_000 });
  });

  it("an empty text for an optional argument is as if it were not there", async () => {
    const alice = (await openProgram()).open();
    const unset = { name: "", prompt: "", cron: "", every_seconds: "", after: " ", webhook_url: "" };
    const { job_id, name } = await ask(alice, "schedule_task", { ...unset, ...WHOAMI, ...LATER });
    expect(name).toBeNull();
    await ask(alice, "update_job", { job_id, name: "Mine", webhook_url: "https://example.com/hook" });
    const kept = await ask(alice, "update_job", { job_id, name: "", webhook_url: "", max_runs: "4" });
    expect(kept).toMatchObject({ name: "Mine", webhook_url: "https://example.com/hook", max_runs: 4 });
    const empty = await alice.toolkit.call("save_fact", { fact: "" });
    expect(empty.content[0]?.text).toMatch(/FACT_EMPTY/);
  });

  it("a number, a truth, a list and an object may be written as text", async () => {
    const alice = (await openProgram({ script: () => ({ text: "ok" }) })).open();
    const job = await ask(alice, "schedule_task", {
      prompt: "5",
      cron: "0 9 * * *",
      use_react_loop: "False",
      max_iterations: "3",
      allowed_tools: '["whoami"]',
      retry: '{"attempts": "2"}',
      name: "7",
    });
    expect(job).toMatchObject({ prompt: "5", name: "7", use_react_loop: false, max_iterations: 3 });
    expect(job).toMatchObject({ allowed_tools: ["whoami"], retry: { attempts: 2 } });
    const called = { tool: '{"name":"current_time","arguments":"{\\"timezone\\":\\"UTC\\"}"}', ...LATER };
    expect((await ask(alice, "schedule_task", called)).tool).toEqual({
      name: "current_time",
      arguments: { timezone: "UTC" },
    });
  });

  it("what is not certain is refused, with the reason", async () => {
    const alice = (await openProgram()).open();
    const refused = async (name: string, args: object) =>
      String((await alice.toolkit.call(name, args)).content[0]?.text);
    expect(await refused("list_jobs", { limit: "five" })).toMatch(/limit: .*expected number.*INVALID_ARG/);
    expect(await refused("list_jobs", { limit: "1e400" })).toMatch(/INVALID_ARGUMENTS/);
    expect(await refused("list_jobs", { limit: "5.5" })).toMatch(/INVALID_ARGUMENTS/);
    expect(await refused("run_job", { job_id: "job_1", wait: "yes" })).toMatch(/wait: .*expected boolean/);
    expect(await refused("save_fact", { fact: "x", tags: "[work" })).toMatch(/tags: .*expected array/);
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    expect(await refused("save_fact", { fact: "x", tags: deep })).toMatch(/tags: .*expected array/);
    expect(await refused("get_job", { job_id: null })).toMatch(/job_id/);
  });

  it("fits a text only where the schema takes none", () => {
    const schema = toJsonSchema(
      z.strictObject({
        any: z.unknown(),
        either: z.union([z.string(), z.number()]),
        note: z.string().optional(),
      }),
      "input",
    );
    const given = { any: "5", either: "5", note: "", more: null };
    expect(fitArguments(schema, given)).toEqual(given);
    expect(fitArguments(schema, '{"any": 1}')).toEqual({ any: 1 });
  });
});

describe("what tools/list shows", () => {
  /** Each schema within a schema, itself included. */
  const schemasIn = (schema: JsonSchema): JsonSchema[] => {
    const { properties = {}, items, anyOf = [], additionalProperties } = schema;
    const parts = [
      ...Object.values(properties as object),
      ...(anyOf as object[]),
      items,
      additionalProperties,
    ];
    const nested = parts.filter((part) => typeof part === "object" && part !== null) as JsonSchema[];
    return [schema, ...nested.flatMap(schemasIn)];
  };

  it("has only keywords that every model's API takes", async () => {
    const { toolkit } = (await openProgram()).open();
    for (const tool of toolkit.list()) {
      const schemas = [...schemasIn(tool.inputSchema), ...schemasIn(tool.outputSchema ?? {})];
      for (const schema of schemas) {
        for (const word of Object.keys(schema)) expect(LISTED_KEYWORDS, tool.name).toContain(word);
        expect(["string", "undefined"], tool.name).toContain(typeof schema.type);
      }
      expect(JSON.stringify(tool)).not.toContain("9007199254740991");
    }
  });

  it("lets a client that checks by it send what the server takes", async () => {
    const { toolkit } = (await openProgram()).open();
    const schemaOf = (name: string) => toolkit.list().find((tool) => tool.name === name)?.inputSchema;
    const problems = async (name: string, args: object) =>
      (await fromJsonSchema(schemaOf(name) as never)["~standard"].validate(args)).issues;
    const nulls = { prompt: null, cron: "", every_seconds: null, allowed_tools: null, use_react_loop: null };
    expect(await problems("schedule_task", { ...nulls, tool: '{"name":"whoami"}' })).toBeUndefined();
    expect(await problems("schedule_task", { tool: { name: "whoami", arguments: null } })).toBeUndefined();
    expect(await problems("schedule_task", { max_iterations: "5", use_react_loop: "true" })).toBeUndefined();
    expect(await problems("list_jobs", { limit: "5", status: null, cursor: "" })).toBeUndefined();
    expect(await problems("list_jobs", { limit: 5, status: "active" })).toBeUndefined();
    expect(await problems("list_jobs", { limit: [] })).toBeDefined();
    expect(await problems("get_job", { job_id: null })).toBeDefined();
  });

  it("keeps the bounds of a user's own tool, without those that are exclusive", () => {
    const dice = z.strictObject({ sides: z.number().int().positive().max(6), odds: z.number().lt(1) });
    expect(toJsonSchema(dice, "input")).toMatchObject({
      properties: {
        sides: { type: "integer", minimum: 1, maximum: 6 },
        odds: { type: "number", maximum: 1 },
      },
    });
  });
});
