import fc from "fast-check";
import { expect, it, onTestFinished } from "vitest";
import { eventually } from "../harness.ts";
import { type Ask, modernRequest, openAgent, openCaller, type Params } from "./caller.ts";
import { LEGACY, listen, MODERN, serve } from "./harness.ts";
import { serveBoth } from "./lanes.ts";
import { tools } from "./modules/results.ts";

const RESULTS = new URL("modules/results.ts", import.meta.url).pathname;
const call = (name: string, args?: unknown, more: Params = {}): Ask =>
  modernRequest(undefined, "tools/call", { name, ...(args !== undefined && { arguments: args }), ...more });
const list = (params: Params = {}): Ask => modernRequest(undefined, "tools/list", params);

/** Calls that the direct lane serves, one after the other. */
const PLAIN: Ask[] = [
  list(),
  call("whoami"),
  call("whoami", {}),
  call("whoami", { odd: 1 }),
  call("save_fact", { fact: "Alice's cat is called Tom." }),
  call("save_fact", { fact: "Alice's cat is called Tom." }),
  call("save_fact", { fact: 5 }),
  call("save_fact"),
  call("recall_facts", { query: "cat" }),
  call("recall_facts", { query: "cat", nested: JSON.parse('{"__proto__":1}') }),
  call("forget_fact", { fact_id: "none" }),
  call("schedule_task", {
    tool: { name: "current_time", arguments: {} },
    every_seconds: 3_600,
    name: "later",
  }),
  call("schedule_task", { prompt: "x", cron: "odd" }),
  call("list_jobs", {}),
  call("get_run", { run_id: "none" }),
  call("echo", { value: { "": [null, true, "\u2028"] } }),
  call("strict", {}),
  call("tells", {}),
  { ...list(), headers: { ...list().headers, accept: "application/json", "mcp-name": "odd", "x-odd": "1" } },
  {
    ...call("whoami"),
    headers: { ...call("whoami").headers, "content-type": "application/json; charset=utf-8" },
  },
];

const without = (ask: Ask, ...names: string[]): Ask => ({
  ...ask,
  headers: Object.fromEntries(Object.entries(ask.headers ?? {}).filter(([name]) => !names.includes(name))),
});
const withHeaders = (ask: Ask, headers: Record<string, string>): Ask => ({
  ...ask,
  headers: { ...ask.headers, ...headers },
});
const withBody = (ask: Ask, fields: object): Ask => ({
  ...ask,
  body: { ...(ask.body as object), ...fields },
});

const META = (list().body as { params: { _meta: Record<string, unknown> } }).params._meta;
const withMeta = (ask: Ask, _meta: unknown): Ask => {
  const { params } = ask.body as { params: object };
  return withBody(ask, { params: { ...params, _meta } });
};
const metaWithout = (name: string) =>
  Object.fromEntries(Object.entries(META).filter(([key]) => key !== name));

/** Each is one step away from what the direct lane serves. */
const nearMisses = (ask: Ask): Ask[] => [
  ...["mcp-method", "mcp-protocol-version", "mcp-name"].flatMap((name) => [
    without(ask, name),
    ...["", "odd", " tools/list ", "TOOLS/CALL", MODERN, LEGACY, "=?base64?d2hvYW1p?=", "whoami, whoami"].map(
      (value) => withHeaders(ask, { [name]: value }),
    ),
  ]),
  without(ask, "mcp-method", "mcp-protocol-version", "mcp-name"),
  withHeaders(ask, { "content-type": "text/plain" }),
  withHeaders(ask, { "content-encoding": "gzip" }),
  withHeaders(ask, { "mcp-session-id": "none" }),
  withHeaders(ask, { accept: "text/html" }),
  ...[null, 1.5, 1e300, true, [], {}, undefined].map((id) => withBody(ask, { id })),
  ...["", "a", -1, 0, 2 ** 53, '"\u2028'].map((id) => withBody(ask, { id })),
  ...["1.0", 2, null, undefined].map((jsonrpc) => withBody(ask, { jsonrpc })),
  ...["tools/get", "", null, 5, "__proto__", undefined].map((method) => withBody(ask, { method })),
  ...[null, [], "odd", undefined, {}].map((params) => withBody(ask, { params })),
  withBody(ask, { more: 1 }),
  withBody(ask, { result: {} }),
  { ...ask, body: [ask.body] },
  { ...ask, body: [] },
  { ...ask, body: JSON.stringify(ask.body).replace("{", '{"__proto__":{"id":5},') },
  { ...ask, body: JSON.stringify(ask.body).slice(0, -1) },
  ...["GET", "PUT", "DELETE"].map((method) => ({ ...ask, method })),
  ...[undefined, null, [], "odd", {}, { progressToken: 1 }].map((meta) => withMeta(ask, meta)),
  ...Object.keys(META).map((name) => withMeta(ask, metaWithout(name))),
  ...Object.keys(META).flatMap((name) =>
    [null, "odd", LEGACY, [], { sampling: 5 }, { name: 5 }].map((value) =>
      withMeta(ask, { ...META, [name]: value }),
    ),
  ),
  withMeta(ask, { ...META, progressToken: "t" }),
  withMeta(ask, { ...META, progressToken: {} }),
  withMeta(ask, { ...META, "io.modelcontextprotocol/logLevel": "debug" }),
  withMeta(ask, { ...META, "io.modelcontextprotocol/logLevel": "odd" }),
  withMeta(ask, { ...META, "io.modelcontextprotocol/related-task": { taskId: 5 } }),
  withMeta(ask, { ...META, traceparent: "00-1-2-01", odd: { deep: ["x".repeat(5_000)] } }),
];

const CALLS: Ask[] = [
  ...[null, [], "odd", 5, true].map((args) => call("whoami", args)),
  {
    ...call("whoami"),
    body: JSON.stringify(call("whoami", {}).body).replace('"arguments":{', '"arguments":{"__proto__":1'),
  },
  ...[undefined, null, 5, {}, "none", "toString", "__proto__", ""].map((name) =>
    modernRequest(undefined, "tools/call", { name, arguments: {} }),
  ),
  call("whoami", {}, { task: { ttl: 5 } }),
  call("whoami", {}, { requestState: "odd" }),
  call("whoami", {}, { inputResponses: { a: {} } }),
  list({ cursor: "odd" }),
  list({ name: "whoami" }),
  modernRequest(undefined, "server/discover"),
  modernRequest(undefined, "ping"),
  modernRequest(undefined, "resources/list"),
  modernRequest(undefined, "prompts/get", { name: "none" }),
  modernRequest(undefined, "initialize"),
];

it("a plain call is answered as the SDK answers it, and without the SDK", async () => {
  const { compare, direct } = await serveBoth({ tools: [RESULTS] });
  for (const who of ["alice", "reader"] as const)
    for (const ask of PLAIN) {
      const { bySdk } = await compare(ask, who);
      expect(bySdk, JSON.stringify(ask)).toBe(false);
    }
  expect(direct.server.app.connectionDeps.open.size).toBe(0);
}, 60_000);

it("whatever is a step away from a plain call is answered as the SDK answers it", async () => {
  const { compare, direct } = await serveBoth({ tools: [RESULTS] });
  for (const ask of [...nearMisses(list()), ...nearMisses(call("whoami", {})), ...CALLS])
    for (const who of ["alice", "reader"] as const) await compare(ask, who);
  expect(direct.server.app.connectionDeps.open.size).toBe(0);
}, 120_000);

it("any result of a user's tool is answered as the SDK answers it", async () => {
  const { compare, direct, sdk } = await serveBoth({ tools: [RESULTS] });
  for (const { name } of tools) await compare(call(name));
  await eventually(async () => direct.server.app.connectionDeps.open.size === 0);
  const failures = [direct, sdk].map(({ server }) =>
    server.lines.filter(({ level }) => Number(level) >= 50).map(({ msg, tool }) => [msg, tool]),
  );
  expect(failures[0]).toEqual(failures[1]);
}, 60_000);

it("a request that is left to the SDK follows no events, and its own change is no part of its answer", async () => {
  const server = await serve();
  const { connectionDeps } = server.app;
  let followed = 0;
  const subscribe: typeof connectionDeps.events.subscribe = (...given) => {
    followed += 1;
    return connectionDeps.events.subscribe(...given);
  };
  const deps = { ...connectionDeps, events: { ...connectionDeps.events, subscribe } };
  const { url } = await listen(server.app, { direct: false, connectionDeps: deps });
  const caller = await openCaller("modern", { url: `${url}/mcp` }, await server.key("alice"));
  const saved = await caller.send("tools/call", { name: "save_fact", arguments: { fact: "Tea is ready." } });
  expect(saved.headers["content-type"]).toBe("application/json");
  expect(saved.messages[0].result.structuredContent.status).toBe("saved");
  expect(followed).toBe(0);
});

it("a good call makes no error, not even when its connection is closed", async () => {
  const server = await serve();
  const agent = openAgent();
  const caller = await openCaller("modern", server, await server.key("alice"), agent);
  await caller.call("whoami");
  const made: unknown[] = [];
  const { Error: Original } = globalThis;
  class CountedError extends Original {
    constructor(...given: ConstructorParameters<typeof Original>) {
      super(...given);
      made.push(given[0]);
    }
  }
  onTestFinished(() => {
    globalThis.Error = Original;
  });
  globalThis.Error = CountedError as ErrorConstructor;
  for (let i = 0; i < 3; i++) await caller.call("whoami");
  agent.destroy();
  await eventually(async () => server.app.connectionDeps.held.total === 0);
  expect(made).toEqual([]);
});

it("a module's tool with the name of a built-in one is warned of once, not at each request", async () => {
  const server = await serve({ tools: [new URL("modules/impostor.ts", import.meta.url).pathname] });
  const caller = await openCaller("modern", server, await server.key("alice"));
  for (let i = 0; i < 3; i++) expect((await caller.send("tools/list")).status).toBe(200);
  const warnings = server.lines.filter(({ tool, level }) => tool === "whoami" && level === 40);
  expect(warnings).toHaveLength(1);
});

it("any request is answered by both in the same way", async () => {
  const { compare, direct } = await serveBoth({ tools: [RESULTS] });
  const value = fc.jsonValue({ maxDepth: 3 });
  const asks = [list(), call("whoami", {}), call("echo", { value: 1 }), call("save_fact", { fact: "a" })];
  const name = fc.constantFrom(
    "jsonrpc",
    "id",
    "method",
    "params",
    "name",
    "arguments",
    "_meta",
    "__proto__",
  );
  const change = fc.record({
    at: fc.nat(20),
    key: fc.oneof(name, fc.string(), fc.constantFrom(...Object.keys(META))),
    value,
  });
  const property = fc.asyncProperty(
    fc.constantFrom(...asks),
    fc.array(change, { maxLength: 2 }),
    fc.constantFrom({}, {}, {}, { "mcp-method": "tools/call" }, { "mcp-name": "echo" }),
    async (ask, changes, headers) => {
      const body = JSON.parse(JSON.stringify(ask.body));
      for (const { at, key, value } of changes) {
        const places = [body, body.params, body.params?._meta, body.params?.arguments];
        const place = places[at % places.length];
        if (typeof place === "object" && place !== null)
          Object.defineProperty(place, key, { value, enumerable: true, configurable: true, writable: true });
      }
      await compare(withHeaders({ ...ask, body }, headers));
    },
  );
  await fc.assert(property, { numRuns: 500, interruptAfterTimeLimit: 20_000, endOnFailure: true });
  await eventually(async () => direct.server.app.connectionDeps.open.size === 0);
}, 60_000);
