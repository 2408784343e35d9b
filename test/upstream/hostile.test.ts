// Its import opens stdin: before a test is watched for what it leaves open.
import "@modelcontextprotocol/server";
import { describe, expect, it, onTestFinished } from "vitest";
import { MAX_BLOCKS, MAX_MESSAGE_BYTES, MAX_TOOLS } from "../../src/upstream/incoming.ts";
import { openUpstreams } from "../../src/upstream/open.ts";
import { overHttp, startHostile } from "./servers.ts";

const NEVER = new AbortController().signal;

async function openHostile(answers: Readonly<Record<string, unknown>>) {
  const web = await startHostile(answers);
  const log = { debug: () => {}, warn: () => {} };
  const upstreams = openUpstreams([overHttp("web", web.url)], {
    grants: ["web__*"],
    userKey: "a".repeat(64),
    log,
    connectMs: 15_000,
  });
  onTestFinished(upstreams.close);
  return {
    asked: web.asked,
    list: () => upstreams.list(NEVER),
    call: (tool = "web__x") => upstreams.call(tool, {}, NEVER),
  };
}

const listing = (...tools: readonly object[]) => ({
  tools: tools.map((tool) => ({ name: "x", inputSchema: { type: "object" }, ...tool })),
});

describe("an upstream server's output schema", () => {
  it.each([
    ["that the answer does not match", { type: "object", properties: { v: { type: "number" } } }],
    ["with a pattern that takes for ever", { type: "object", properties: { v: { pattern: "^(a+)+$" } } }],
    ["that cannot be compiled", { type: "object", properties: { v: { pattern: "(" } } }],
    ["of a dialect that nobody knows", { $schema: "urn:x", type: "object", $ref: "urn:nowhere" }],
    ["that is no schema", 7],
  ])("%s is not looked at", async (_what, outputSchema) => {
    const v = `${"a".repeat(60)}!`;
    const server = await openHostile({
      "tools/list": listing({ outputSchema }),
      "tools/call": { content: [{ type: "text", text: "here" }], structuredContent: { v } },
    });
    expect(await server.call()).toEqual({ text: "here", structured: { v }, isError: false });
  });

  it("does not make an answer without structured content a failure", async () => {
    const server = await openHostile({
      "tools/list": listing({ outputSchema: { type: "object" } }),
      "tools/call": { content: [{ type: "text", text: "here" }] },
    });
    expect(await server.call()).toEqual({ text: "here", isError: false });
  });
});

describe("what a server sends", () => {
  it("is cut to a number of parts before anything validates it", async () => {
    const content = [{ type: "text", text: "first" }, ...Array(100_000).fill({ type: "no such type" })];
    const server = await openHostile({ "tools/list": listing({}), "tools/call": { content } });
    const { text } = await server.call();
    const lines = text.split("\n");
    expect(lines).toHaveLength(MAX_BLOCKS + 1);
    expect(lines.slice(0, 2)).toEqual(["first", "[no such type content]"]);
    expect(lines.at(-1)).toBe(`[${100_001 - MAX_BLOCKS} more parts]`);
  });

  it.each([[null], ["text"], [[1, 2]], [{}], [{ type: 7 }], [{ type: "resource", resource: null }]])(
    "may hold the part %j",
    async (part) => {
      const server = await openHostile({
        "tools/list": listing({}),
        "tools/call": { content: [part, { type: "text", text: "after" }] },
      });
      expect(await server.call()).toMatchObject({ text: expect.stringMatching(/\nafter$/), isError: false });
    },
  );

  it("is refused when it is too long", async () => {
    const server = await openHostile({
      "tools/list": listing({}),
      "tools/call": { content: [{ type: "text", text: "x".repeat(MAX_MESSAGE_BYTES) }] },
    });
    expect(await server.call()).toMatchObject({
      isError: true,
      text: expect.stringMatching(/^web__x failed/),
    });
  });

  it("is read page by page, for a number of tools and of pages", async () => {
    const tools = Array.from({ length: 5 }, (_, i) => ({ name: `x${i}`, inputSchema: { type: "object" } }));
    const endless = await openHostile({ "tools/list": { tools, nextCursor: "again" } });
    expect((await endless.list()).notes).toContainEqual(
      expect.stringMatching(/^web has more tools than are read; the first 5/),
    );
    expect(endless.asked.filter((method) => method === "tools/list")).toHaveLength(20);

    const many = await openHostile({
      "tools/list": listing(...Array.from({ length: MAX_TOOLS + 100 }, (_, i) => ({ name: `x${i}` }))),
    });
    expect((await many.list()).tools).toHaveLength(MAX_TOOLS);
  });

  it("as a list may hold entries that are no tools; the others are there", async () => {
    const server = await openHostile({
      "tools/list": { tools: [null, 7, {}, { name: "y" }, { name: "x", inputSchema: { type: "object" } }] },
    });
    expect((await server.list()).tools.map(({ name }) => name)).toEqual(["web__x"]);
  });
});
