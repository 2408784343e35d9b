import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { startServer } from "../child-process.ts";
import { eventually, tempDir } from "../harness.ts";

const WAITING = new URL("../http/modules/waiting.ts", import.meta.url).pathname;

async function open(env: Record<string, string>, tools = WAITING) {
  const data = await tempDir();
  const server = await startServer(["--data", data, "--user", "alice", "--tools", tools], { env });
  // biome-ignore lint/suspicious/noExplicitAny: whatever came over the wire
  const ask = (method: string, params: object = {}) => server.request(method, params) as Promise<any>;
  const wait = (ms: number) => ask("tools/call", { name: "wait", arguments: { ms, word: "w" } });
  return { server, ask, wait };
}

it("stdio refuses what HTTP refuses: names and URIs that are too long, and JSON that is too deep", async () => {
  const { ask, server } = await open({ NIGHTSHIFT_MAX_JSON_DEPTH: "10" });
  const deep = (levels: number): object => (levels === 0 ? {} : { a: deep(levels - 1) });
  for (const [method, params, why] of [
    ["resources/subscribe", { uri: `job://${"x".repeat(3_000)}` }, /at most 2048 bytes/],
    ["tools/call", { name: "whoami", arguments: {}, _meta: { progressToken: "x".repeat(2_000) } }, /token/],
    ["tools/list", { cursor: "x".repeat(2_000) }, /cursor/],
    ["tools/call", { name: "whoami", arguments: deep(12) }, /too deep/],
    ["tools/call", { name: "whoami", arguments: { a: Array(110_000).fill(0) } }, /too many values/],
  ] as const) {
    const { error } = await ask(method, params);
    expect(error).toMatchObject({ code: -32_600, message: expect.stringMatching(why) });
  }
  expect(await server.call("whoami")).toMatchObject({ user_id: "alice" });
});

it("stdio has so many calls open as HTTP, counts those that were cancelled until they end, and serves the next", async () => {
  const { ask, wait, server } = await open({ NIGHTSHIFT_MAX_CALLS_AT_ONCE: "2" });
  const open2 = [wait(600_000), wait(600_000)];
  const refused = await ask("tools/list");
  expect(refused.error).toMatchObject({ code: -32_000, message: expect.stringMatching(/too many calls/) });
  const cancelled = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 2 } };
  server.write(`${JSON.stringify(cancelled)}\n`);
  await eventually(async () => (await ask("tools/list")).result?.tools);
  for (const one of open2) one.catch(() => {});
});

it("stdio logs a tool that holds up the event loop, by its name", async () => {
  const file = join(await tempDir(), "spin.mjs");
  await writeFile(
    file,
    `export const spin = { name: "spin", description: "Spins", inputSchema: { type: "object" }, create: () => ({
      run() { const end = performance.now() + 600; while (performance.now() < end); return "spun"; } }) };`,
  );
  const { ask, server } = await open({}, file);
  expect((await ask("tools/call", { name: "spin", arguments: {} })).result.content[0].text).toBe("spun");
  await server.until(() => /"at_work":\[[^\]]*"spin"/.exec(server.stderr())?.[0]);
});
