import { describe, expect, it, onTestFinished, vi } from "vitest";
import { eventually } from "../harness.ts";
import {
  type Ask,
  bearer,
  ERAS,
  INITIALIZE,
  modernRequest,
  openAgent,
  openCaller,
  openStream,
  send,
} from "./caller.ts";
import { LEGACY, serve } from "./harness.ts";

const PING = { jsonrpc: "2.0", id: 7, method: "ping" };

describe("a page in a browser", () => {
  const preflight = (origin: string): Ask => ({
    method: "OPTIONS",
    headers: {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,content-type,mcp-session-id",
    },
  });

  it("of an allowed origin is told that it may ask, without a key, and may read the answer with its session", async () => {
    const server = await serve({ allowedHosts: ["app.example"], sse: true });
    const agent = openAgent();
    const origin = "https://app.example";
    for (const path of ["/mcp", "/mcp/", "/sse", "/messages?sessionId=x"]) {
      const { status, headers } = await send(agent, server.base + path, preflight(origin));
      expect([path, status]).toEqual([path, 204]);
      expect(headers).toMatchObject({
        "access-control-allow-origin": origin,
        "access-control-allow-methods": "GET, POST, DELETE",
        "access-control-allow-headers": "Authorization, *",
        vary: "Origin",
      });
    }
    const key = await server.key("bob");
    const asked = { body: INITIALIZE, headers: { ...bearer(key), origin } };
    const opened = await send(agent, server.url, asked);
    const refused = await send(agent, server.url, { ...asked, headers: { origin } });
    const plain = modernRequest(key, "tools/list");
    const listed = await send(agent, server.url, { ...plain, headers: { ...plain.headers, origin } });
    expect([opened.status, refused.status, listed.status]).toEqual([200, 401, 200]);
    for (const { headers } of [opened, refused, listed]) {
      expect(headers["access-control-allow-origin"]).toBe(origin);
      expect(headers["access-control-expose-headers"]).toMatch(/Mcp-Session-Id.*WWW-Authenticate/);
      expect(headers["access-control-allow-credentials"]).toBeUndefined();
    }
  });

  it("of another origin is told nothing", async () => {
    const server = await serve();
    const { status, headers } = await send(openAgent(), server.url, preflight("https://evil.example"));
    expect([status, headers["access-control-allow-origin"]]).toEqual([403, undefined]);
    const own = await send(openAgent(), server.url, {
      method: "OPTIONS",
      headers: bearer(await server.key("bob")),
    });
    expect(own.headers["access-control-allow-origin"]).toBeUndefined();
  });
});

describe("a client", () => {
  it.each(ERAS)(
    "may write a slash after /mcp, Accept in any case, and a byte order mark, %s era",
    async (era) => {
      const server = await serve();
      const key = await server.key("bob");
      const caller = await openCaller(era, { url: `${server.url}/` }, key);
      const accept = "Application/JSON, Text/Event-Stream";
      const answer = await caller.send("tools/list", {}, { headers: { accept } });
      expect(answer.status).toBe(200);
      const ask =
        era === "modern"
          ? modernRequest(key, "tools/list")
          : { body: PING, headers: { ...bearer(key), "mcp-session-id": String(caller.sessionId) } };
      const marked = await send(openAgent(), server.url, {
        ...ask,
        body: `\uFEFF${JSON.stringify(ask.body)}`,
      });
      expect([marked.status, marked.messages[0].error]).toEqual([200, undefined]);
    },
  );

  it.each(ERAS)("is told of a frame that is not JSON-RPC, with its id, %s era", async (era) => {
    const server = await serve();
    const key = await server.key("bob");
    const { sessionId } = await openCaller(era, server, key);
    const headers: Record<string, string> =
      era === "modern"
        ? { "mcp-protocol-version": "2026-07-28", "mcp-method": "ping" }
        : { "mcp-session-id": String(sessionId), "mcp-protocol-version": LEGACY };
    const frames: [unknown, unknown][] = [
      [{ ...PING, jsonrpc: "1.0" }, 7],
      [{ id: "seven", method: "ping" }, "seven"],
      [{ ...PING, method: 5 }, 7],
      [{ ...PING, params: [] }, 7],
      [{ ...PING, id: 1.5 }, null],
      [{}, null],
      [[], null],
      [[PING, { ...PING, id: 8, method: null }], 8],
      ["5", null],
      ['"ping"', null],
      ["null", null],
    ];
    for (const [body, id] of frames) {
      const { status, messages } = await send(openAgent(), server.url, {
        body: body as object,
        headers: { ...bearer(key), ...headers },
      });
      expect([body, status, messages[0].error.code, messages[0].id]).toEqual([body, 400, -32_600, id]);
    }
  });

  it.each(ERAS)("is told of wrong parameters of the protocol's methods, %s era", async (era) => {
    const server = await serve();
    const caller = await openCaller(era, server, await server.key("bob"));
    const codeOf = async (method: string, params: object) =>
      (await caller.send(method, params)).messages.find(({ id }) => id === 1)?.error?.code;
    expect(await codeOf("tools/list", { cursor: 5 })).toBe(-32_602);
    expect(await codeOf("resources/read", {})).toBe(-32_602);
    expect(await codeOf("completion/complete", { ref: {} })).toBe(-32_602);
    if (era === "legacy") expect(await codeOf("logging/setLevel", { level: "odd" })).toBe(-32_602);
  });
});

describe("a 2025-era session", () => {
  it("that is idle longest makes room for a new one of its principal, and its client may come back", async () => {
    const server = await serve({ maxSessions: 2 });
    const [key, other] = [await server.key("bob"), await server.key("carol")];
    const others = await openCaller("legacy", server, other);
    const first = await openCaller("legacy", server, key);
    const second = await openCaller("legacy", server, key);
    expect((await first.send("ping")).status).toBe(200);
    const third = await openCaller("legacy", server, key);
    expect((await second.send("ping")).status).toBe(404);
    for (const caller of [first, third, others]) expect((await caller.send("ping")).status).toBe(200);
    const back = await openCaller("legacy", server, key);
    expect((await back.send("ping")).status).toBe(200);
    expect(server.app.connectionDeps.open.size).toBe(3);
  });

  it("of an earlier process is gone, where there is one machine, and not on another node", async () => {
    const server = await serve();
    const key = await server.key("bob");
    const asked = { body: PING, headers: { ...bearer(key), "mcp-session-id": "south.made-up" } };
    const { status, messages } = await send(openAgent(), server.url, asked);
    expect([status, messages[0].error.message]).toEqual([
      404,
      "Session not found; open a new one with initialize.",
    ]);
  });
});

it("a stream of the old transport is kept open by comments, and no proxy keeps it back", async () => {
  const server = await serve({ sse: true });
  vi.useFakeTimers({ toFake: ["setInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const agent = openAgent();
  const ask = { method: "GET", headers: bearer(await server.key("bob")) };
  const stream = await openStream(agent, `${server.base}/sse`, ask);
  expect(stream.headers["x-accel-buffering"]).toBe("no");
  await eventually(async () => stream.messages.length > 0);
  vi.advanceTimersByTime(15_000);
  await eventually(async () => stream.comments.length > 0);
});
