import { describe, expect, it } from "vitest";
import { eventually } from "../harness.ts";
import {
  bearer,
  ERAS,
  INITIALIZE,
  modernRequest,
  openAgent,
  openCaller,
  openStream,
  send,
} from "./caller.ts";
import { serve } from "./harness.ts";

const WAITING = new URL("modules/waiting.ts", import.meta.url).pathname;
const ping = { jsonrpc: "2.0", id: 1, method: "ping" };

describe.each(ERAS)("one principal at its limit, %s era", (era) => {
  it("of calls a second is told when to try again; then it may, and others never noticed", async () => {
    const server = await serve({ callsPerSecond: 20 });
    const bystander = await openCaller(era, server, await server.key("carol"));
    const caller = await openCaller(era, server, await server.key("bob"));
    const answers = await Promise.all(Array.from({ length: 60 }, () => caller.send("tools/list")));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThanOrEqual(20);
    expect(refused.length).toBeLessThan(60);
    for (const { headers, messages } of refused) {
      expect(Number(headers["retry-after"])).toBeGreaterThanOrEqual(1);
      expect(messages[0].error.message).toMatch(/^Too many calls; try again in \d+ s\.$/);
    }
    const unharmed = await Promise.all(Array.from({ length: 10 }, () => bystander.send("tools/list")));
    expect(unharmed.map(({ status }) => status)).toEqual(Array(10).fill(200));
    const seconds = Number(refused[0]?.headers["retry-after"]);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000 + 50));
    expect((await caller.send("tools/list")).status).toBe(200);
  });

  it("of calls at once may make the next one when one has ended", async () => {
    const server = await serve({ maxCallsAtOnce: 3, tools: [WAITING], shutdownSeconds: 0 });
    const caller = await openCaller(era, server, await server.key("bob"));
    const bystander = await openCaller(era, server, await server.key("carol"));
    // The first call reads the key and opens the database.
    expect((await caller.send("tools/list")).status).toBe(200);
    const leave = new AbortController();
    const params = (ms: number) => ({
      name: "wait",
      arguments: { ms, word: "x" },
      _meta: { progressToken: 1 },
    });
    const held = [10, 11, 12].map((id) => {
      const asked = caller.send("tools/call", params(id === 10 ? 4_000 : 20_000), {
        id,
        signal: leave.signal,
      });
      return asked.then(
        ({ status }) => status,
        () => "left",
      );
    });
    await eventually(async () => (await caller.send("ping")).status === 429);
    expect((await bystander.call("whoami")).structuredContent.user_id).toBe("carol");
    const [refused] = await Promise.all([caller.send("ping")]);
    expect(refused?.headers["retry-after"]).toBe("1");
    expect(await held[0]).toBe(200);
    await eventually(async () => (await caller.send("tools/list")).status === 200);
    leave.abort();
    expect(await Promise.all(held)).toEqual([200, "left", "left"]);
    await eventually(async () => (await caller.send("tools/list")).status === 200);
  });

  it("of open streams opens one more when one is closed", async () => {
    const server = await serve({ maxSubscriptions: 2 });
    const [key, other] = [await server.key("bob"), await server.key("carol")];
    const callers = await Promise.all([1, 2, 3].map(() => openCaller(era, server, key)));
    const streams = [];
    for (const caller of callers) streams.push(await caller.listen(["job://x"]));
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect((await (await openCaller(era, server, other)).listen(["job://x"])).status).toBe(200);
    streams[0]?.close();
    await eventually(async () => (await callers[0]?.listen(["job://x"]))?.status === 200);
    // A stream of the 2026 era keeps no context; in the 2025 era the four sessions do.
    await eventually(async () => server.app.connectionDeps.open.size === (era === "modern" ? 0 : 4));
  });
});

describe("a call that outlives its response", () => {
  const wait = (id: number) => ({
    jsonrpc: "2.0",
    id,
    method: "tools/call",
    params: { name: "wait", arguments: { ms: 20_000, word: "x" }, _meta: { progressToken: id } },
  });
  const cancel = (requestId: number) => ({
    jsonrpc: "2.0",
    method: "notifications/cancelled",
    params: { requestId },
  });

  it("is still running when its session's caller has left, until it is cancelled or the session ends", async () => {
    const server = await serve({ maxCallsAtOnce: 2, tools: [WAITING] });
    const key = await server.key("bob");
    const agent = openAgent();
    const { sessionId } = await openCaller("legacy", server, key);
    const headers = { ...bearer(key), "mcp-session-id": String(sessionId) };
    for (const id of [5, 6]) (await openStream(agent, server.url, { headers, body: wait(id) })).close();
    const ask = async (body: object, method = "POST") =>
      (await send(agent, server.url, { method, headers, ...(method === "POST" && { body }) })).status;
    await new Promise((resolve) => setTimeout(resolve, 100));
    const other = await openCaller("modern", server, key).then((caller) => caller.send("tools/list"));
    expect([other.status, await ask(ping)]).toEqual([429, 429]);
    // Requests that end calls must be accepted even then.
    expect(await ask(cancel(5))).toBe(202);
    await eventually(async () => (await ask(ping)) === 200);
    expect(await ask({}, "DELETE")).toBe(200);
    const fresh = await openCaller("legacy", server, key);
    await Promise.all([fresh.send("ping", {}, { id: 1 }), fresh.send("ping", {}, { id: 2 })]);
  });

  it("is still running on HTTP+SSE too, where its POST was answered at once", async () => {
    const server = await serve({ maxCallsAtOnce: 2, tools: [WAITING], sse: true });
    const key = await server.key("bob");
    const agent = openAgent();
    const stream = await openStream(agent, `${server.base}/sse`, { method: "GET", headers: bearer(key) });
    await eventually(async () => stream.messages.length > 0);
    const post = async (body: object) =>
      (await send(agent, server.base + stream.messages[0], { headers: bearer(key), body })).status;
    expect(
      await post({ ...INITIALIZE, params: { ...INITIALIZE.params, protocolVersion: "2024-11-05" } }),
    ).toBe(202);
    await eventually(async () => stream.messages.length > 1);
    expect([await post(wait(5)), await post(wait(6)), await post(ping)]).toEqual([202, 202, 429]);
    expect(await post(cancel(6))).toBe(202);
    await eventually(async () => (await post(ping)) === 202);
    stream.close();
    await eventually(
      async () => (await openCaller("modern", server, key).then((c) => c.send("ping"))).status !== 429,
    );
    expect(server.app.connectionDeps.open.size).toBe(0);
  });
});

describe("a batch", () => {
  it("counts as many calls as it has, and may not be endless", async () => {
    const server = await serve({ callsPerSecond: 30, maxCallsAtOnce: 10 });
    const key = await server.key("bob");
    const { sessionId } = await openCaller("legacy", server, key);
    const headers = { ...bearer(key), "mcp-session-id": String(sessionId) };
    const agent = openAgent();
    const batch = (size: number) => Array.from({ length: size }, (_, id) => ({ ...ping, id }));
    const post = async (size: number) =>
      (await send(agent, server.url, { headers, body: batch(size) })).status;
    expect(await post(8)).toBe(200);
    expect(await post(11)).toBe(429);
    expect(await post(51)).toBe(400);
    expect(await post(20)).toBe(429);
  });

  it("with more calls than a second may have is refused, because it could never pass", async () => {
    const server = await serve({ callsPerSecond: 5 });
    const key = await server.key("bob");
    const post = (size: number) => {
      const body = Array.from({ length: size }, (_, id) => ({ ...ping, id }));
      return send(openAgent(), server.url, { headers: bearer(key), body });
    };
    const { status, messages } = await post(6);
    expect([status, messages[0].error.message]).toEqual([400, "A batch may have at most 5 messages here."]);
    expect((await post(2)).messages[0].error.message).toMatch(/Mcp-Session-Id/);
  });
});

describe("sessions", () => {
  it("are limited for each principal, on both transports together, and end with DELETE", async () => {
    const server = await serve({ maxSessions: 2, sse: true });
    const [key, other] = [await server.key("bob"), await server.key("carol")];
    const agent = openAgent();
    const first = await openCaller("legacy", server, key);
    const listening = await first.listen([]);
    const old = await openStream(agent, `${server.base}/sse`, { method: "GET", headers: bearer(key) });
    const third = await send(agent, server.url, { headers: bearer(key), body: INITIALIZE });
    expect([third.status, third.headers["retry-after"]]).toEqual([429, "5"]);
    expect(third.messages[0].error.message).toContain("too many open sessions");
    expect((await send(agent, `${server.base}/sse`, { method: "GET", headers: bearer(key) })).status).toBe(
      429,
    );
    await openCaller("legacy", server, other);
    listening.close();
    const session = { ...bearer(key), "mcp-session-id": String(first.sessionId) };
    expect((await send(agent, server.url, { method: "DELETE", headers: session })).status).toBe(200);
    await openCaller("legacy", server, key);
    old.close();
    await eventually(async () => {
      const { status } = await send(agent, server.url, { headers: bearer(key), body: INITIALIZE });
      return status === 200;
    });
  });

  it("end when nobody uses them, and not while a stream of theirs is open", async () => {
    const server = await serve({ sessionIdleSeconds: 1 });
    const key = await server.key("bob");
    const [idle, listening] = [
      await openCaller("legacy", server, key),
      await openCaller("legacy", server, key),
    ];
    await listening.listen([]);
    await eventually(async () => server.app.connectionDeps.open.size === 1);
    expect((await idle.send("ping")).status).toBe(404);
    expect((await listening.send("ping")).status).toBe(200);
  });

  it("are not left behind by an initialize that opens nothing", async () => {
    const server = await serve({ maxSessions: 2 });
    const key = await server.key("bob");
    const agent = openAgent();
    const bad = [
      { ...INITIALIZE, params: {} },
      { ...INITIALIZE, id: undefined },
      { ...INITIALIZE, jsonrpc: "1.0" },
      { ...INITIALIZE, params: { ...INITIALIZE.params, protocolVersion: 7 } },
      [INITIALIZE, INITIALIZE],
    ];
    for (let i = 0; i < 3; i++)
      for (const body of bad) {
        const { status, headers } = await send(agent, server.url, { headers: bearer(key), body });
        expect([400, 202]).toContain(status);
        expect(headers["mcp-session-id"]).toBeUndefined();
      }
    for (const accept of ["application/json", "text/html"]) {
      const { status } = await send(agent, server.url, {
        headers: { ...bearer(key), accept },
        body: INITIALIZE,
      });
      expect(status).toBe(406);
    }
    await eventually(async () => server.app.connectionDeps.open.size === 0);
    await openCaller("legacy", server, key);
  });
});

describe("a body", () => {
  const ask = async (options: object, body: string | Uint8Array, headers: Record<string, string> = {}) => {
    const server = await serve(options);
    const key = await server.key("bob");
    const { status, text } = await send(openAgent(), server.url, {
      headers: { ...bearer(key), ...headers },
      body,
    });
    // Whatever the response was, the next good call succeeds.
    const caller = await openCaller("modern", server, key);
    expect((await caller.call("whoami")).structuredContent.user_id).toBe("bob");
    return { status, text };
  };

  it("that is too large is refused, also when it does not say how large it is", async () => {
    const body = JSON.stringify({ ...ping, params: { x: "x".repeat(5_000) } });
    expect((await ask({ maxBodyBytes: 4_096 }, body)).status).toBe(413);
    expect((await ask({ maxBodyBytes: 4_096 }, body, { "transfer-encoding": "chunked" })).status).toBe(413);
  });

  it("that is nested too deep or has too many values is refused before it is parsed", async () => {
    const deep = (n: number) =>
      `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":${"[".repeat(n)}${"]".repeat(n)}}}`;
    expect(await ask({}, deep(100))).toMatchObject({
      status: 400,
      text: expect.stringContaining("too deep"),
    });
    expect((await ask({}, deep(200_000))).status).toBe(400);
    expect((await ask({}, `[${"0,".repeat(200_000)}0]`)).status).toBe(400);
    const inText = JSON.stringify({ ...ping, params: { x: '[{"\\'.repeat(500) } });
    expect((await ask({}, inText)).text).not.toContain("too deep");
  }, 30_000);

  it("with too many or unknown arguments is refused by its tool, in few words", async () => {
    const server = await serve();
    const caller = await openCaller("modern", server, await server.key("bob"));
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`argument_${i}`, i]));
    const { isError, content } = await caller.call("whoami", many);
    expect(isError).toBe(true);
    expect(content[0]?.text.length).toBeLessThan(2_000);
  });
});

it("a modern request whose headers and body disagree is refused", async () => {
  const server = await serve();
  const key = await server.key("bob");
  const good = modernRequest(key, "tools/call", { name: "whoami", arguments: {} });
  for (const headers of [{ "mcp-method": "tools/list" }, { "mcp-name": "save_fact" }, { "mcp-method": "" }]) {
    const all = { ...good.headers, ...headers } as Record<string, string>;
    const { status, text } = await send(openAgent(), server.url, { ...good, headers: all });
    expect(status).toBe(400);
    expect(text).toContain("-32020");
  }
});
