import { connect, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { eventually } from "../harness.ts";
import { bearer, ERAS, INITIALIZE, openAgent, openCaller, send } from "./caller.ts";
import { type Served, serve, serveChild } from "./harness.ts";

const STUBBORN = new URL("modules/stubborn.ts", import.meta.url).pathname;

const heldBy = ({ app }: Served) => app.connectionDeps.held.total;

/** Sends the head of a request and a part of its body, and no more. Collects what is answered. */
async function sendUnfinished(server: Served, key: string, part: string) {
  const socket: Socket = connect(Number(new URL(server.base).port), "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  let text = "";
  let isClosed = false;
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.on("error", () => {});
  socket.once("close", () => {
    isClosed = true;
  });
  const head = [
    "POST /mcp HTTP/1.1",
    "host: localhost",
    `authorization: Bearer ${key}`,
    "content-type: application/json",
    "accept: application/json, text/event-stream",
    "content-length: 500000",
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n${part}`);
  return {
    socket,
    text: () => text,
    isClosed: () => isClosed,
  };
}

describe("what a client subscribes to", () => {
  const URIS = {
    "too long": `job://${"x".repeat(3_000)}`,
    "too long in bytes": `note://${"é".repeat(1_200)}`,
    "of no kind of ours": "job://a/b",
    "ours with a query": "run://x?y",
    "an inbox of somebody": "inbox://bob",
    "no URI": "x",
    empty: "",
  };

  it.each(Object.entries(URIS))("is not kept when it is %s", async (_name, uri) => {
    const server = await serve();
    const key = await server.key("bob");
    const legacy = await openCaller("legacy", server, key);
    const { messages } = await legacy.send("resources/subscribe", { uri });
    expect(messages[0].error.code).toBeLessThan(-32_000);
    const modern = await openCaller("modern", server, key);
    const listened = await modern.send("subscriptions/listen", {
      notifications: { resourceSubscriptions: ["inbox://", uri] },
    });
    expect([listened.status, listened.messages[0].error.code]).toEqual([400, -32_602]);
  });

  it("is counted in bytes for its user until it is given up or its session ends", async () => {
    const server = await serve({ maxHeldBytes: 64 * 1024 });
    const key = await server.key("bob");
    const [one, two] = [await openCaller("legacy", server, key), await openCaller("legacy", server, key)];
    const uri = (i: number) => `job://${String(i).padStart(100, "0")}`;
    let kept = 0;
    for (let i = 0; i < 400 && kept === i; i++) {
      const { messages } = await (i % 2 ? one : two).send("resources/subscribe", { uri: uri(i) });
      if (messages[0].result) kept += 1;
      else expect(messages[0].error.message).toContain("You hold too much at once");
    }
    expect(kept).toBeGreaterThan(50);
    expect(kept).toBeLessThan((64 * 1024) / 300);
    expect(heldBy(server)).toBeLessThanOrEqual(64 * 1024);
    const other = await openCaller("legacy", server, await server.key("carol"));
    expect((await other.send("resources/subscribe", { uri: uri(0) })).messages[0].result).toEqual({});
    for (const { sessionId } of [one, two, other])
      await send(openAgent(), server.url, {
        method: "DELETE",
        headers: {
          ...bearer(sessionId === other.sessionId ? await server.key("carol") : key),
          "mcp-session-id": String(sessionId),
        },
      });
    await eventually(async () => heldBy(server) === 0);
  });

  it("has at most a thousand URIs in one stream", async () => {
    const server = await serve();
    const caller = await openCaller("modern", server, await server.key("bob"));
    const resourceSubscriptions = Array.from({ length: 1_001 }, (_, i) => `job://${i}`);
    const { status, text } = await caller.send("subscriptions/listen", {
      notifications: { resourceSubscriptions },
    });
    expect(status).toBe(400);
    expect(text).toContain("at most 1000 subscriptions");
  });
});

describe("a text that is kept while a call, a stream or a session lasts", () => {
  const long = "x".repeat(100_000);
  const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "whoami", arguments: {} } };
  const BODIES: Record<string, object> = {
    "an id": { ...call, id: long },
    "a method": { ...call, method: long },
    "a tool's name": { ...call, params: { name: long } },
    "a progress token": { ...call, params: { ...call.params, _meta: { progressToken: long } } },
    "the id of what is cancelled": {
      jsonrpc: "2.0",
      method: "notifications/cancelled",
      params: { requestId: long },
    },
    "a log level": { ...call, method: "logging/setLevel", params: { level: long } },
    "a cursor": { ...call, method: "tools/list", params: { cursor: long } },
    "a URI to read": { ...call, method: "resources/read", params: { uri: `job://${long}` } },
    "a URI to complete": {
      ...call,
      method: "completion/complete",
      params: {
        ref: { type: "ref/resource", uri: "job://{job_id}" },
        argument: { name: "job_id", value: long },
      },
    },
    "what a client says of itself": {
      ...INITIALIZE,
      params: { ...INITIALIZE.params, clientInfo: { name: long, version: "1" } },
    },
  };

  it.each(Object.entries(BODIES))("has a length: %s", async (_name, body) => {
    const server = await serve();
    const key = await server.key("bob");
    const { sessionId } = await openCaller("legacy", server, key);
    const ask = async (asked: object) => {
      const headers = {
        ...bearer(key),
        ...("clientInfo" in (asked as typeof INITIALIZE).params
          ? {}
          : { "mcp-session-id": String(sessionId) }),
      };
      return send(openAgent(), server.url, { headers, body: asked });
    };
    const { status, text } = await ask(body);
    expect([status, text.length < 400]).toEqual([400, true]);
    expect(text).toMatch(/may have at most \d+ bytes/);
    expect(
      (
        await send(openAgent(), server.url, {
          headers: { ...bearer(key), "mcp-session-id": String(sessionId) },
          body: [call, body],
        })
      ).status,
    ).toBe(400);
  });
});

describe("bodies that never end", () => {
  it("take a place before they are read, and a bystander is served", async () => {
    const server = await serve({ maxCallsAtOnce: 8 });
    const key = await server.key("bob");
    const bystander = await openCaller("modern", server, await server.key("carol"));
    const unfinished = await Promise.all(
      Array.from({ length: 40 }, () => sendUnfinished(server, key, '{"x":')),
    );
    await eventually(async () => unfinished.filter(({ text }) => text().includes(" 429 ")).length === 32);
    expect((await bystander.call("whoami")).structuredContent.user_id).toBe("carol");
    for (const { socket } of unfinished) socket.destroy();
    const caller = await openCaller("modern", server, key);
    await eventually(async () => (await caller.send("tools/list")).status === 200);
    await eventually(async () => heldBy(server) === 0);
  });

  it("hold no more bytes than their user may", async () => {
    const server = await serve({ maxHeldBytes: 256 * 1024 });
    const key = await server.key("bob");
    const part = `{"x":"${"x".repeat(60_000)}`;
    const unfinished = await Promise.all(Array.from({ length: 12 }, () => sendUnfinished(server, key, part)));
    await eventually(async () => unfinished.filter(({ text }) => text().includes(" 429 ")).length >= 8);
    expect(heldBy(server)).toBeLessThanOrEqual(256 * 1024);
    expect(unfinished.map(({ text }) => text()).join()).toContain("You have sent too much at once");
    for (const { socket } of unfinished) socket.destroy();
    await eventually(async () => heldBy(server) === 0);
  });

  it("are told so when their time is over, and their connection is closed", async () => {
    const server = await serve({ bodySeconds: 1 });
    const { text, isClosed } = await sendUnfinished(server, await server.key("bob"), '{"x":');
    await eventually(async () => isClosed());
    expect(text()).toContain("HTTP/1.1 408");
    expect(text()).toContain("did not arrive in time");
  });
});

it("events that are kept for a client that reconnects are counted, and the oldest give way", async () => {
  const server = await serve({ maxHeldBytes: 64 * 1024 });
  const key = await server.key("bob");
  const caller = await openCaller("legacy", server, key);
  for (let i = 0; i < 60; i++) {
    expect((await caller.call("whoami")).structuredContent.user_id).toBe("bob");
    expect(heldBy(server)).toBeLessThanOrEqual(64 * 1024);
  }
  expect(heldBy(server)).toBeGreaterThan(0);
  const headers = { ...bearer(key), "mcp-session-id": String(caller.sessionId) };
  await send(openAgent(), server.url, { method: "DELETE", headers });
  await eventually(async () => heldBy(server) === 0);
});

describe.each(ERAS)("a call that was cancelled, %s era", (era) => {
  it.each(["stubborn", "stubborn_module"])("keeps its place until its work has ended: %s", async (name) => {
    globalThis.stubbornWork = { atWork: 0, most: 0, ends: [] };
    const shared = globalThis.stubbornWork;
    const server = await serve({ maxCallsAtOnce: 4, tools: [STUBBORN], shutdownSeconds: 0 });
    onTestFinished(() => shared.ends.forEach((end) => void end()));
    const key = await server.key("bob");
    const caller = await openCaller(era, server, key);
    const statuses: (number | string)[] = [];
    for (let i = 0; i < 12; i++) {
      const leave = new AbortController();
      const before = shared.atWork;
      const asked = caller
        .send("tools/call", { name, arguments: {} }, { id: i + 10, signal: leave.signal })
        .then(
          ({ status }) => status,
          () => "left",
        );
      let isAnswered = false;
      void asked.then(() => {
        isAnswered = true;
      });
      await eventually(async () => isAnswered || shared.atWork > before);
      if (era === "legacy" && shared.atWork > before) {
        const params = { requestId: i + 10 };
        const body = { jsonrpc: "2.0", method: "notifications/cancelled", params };
        const headers = { ...bearer(key), "mcp-session-id": String(caller.sessionId) };
        expect((await send(openAgent(), server.url, { headers, body })).status).toBe(202);
      }
      leave.abort();
      statuses.push(await asked);
    }
    expect(shared.most).toBe(4);
    expect(statuses.filter((status) => status === 429)).toHaveLength(8);
    expect((await caller.send("tools/list")).status).toBe(429);
    const other = await openCaller(era, server, await server.key("carol"));
    expect((await other.call("whoami")).structuredContent.user_id).toBe("carol");
    shared.ends.pop()?.();
    await eventually(async () => (await caller.send("tools/list")).status === 200);
    for (const end of shared.ends) end();
    await eventually(async () => server.app.connectionDeps.work.unfinishedTotal === 0);
  });
});

it("what a tool module forgot fails in the log, and the server goes on", async () => {
  const child = await serveChild({ args: ["--tools", STUBBORN] });
  const caller = await openCaller("modern", child);
  for (let i = 0; i < 3; i++) expect((await caller.call("forgetful")).content[0]?.text).toBe("done");
  const failed = (what: string) => child.stderr().split(`"message":"forgotten ${what}"`).length - 1;
  await eventually(async () => failed("timer") === 3 && failed("promise") === 3);
  expect(child.stderr()).toMatch(/"session_id":"[^"]+".*an error was thrown after its call had ended/);
  expect((await caller.call("whoami")).structuredContent.user_id).toBe("alice");
  expect(await child.stop()).toBe(0);
});

it("a tool that holds the event loop is named in the log", async () => {
  const child = await serveChild({ args: ["--tools", STUBBORN] });
  const caller = await openCaller("modern", child);
  await caller.call("busy");
  await eventually(async () => /"at_work":\[[^\]]*"busy"[^\]]*\],"msg":"one turn/.test(child.stderr()));
});
