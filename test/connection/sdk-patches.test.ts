import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Client, InMemoryTransport } from "@modelcontextprotocol/client";
import { SSEServerTransport } from "@modelcontextprotocol/sdk/server/sse.js";
import {
  completable,
  createMcpHandler,
  type JSONRPCMessage,
  McpServer,
  type RequestId,
  type ServerNotifier,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import { describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import {
  declareCapabilities,
  handlerSetter,
  headersOnlyRequest,
  redirectChanges,
  takeResult,
  watchResponses,
  wrapHandlers,
} from "../../src/connection/sdk-patches.ts";

// Each of these fails when an update of the SDK changes what a patch of ours relies on.

const INFO = { name: "test", version: "1" };
const TEXT = { content: [{ type: "text" as const, text: "theirs" }] };
const ALL = { tools: {}, resources: {}, prompts: {}, completions: {} };

/** Registers one of each kind, as users' modules do. */
function registerAll(server: McpServer): void {
  server.registerTool("echo", { description: "Echoes." }, () => TEXT);
  server.registerResource("notes", "notes://today", {}, (uri) => ({
    contents: [{ uri: uri.href, text: "theirs" }],
  }));
  const argsSchema = z.object({ who: completable(z.string(), () => ["anna"]) });
  server.registerPrompt("greet", { argsSchema }, () => ({ messages: [] }));
}

const HANDLED = [
  "completion/complete",
  "prompts/get",
  "prompts/list",
  "resources/list",
  "resources/read",
  "resources/templates/list",
  "tools/call",
  "tools/list",
];

async function connectClient(server: McpServer): Promise<Client> {
  const client = new Client(INFO);
  const [near, far] = InMemoryTransport.createLinkedPair();
  await Promise.all([server.connect(near), client.connect(far)]);
  onTestFinished(() => client.close());
  return client;
}

describe("wrapHandlers", () => {
  it("sees every handler that McpServer sets for what is registered, and calls go through it", async () => {
    const server = new McpServer(INFO);
    const wrapped: string[] = [];
    const called: string[] = [];
    const stop = wrapHandlers(server, (method, handler) => {
      wrapped.push(method);
      return (request, context) => {
        called.push(method);
        return handler(request, context);
      };
    });
    registerAll(server);
    stop();
    server.server.setRequestHandler("ping", () => ({}));
    expect(wrapped.sort()).toEqual(HANDLED);
    const client = await connectClient(server);
    expect(await client.callTool({ name: "echo" })).toMatchObject(TEXT);
    expect((await client.listResources()).resources).toHaveLength(1);
    expect(called).toEqual(["tools/call", "resources/list"]);
  });

  it("wraps handlers of a module's own methods too, which come with schemas", async () => {
    const server = new McpServer(INFO);
    const stop = wrapHandlers(server, (_method, handler) => async (params, context) => ({
      ...((await handler(params, context)) as object),
      isWrapped: true,
    }));
    const params = z.object({ by: z.number() });
    server.server.setRequestHandler("acme/count", { params }, ({ by }) => ({ by }));
    stop();
    const client = await connectClient(server);
    const counted = client.request({ method: "acme/count", params: { by: 2 } }, z.looseObject({}));
    expect(await counted).toMatchObject({ by: 2, isWrapped: true });
  });
});

describe("handlerSetter", () => {
  it("replaces the handlers that McpServer set", async () => {
    const server = new McpServer(INFO);
    registerAll(server);
    handlerSetter(server)("tools/call", () => ({ content: [{ type: "text", text: "ours" }] }));
    const client = await connectClient(server);
    expect(await client.callTool({ name: "echo" })).toMatchObject({ content: [{ text: "ours" }] });
  });
});

describe("declareCapabilities", () => {
  it("sets no handler, where the constructor does before anybody can see it", async () => {
    const wrapped: string[] = [];
    const note = (method: string, handler: never) => {
      wrapped.push(method);
      return handler;
    };
    const server = new McpServer(INFO);
    wrapHandlers(server, note as never);
    declareCapabilities(server, ALL);
    expect(wrapped).toEqual([]);
    const client = await connectClient(server);
    expect(client.getServerCapabilities()).toEqual(ALL);

    const early = new McpServer(INFO, { capabilities: ALL });
    wrapHandlers(early, note as never);
    registerAll(early);
    expect(wrapped).toEqual(["completion/complete"]);
  });
});

describe("redirectChanges", () => {
  it("takes what McpServer and handlers send, and nothing reaches the client", async () => {
    const server = new McpServer(INFO, { capabilities: { logging: {} } });
    registerAll(server);
    const told: string[] = [];
    redirectChanges(server, {
      toolsChanged: () => told.push("tools"),
      promptsChanged: () => told.push("prompts"),
      resourcesChanged: () => told.push("resources"),
      resourceUpdated: (uri: string) => told.push(uri),
    } as unknown as ServerNotifier);
    const client = await connectClient(server);
    const heard: unknown[] = [];
    client.fallbackNotificationHandler = async (notification) => void heard.push(notification);
    server.sendPromptListChanged();
    server.sendResourceListChanged();
    server.registerTool("late", {}, () => TEXT);
    await server.server.sendResourceUpdated({ uri: "notes://today" });
    await client.ping();
    expect(told).toEqual(["prompts", "resources", "tools", "notes://today"]);
    expect(heard).toEqual([]);
  });
});

const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": INFO,
  "io.modelcontextprotocol/clientCapabilities": {},
};

/** A `headersOnlyRequest` that throws when the SDK reads anything else of it. */
function strictRequest(method: string, headers: Record<string, string>): Request {
  const view = headersOnlyRequest(
    method,
    (name) => headers[name.toLowerCase()] ?? null,
    new AbortController().signal,
  );
  const refuseOthers = <T extends object>(target: T, what: string): T =>
    new Proxy(target, {
      get(object, key) {
        if (key in object) return Reflect.get(object, key);
        throw new Error(`the SDK reads ${what}.${String(key)}`);
      },
    });
  return refuseOthers({ ...view, headers: refuseOthers(view.headers, "headers") }, "the request");
}

function serveModern(server: McpServer, method: string, params: Record<string, unknown> = {}) {
  const errors: string[] = [];
  const handler = createMcpHandler(() => server, {
    legacy: "reject",
    onerror: ({ message }) => errors.push(message),
  });
  const request = strictRequest("POST", {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": method,
    ...(typeof params.name === "string" && { "mcp-name": params.name }),
  });
  const parsedBody = { jsonrpc: "2.0", id: 7, method, params: { ...params, _meta: META } };
  return { response: handler.fetch(request, { parsedBody }), errors };
}

describe("takeResult and headersOnlyRequest, in a request of the 2026 era", () => {
  it("give the result away before the SDK makes a response of it, and the server closes", async () => {
    const server = new McpServer(INFO);
    registerAll(server);
    const taken: JSONRPCMessage[] = [];
    takeResult(server, (result) => taken.push(result));
    const closed = Promise.withResolvers<void>();
    server.server.onclose = closed.resolve;
    const { response, errors } = serveModern(server, "tools/call", { name: "echo", arguments: {} });
    await closed.promise;
    expect(taken).toEqual([{ jsonrpc: "2.0", id: 7, result: expect.objectContaining(TEXT) }]);
    expect(errors).toEqual([]);
    // The client does not get this message: the request has its response by then.
    expect((await response).status).toBe(499);
  });

  it("leave an error to the SDK, which gives it a status", async () => {
    const server = new McpServer(INFO);
    const taken: JSONRPCMessage[] = [];
    takeResult(server, (result) => taken.push(result));
    const response = await serveModern(server, "tools/list").response;
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ id: 7, error: { code: -32_601 } });
    expect(taken).toEqual([]);
  });

  it("leave a result that follows a notification to the SDK's stream", async () => {
    const server = new McpServer(INFO);
    server.registerTool("slow", {}, async (context) => {
      const params = { progressToken: 1, progress: 1 };
      await context.mcpReq.notify({ method: "notifications/progress", params });
      return TEXT;
    });
    const taken: JSONRPCMessage[] = [];
    takeResult(server, (result) => taken.push(result));
    const response = await serveModern(server, "tools/call", { name: "slow", arguments: {} }).response;
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const text = await response.text();
    expect(text.indexOf("notifications/progress")).toBeGreaterThan(0);
    expect(text.indexOf("theirs")).toBeGreaterThan(text.indexOf("notifications/progress"));
    expect(taken).toEqual([]);
  });
});

const HEADERS = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const INITIALIZE = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: INFO },
};

describe("watchResponses and headersOnlyRequest, in a session of the 2025 era", () => {
  it("see each response, also an error, and no notification", async () => {
    const server = new McpServer(INFO, { capabilities: { logging: {} } });
    registerAll(server);
    const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: () => "north.1" });
    const answered: RequestId[] = [];
    watchResponses(transport, (id) => answered.push(id));
    await server.connect(transport);
    onTestFinished(() => server.close());
    const send = async (parsedBody: Record<string, unknown>, headers: Record<string, string> = {}) =>
      (
        await transport.handleRequest(strictRequest("POST", { ...HEADERS, ...headers }), { parsedBody })
      ).text();
    const session = { "mcp-session-id": "north.1", "mcp-protocol-version": "2025-11-25" };
    expect(await send(INITIALIZE)).toContain("serverInfo");
    await send({ jsonrpc: "2.0", method: "notifications/initialized" }, session);
    await send({ jsonrpc: "2.0", id: "a", method: "tools/call", params: { name: "echo" } }, session);
    await send({ jsonrpc: "2.0", id: "b", method: "tools/call", params: { name: "none" } }, session);
    await send({ jsonrpc: "2.0", id: "c", method: "logging/setLevel", params: { level: "info" } }, session);
    await server.sendLoggingMessage({ level: "warning", data: "no response" });
    expect(answered).toEqual([1, "a", "b", "c"]);

    const stream = await transport.handleRequest(strictRequest("GET", { ...HEADERS, ...session }));
    expect(stream.status).toBe(200);
    await stream.body?.cancel();
    expect((await transport.handleRequest(strictRequest("DELETE", session))).status).toBe(200);
  });

  it("see each response of the old SDK's SSE transport, which a server of the new SDK takes", async () => {
    const server = new McpServer(INFO);
    registerAll(server);
    const answered: RequestId[] = [];
    let transport: SSEServerTransport | undefined;
    const http = createServer(async (req, res) => {
      if (req.method === "POST") return transport?.handlePostMessage(req, res);
      transport = new SSEServerTransport("/messages", res);
      watchResponses(transport, (id) => answered.push(id));
      await server.connect(transport as never);
    }).listen(0, "127.0.0.1");
    await once(http, "listening");
    onTestFinished(() => {
      http.closeAllConnections();
      http.close();
    });
    const base = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    const stream = await fetch(base);
    const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader?.read())?.value).toContain("event: endpoint");
    const headers = { "content-type": "application/json" };
    await fetch(base, { method: "POST", headers, body: JSON.stringify(INITIALIZE) });
    expect((await reader?.read())?.value).toContain("serverInfo");
    expect(answered).toEqual([1]);
    await reader?.cancel();
  });
});
