import { describe, expect, it } from "vitest";
import { z } from "zod";
import { NightshiftError } from "../../src/errors.ts";
import { peopleTools } from "../../src/tools/builtin.ts";
import { createCatalog } from "../../src/tools/catalog.ts";
import type { ToolSpec } from "../../src/tools/define.ts";
import { whoami } from "../../src/tools/whoami.ts";
import { codeOf, errorIn, openToolWorld, textIn } from "./tool-world.ts";

const tool = (run: ToolSpec<never>["run"], more: Partial<ToolSpec<never>> = {}): ToolSpec<never> => ({
  name: "mine",
  description: "A tool of one's own.",
  ...(run && { run }),
  ...more,
});
const answerOf = (value: unknown) => openToolWorld([tool(() => value)]).toolkit.call("mine");
const text = (said: string) => [{ type: "text", text: said }];

describe("what a tool returns becomes a result", () => {
  const shapes: [string, unknown, object][] = [
    ["a string", "hello", { content: text("hello") }],
    ["an empty string", "", { content: text("") }],
    ["a number", 0, { content: text("0") }],
    ["false", false, { content: text("false") }],
    ["a bigint", 7n, { content: text("7") }],
    ["nothing", undefined, { content: [] }],
    ["null", null, { content: [] }],
    ["an object", { a: 1 }, { content: text('{"a":1}'), structuredContent: { a: 1 } }],
    ["an empty object", {}, { content: text("{}"), structuredContent: {} }],
    ["a list", [1, 2], { content: text("[1,2]") }],
    ["a date", new Date(0), { content: text('"1970-01-01T00:00:00.000Z"') }],
    ["an object with a date", { at: new Date(0) }, { structuredContent: { at: "1970-01-01T00:00:00.000Z" } }],
    ["an object with a field content", { content: "mine" }, { structuredContent: { content: "mine" } }],
    ["an object with a list content", { content: [1] }, { structuredContent: { content: [1] } }],
    [
      "an MCP result",
      { content: [{ type: "image", data: "AA==", mimeType: "image/png" }], isError: true },
      { content: [{ type: "image", data: "AA==", mimeType: "image/png" }], isError: true },
    ],
    ["a promise", Promise.resolve("later"), { content: text("later") }],
  ];
  it.each(shapes)("%s", async (_what, value, expected) => {
    const result = await answerOf(value);
    expect(result).toMatchObject(expected);
    if (!("structuredContent" in expected)) expect(result.structuredContent).toBeUndefined();
  });

  it("unless it is not JSON: then the tool's author is told", async () => {
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    for (const value of [
      circle,
      { big: 1n },
      { content: [], structuredContent: { big: 1n } },
      { content: [], _meta: circle },
    ]) {
      const result = await answerOf(value);
      expect(codeOf(result)).toBe("TOOL_FAILED");
      expect(textIn(result)).toMatch(/^mine answered with something that is not JSON: /);
    }
  });

  it("if it fits the tool's own output schema", async () => {
    const outputSchema = z.object({ degrees: z.number() });
    const call = (value: unknown) =>
      openToolWorld([tool(() => value, { outputSchema })]).toolkit.call("mine");
    expect((await call({ degrees: 4 })).structuredContent).toEqual({ degrees: 4 });
    expect(textIn(await call({ degrees: "four" }))).toMatch(/does not fit its outputSchema: degrees: /);
    expect(textIn(await call("four degrees"))).toMatch(/has an outputSchema and returned no object/);
    const refused = { content: text("no"), isError: true };
    expect(await call(refused)).toEqual(refused);
  });
});

describe("what a tool throws", () => {
  it.each([
    ["an error", new Error("the printer is on fire"), "mine failed: the printer is on fire [TOOL_FAILED]"],
    ["a string", "no paper", "mine failed: no paper [TOOL_FAILED]"],
    ["nothing", undefined, "mine failed: undefined [TOOL_FAILED]"],
    ["an error with a code", new NightshiftError("JOB_STATE", "Not now."), "Not now. [JOB_STATE]"],
  ])("is told in the user's own words: %s", async (_what, thrown, said) => {
    const throwing = () => {
      throw thrown;
    };
    const creating = tool(undefined, { name: "made", create: throwing as never });
    const { toolkit, logged } = openToolWorld([
      tool(throwing),
      tool(() => Promise.reject(thrown), { name: "later" }),
      creating,
    ]);
    for (const name of ["mine", "later", "made"]) {
      const result = await toolkit.call(name);
      expect(result.isError).toBe(true);
      expect(textIn(result)).toBe(said.replace("mine", name));
    }
    expect(logged).toEqual([]);
  });

  it("is not told when it is Nightshift's own: the log has it, under the correlation id that the caller gets", async () => {
    const secret = "/var/lib/secret.sqlite: SQLITE_CORRUPT at page 7";
    const broken = {
      ...whoami,
      create: () => ({
        run: () => {
          throw new Error(secret);
        },
      }),
    };
    const { toolkit, context, logged } = openToolWorld([], { builtIn: [broken] });
    const result = await toolkit.call("whoami");
    expect(JSON.stringify(result)).not.toContain("secret");
    expect(textIn(result)).toBe(
      "Something went wrong inside Nightshift; its log has the details. [INTERNAL]",
    );
    expect(errorIn(result)).toMatchObject({ code: "INTERNAL", correlation_id: context.correlationId });
    expect(logged).toMatchObject([{ tool: "whoami", entity_type: "human", err: { message: secret } }]);
  });

  it("cannot pass for another error by its data", async () => {
    const data = { code: "OTHER", message: "other", correlation_id: "other", limit: 3 };
    const { toolkit, context } = openToolWorld([
      tool(() => {
        throw new NightshiftError("JOB_STATE", "Not now.", data);
      }),
    ]);
    expect(errorIn(await toolkit.call("mine"))).toEqual({
      code: "JOB_STATE",
      message: "Not now.",
      correlation_id: context.correlationId,
      limit: 3,
    });
  });
});

describe("arguments", () => {
  const zod = z.strictObject({ city: z.string(), days: z.number().default(1) });
  const json = {
    type: "object",
    properties: { city: { type: "string" }, days: { type: "number" } },
    required: ["city"],
    additionalProperties: false,
  };
  const echo = (args: object) => ({ ...args });
  const kits = { zod: openKitWith(zod), "JSON Schema": openKitWith(json) };
  function openKitWith(inputSchema: object) {
    return () => openToolWorld([tool(echo as never, { inputSchema: inputSchema as never })]).toolkit;
  }

  describe.each(Object.entries(kits))("in %s", (_kind, open) => {
    it("are handed over when they fit", async () => {
      expect((await open().call("mine", { city: "Rome", days: 2 })).structuredContent).toEqual({
        city: "Rome",
        days: 2,
      });
    });

    it.each([
      ["unknown", { city: "Rome", colour: "red" }, "colour"],
      ["missing", {}, "city"],
      ["of the wrong type", { city: 7 }, "city"],
      [
        "named like an object's prototype",
        JSON.parse('{"city":"Rome","__proto__":{"admin":true}}'),
        "__proto__",
      ],
      ["named like an object's constructor", { city: "Rome", constructor: 1 }, "constructor"],
    ])("that are %s are named, with what the tool takes", async (_what, args, named) => {
      const result = await open().call("mine", args);
      expect(codeOf(result)).toBe("INVALID_ARGUMENTS");
      expect(textIn(result)).toContain(named);
      expect(textIn(result)).toContain("It takes city (required), days.");
      expect(({} as { admin?: boolean }).admin).toBeUndefined();
    });

    it.each([
      ["a list", [1]],
      ["a string", "city"],
      ["a number", 3],
    ])("that are %s are refused", async (_what, args) => {
      expect(codeOf(await open().call("mine", args))).toBe("INVALID_ARGUMENTS");
    });
  });

  it("may be left out for a tool that takes none, which refuses any", async () => {
    const { toolkit } = openToolWorld([tool(() => "ok")]);
    for (const none of [undefined, null, {}]) expect(textIn(await toolkit.call("mine", none))).toBe("ok");
    expect(textIn(await toolkit.call("mine", { a: 1 }))).toMatch(/"a".*It takes no arguments/s);
  });

  it("are echoed in part only", async () => {
    const { toolkit } = openToolWorld([], { builtIn: peopleTools });
    const key = "k".repeat(100_000);
    expect(textIn(await toolkit.call("whoami", { [key]: 1 })).length).toBeLessThan(1_000);
    expect(textIn(await toolkit.call(key)).length).toBeLessThan(1_000);
  });
});

describe("a tool's name", () => {
  it.each(["__proto__", "constructor", "toString", "hasOwnProperty", "", "nothing"])(
    "that is not in the catalog is not found: %j",
    async (name) => {
      const { toolkit } = openToolWorld([], { builtIn: [whoami] });
      const result = await toolkit.call(name);
      expect(codeOf(result)).toBe("TOOL_NOT_FOUND");
      expect(textIn(result)).toContain("Tools: whoami.");
      expect(toolkit.has(name)).toBe(false);
      expect(toolkit.outputSchema(name)).toBeUndefined();
    },
  );

  it("may be that of an object's method", async () => {
    const { toolkit } = openToolWorld([tool(() => "mine indeed", { name: "constructor" })]);
    expect(textIn(await toolkit.call("constructor"))).toBe("mine indeed");
  });

  it.each(["__proto__", "", "two words", "a/b", "naïve", "x".repeat(65)])("cannot be %j", (name) => {
    expect(() => createCatalog([{ ...whoami, name }])).toThrow(/is no tool name/);
  });

  it("can be had once", () => {
    expect(() => createCatalog([whoami, whoami])).toThrow(
      'Two tools are named "whoami"; rename one of them.',
    );
  });
});
