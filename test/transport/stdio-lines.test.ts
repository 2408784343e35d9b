import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { start } from "../child-process.ts";
import { databaseEnvironment } from "../database-url.ts";
import { CLI, tempDir } from "../harness.ts";
import { modernRequest } from "../http/caller.ts";

const request = (id: unknown, method: string, params?: object) => ({ jsonrpc: "2.0", id, method, params });
const call = (id: number, name: string, args: object = {}) =>
  request(id, "tools/call", { name, arguments: args });
const INITIALIZE = request(0, "initialize", {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "raw", version: "1" },
});
const lines = (messages: readonly unknown[]) => messages.map((message) => JSON.stringify(message)).join("\n");

/** Pipes a text into a stdio server. Resolves to its answers by id, and its exit code. */
async function pipe(text: string, given: { args?: readonly string[]; env?: Record<string, string> } = {}) {
  const args = ["--data", await tempDir(), "--user", "alice", ...(given.args ?? [])];
  const env = { ...(await databaseEnvironment(args)), ...given.env };
  const child = start([CLI, "stdio", ...args], { env });
  child.write(text);
  child.end();
  const { code } = await child.exited;
  const answers = child.lines().map((line) => JSON.parse(line));
  return { code, answers, of: (id: unknown) => answers.find((answer) => answer.id === id) };
}

/** A tool that answers after so many ms. */
async function slowTool(ms: number): Promise<readonly string[]> {
  const file = join(await tempDir(), "slow.mjs");
  const run = `() => new Promise((resolve) => setTimeout(resolve, ${ms}, "done"))`;
  await writeFile(file, `export const slow = { name: "slow", description: "Takes long.", run: ${run} };`);
  return ["--tools", file];
}

describe("a stdio server whose stdin ends", () => {
  it("answers what came before, the last line too, and keeps a fact that was piped into it", async () => {
    const args = await slowTool(300);
    const saved = call(2, "save_fact", { fact: "The cat is called Tom." });
    const { code, of } = await pipe(lines([INITIALIZE, call(1, "slow"), saved]), { args });
    expect(code).toBe(0);
    expect(of(1).result.content[0].text).toBe("done");
    expect(of(2).result.structuredContent.status).toBe("saved");
  });

  it("waits for no cancelled call, for no stream of changes, and for others only so long", async () => {
    const args = await slowTool(600_000);
    const cancelled = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } };
    const after = await pipe(lines([INITIALIZE, call(1, "slow"), cancelled]), { args });
    expect([after.code, after.of(1)]).toEqual([0, undefined]);
    const listen = modernRequest(undefined, "subscriptions/listen", { notifications: {} }).body;
    expect((await pipe(`${lines([listen])}\n`)).code).toBe(0);
    const env = { NIGHTSHIFT_SHUTDOWN_SECONDS: "1" };
    expect((await pipe(lines([INITIALIZE, call(1, "slow")]), { args, env })).code).toBe(0);
  });
});

describe("a line of stdin", () => {
  it("that is JSON and no message is told so, with its id", async () => {
    const odd = [
      { jsonrpc: "1.0", id: 1, method: "ping" },
      { id: "two", method: "ping" },
      { jsonrpc: "2.0", id: 3, method: 5 },
      { jsonrpc: "2.0", id: 4, method: "ping", params: [] },
      { jsonrpc: "2.0", id: {}, method: "ping" },
      [request(6, "ping")],
      "ping",
    ];
    const { answers, of } = await pipe(`${lines([INITIALIZE, ...odd, request(9, "ping")])}\nno JSON\n`);
    for (const id of [1, "two", 3, 4]) expect(of(id).error.code, String(id)).toBe(-32_600);
    expect(answers.filter(({ id }) => id === null).map(({ error }) => error.code)).toEqual([
      -32_600, -32_600, -32_600,
    ]);
    expect(of(9).result).toEqual({});
    expect(answers).toHaveLength(odd.length + 2);
  });

  it("may begin with a byte order mark, come in pieces, and end with CRLF", async () => {
    const args = ["--data", await tempDir()];
    const child = start([CLI, "stdio", ...args], { env: await databaseEnvironment(args) });
    const text = `\uFEFF${JSON.stringify(INITIALIZE)}\r\n${JSON.stringify(request("é", "ping"))}\r\n`;
    for (const byte of text) {
      child.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(JSON.parse(await child.line(0)).result.serverInfo.name).toBe("nightshift");
    expect(JSON.parse(await child.line(1))).toMatchObject({ id: "é", result: {} });
  });

  it("that names an unknown revision is refused, the first one and later ones", async () => {
    const claim = (id: number, version: string) =>
      modernRequest(
        undefined,
        "tools/list",
        { _meta: { "io.modelcontextprotocol/protocolVersion": version } },
        id,
      ).body;
    const asked = [
      claim(1, "2099-01-01"),
      claim(2, "2026-07-28"),
      claim(3, "2099-01-01"),
      claim(4, "2025-11-25"),
    ];
    const { of } = await pipe(`${lines(asked)}\n`);
    expect(of(2).result.tools.length).toBeGreaterThan(5);
    for (const [id, requested] of [
      [1, "2099-01-01"],
      [3, "2099-01-01"],
      [4, "2025-11-25"],
    ] as const)
      expect(of(id).error).toMatchObject({ code: -32_022, data: { supported: ["2026-07-28"], requested } });
  });

  it("with wrong parameters of a method of the protocol is told that they are", async () => {
    const asked: [string, object | undefined][] = [
      ["tools/call", { name: 5 }],
      ["tools/list", { cursor: 5 }],
      ["resources/read", {}],
      ["resources/subscribe", { uri: 5 }],
      ["prompts/get", undefined],
      ["completion/complete", { ref: {} }],
      ["logging/setLevel", { level: "odd" }],
      ["initialize", {}],
    ];
    const requests = asked.map(([method, params], i) => request(i + 1, method, params));
    const { answers } = await pipe(`${lines([INITIALIZE, ...requests])}\n`);
    const codes = answers.filter(({ id }) => id > 0).map(({ error }) => error?.code);
    expect(codes).toEqual(asked.map(() => -32_602));
  });
});
