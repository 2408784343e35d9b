import { connect } from "node:net";
import fc from "fast-check";
import { expect, it } from "vitest";
import { eventually } from "../harness.ts";
import { type Answer, bearer, INITIALIZE, modernRequest, openAgent, openCaller, send } from "./caller.ts";
import { LEGACY, MODERN, type Served, serve } from "./harness.ts";

const SECRET = "The safe opens to swordfish.";
const METHODS = [
  "initialize",
  "ping",
  "tools/list",
  "tools/call",
  "resources/read",
  "resources/list",
  "resources/subscribe",
  "server/discover",
  "subscriptions/listen",
  "prompts/get",
  "completion/complete",
  "logging/setLevel",
  "notifications/cancelled",
  "notifications/initialized",
  "__proto__",
  "",
];
const TOOLS = ["whoami", "save_fact", "recall_facts", "forget_fact", "schedule_task", "list_jobs", "get_run"];

const value = fc.jsonValue({ maxDepth: 4 });
const key = fc.constantFrom(
  "query",
  "fact",
  "limit",
  "cursor",
  "job_id",
  "cron",
  "__proto__",
  "constructor",
  "toString",
  "valueOf",
  "toJSON",
  "name",
);
const args = fc.oneof(value, fc.dictionary(fc.oneof(key, fc.string()), value, { maxKeys: 8 }));
const params = fc.oneof(
  value,
  fc.record({ name: fc.oneof(fc.constantFrom(...TOOLS), fc.string(), args), arguments: args }),
  fc.record({
    uri: fc.oneof(fc.constantFrom("job://x", "fact://", "run://../x"), fc.webUrl(), fc.string(), args),
  }),
  fc.record({ notifications: args, _meta: args }),
);
const message = fc.record(
  {
    jsonrpc: fc.oneof({ weight: 5, arbitrary: fc.constant("2.0") }, value),
    id: fc.oneof(fc.integer(), fc.string(), value),
    method: fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...METHODS) }, fc.string()),
    params,
  },
  { requiredKeys: [] },
);
const body = fc.oneof(
  { weight: 6, arbitrary: message.map((one) => JSON.stringify(one)) },
  { weight: 1, arbitrary: fc.array(message, { maxLength: 5 }).map((many) => JSON.stringify(many)) },
  {
    weight: 2,
    arbitrary: fc.tuple(message, fc.nat(200)).map(([one, at]) => JSON.stringify(one).slice(0, at)),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 400 }) },
);
/** Header values that Node's own client lets through; the raw sockets below send the others. */
const text = fc.string({
  unit: fc
    .integer({ min: 0x20, max: 0xff })
    .filter((c) => c !== 0x7f)
    .map((c) => String.fromCharCode(c)),
  maxLength: 60,
});
const headers = fc.record(
  {
    "mcp-protocol-version": fc.oneof(fc.constantFrom(MODERN, LEGACY, "2024-11-05", "2099-01-01"), text),
    "mcp-method": fc.oneof(fc.constantFrom(...METHODS), text),
    "mcp-name": fc.oneof(fc.constantFrom(...TOOLS), text),
    "mcp-session-id": text,
    "last-event-id": text,
    accept: fc.oneof(fc.constantFrom("application/json, text/event-stream", "*/*", "text/html"), text),
    "content-type": fc.oneof(fc.constantFrom("application/json", "application/json; charset=utf-7"), text),
    "content-encoding": fc.constantFrom("gzip", "br", "identity", "zstd"),
  },
  { requiredKeys: [] },
);

/** Sends a request and gives up soon, because it may open a stream. */
async function attempt(url: string, ask: Parameters<typeof send>[2], agent: ReturnType<typeof openAgent>) {
  const signal = AbortSignal.timeout(400);
  return send(agent, url, { ...ask, signal }).catch((error: Error) => {
    if (/abort|timeout/i.test(`${error.name} ${error.message}`)) return undefined;
    throw error;
  });
}

function assertClean(answer: Answer | undefined): void {
  if (!answer) return;
  expect(answer.status).toBeLessThan(500);
  expect(answer.text).not.toMatch(/swordfish|node_modules|nightshift-test|\bat async|\/src\/|SQLITE/);
}

/** Checks that a good call is answered, and that no call is left running. */
async function assertWell(server: Served, token: string): Promise<void> {
  const caller = await openCaller("modern", server, token);
  expect((await caller.call("whoami")).structuredContent.user_id).toBe("mallory");
  const at = async (name: string) => {
    const metrics = await send(openAgent(), `${server.base}/metrics`, { method: "GET" });
    return Number(new RegExp(`^nightshift_${name} (\\d+)`, "m").exec(metrics.text)?.[1]);
  };
  await eventually(async () => (await at("calls")) === 0 && (await at("subscriptions")) === 0);
  // Nothing is open now but the sessions that good initializes opened.
  await eventually(async () => server.app.connectionDeps.open.size === (await at("sessions")));
  expect(server.lines.filter(({ level }) => Number(level) >= 50)).toEqual([]);
}

async function prepare() {
  const server = await serve({ maxSessions: 500, sse: true });
  const alice = await openCaller("modern", server, await server.key("alice"));
  await alice.call("save_fact", { fact: SECRET });
  return { server, token: await server.key("mallory"), agent: openAgent(16) };
}

it("any body under any headers is answered without a crash, a hang or a leak", async () => {
  const { server, token, agent } = await prepare();
  const legacy = await openCaller("legacy", server, token, agent);
  const session = { "mcp-session-id": String(legacy.sessionId) };
  const property = fc.asyncProperty(
    fc.constantFrom("POST", "POST", "POST", "GET", "DELETE", "PUT", "OPTIONS", "PATCH"),
    fc.constantFrom("/mcp", "/mcp", "/mcp", "/messages?sessionId=x", "/mcp?x=%00", "//mcp", "/mcp/../mcp"),
    body,
    headers,
    fc.constantFrom({}, session),
    async (method, path, sent, extra, inSession) => {
      if (method === "DELETE" && inSession === session) return;
      const all = { ...extra, ...inSession, ...bearer(token) } as Record<string, string>;
      const isRead = method !== "GET" && method !== "OPTIONS";
      const ask = { method, headers: all, ...(isRead && sent.length > 0 && { body: sent }) };
      assertClean(await attempt(server.base + path, ask, agent));
    },
  );
  await fc.assert(property, { numRuns: 600, interruptAfterTimeLimit: 20_000, endOnFailure: true });
  await assertWell(server, token);
}, 60_000);

it("well-formed modern calls with any arguments are answered without a crash, a hang or a leak", async () => {
  const { server, token, agent } = await prepare();
  const property = fc.asyncProperty(fc.constantFrom(...TOOLS), args, async (name, given) => {
    const ask = modernRequest(token, "tools/call", { name, arguments: given });
    const answer = await attempt(server.url, ask, agent);
    assertClean(answer);
    expect(answer?.messages).toHaveLength(1);
  });
  await fc.assert(property, { numRuns: 400, interruptAfterTimeLimit: 15_000, endOnFailure: true });
  await assertWell(server, token);
}, 60_000);

it("any bytes on the socket are survived, and so are requests that stop in the middle", async () => {
  const { server, token } = await prepare();
  const port = Number(new URL(server.base).port);
  const head = `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n`;
  const start = fc.constantFrom(
    "",
    head,
    `${head}Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{"jsonrpc":`,
    `${head}Transfer-Encoding: chunked\r\n\r\nffffffff\r\n`,
    `${head}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n`,
    "TRACE /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET http://evil.example/mcp HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    `${head.replace("POST", "TRACE")}\r\n`,
  );
  const property = fc.asyncProperty(start, fc.uint8Array({ maxLength: 300 }), (first, rest) => {
    return new Promise<void>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.write(first);
        socket.write(rest);
        setTimeout(() => socket.destroy(), 15);
      });
      socket.on("error", () => {});
      socket.on("data", (data) => expect(data.toString("latin1")).not.toMatch(/^HTTP\/1.1 5/));
      socket.once("close", () => resolve());
    });
  });
  await fc.assert(property, { numRuns: 250, interruptAfterTimeLimit: 12_000, endOnFailure: true });
  await assertWell(server, token);
}, 60_000);

it("an initialize of any shape opens a session or nothing", async () => {
  const { server, token, agent } = await prepare();
  const property = fc.asyncProperty(
    value,
    value,
    value,
    async (protocolVersion, capabilities, clientInfo) => {
      const given = { protocolVersion, capabilities, clientInfo };
      const good = INITIALIZE.params as Record<string, unknown>;
      for (const name of Object.keys(good)) {
        const body = { ...INITIALIZE, params: { ...good, [name]: given[name as keyof typeof given] } };
        assertClean(await attempt(server.url, { headers: bearer(token), body }, agent));
      }
    },
  );
  await fc.assert(property, { numRuns: 60, interruptAfterTimeLimit: 10_000, endOnFailure: true });
  await assertWell(server, token);
}, 60_000);
