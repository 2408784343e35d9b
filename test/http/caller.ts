import { Agent, type IncomingMessage, request } from "node:http";
import { onTestFinished } from "vitest";
import type { CallResult } from "../harness.ts";
import { LEGACY, MODERN } from "./harness.ts";
import { compareWithTwin, hasTwins } from "./twins.ts";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  /** The JSON-RPC messages of the body, JSON or event stream. */
  // biome-ignore lint/suspicious/noExplicitAny: raw messages, as they came over the wire
  readonly messages: any[];
}

export interface Stream {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  // biome-ignore lint/suspicious/noExplicitAny: raw messages, as they came over the wire
  readonly messages: any[];
  /** Ids of the events so far. */
  readonly ids: string[];
  /** Comments so far, which keep it open. */
  readonly comments: string[];
  /** Resolves when the server or `close` has ended the stream. */
  readonly ended: Promise<void>;
  close(): void;
}

export interface Ask {
  readonly method?: string;
  readonly body?: string | Uint8Array | object;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

const ACCEPT = "application/json, text/event-stream";

/** Reads events as they come: `onData` gets each one's data, `onId` its id. */
function eventReader(
  onData: (data: string) => void,
  onId: (id: string) => void = () => {},
  onComment: (comment: string) => void = () => {},
) {
  let rest = "";
  return (chunk: Buffer) => {
    rest += chunk.toString();
    const blocks = rest.split(/\r?\n\r?\n/);
    rest = blocks.pop() ?? "";
    for (const block of blocks)
      for (const line of block.split(/\r?\n/))
        if (line.startsWith("data:")) onData(line.slice(5).trim());
        else if (line.startsWith("id:")) onId(line.slice(3).trim());
        else if (line.startsWith(":")) onComment(line.slice(1).trim());
  };
}

function begin(agent: Agent, url: string, ask: Ask): Promise<IncomingMessage> {
  const { method = "POST", body, headers = {}, signal } = ask;
  const bytes = typeof body === "string" || body instanceof Uint8Array ? body : body && JSON.stringify(body);
  // Node sends no length for a DELETE's body: the server would read it as another request.
  const length = bytes && !headers["transfer-encoding"] && { "content-length": Buffer.byteLength(bytes) };
  const all = { accept: ACCEPT, ...(bytes && { "content-type": "application/json" }), ...length, ...headers };
  return new Promise((resolve, reject) => {
    const req = request(url, { agent, method, headers: all, ...(signal && { signal }) }, resolve);
    req.once("error", reject);
    req.end(bytes);
  });
}

/** An agent with keep-alive connections, closed when the test has finished. */
export function openAgent(maxSockets = 256): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets });
  onTestFinished(() => agent.destroy());
  return agent;
}

/** Sends one request as it is given, and again to the server's twin if it has one. */
export async function send(agent: Agent, url: string, ask: Ask): Promise<Answer> {
  const answer = await sendOnce(agent, url, ask);
  if (hasTwins) await compareWithTwin(url, ask, answer, (to, again) => sendOnce(agent, to, again));
  return answer;
}

async function sendOnce(agent: Agent, url: string, ask: Ask): Promise<Answer> {
  const response = await begin(agent, url, ask);
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const messages: unknown[] = [];
  if (response.headers["content-type"]?.startsWith("text/event-stream")) {
    const data = (line: string) => line && messages.push(JSON.parse(line));
    eventReader(data)(Buffer.from(`${text}\n\n`));
  } else if (response.headers["content-type"]?.includes("json") && text) messages.push(JSON.parse(text));
  return { status: response.statusCode ?? 0, headers: response.headers, text, messages };
}

/** Opens a response that stays open. */
export async function openStream(agent: Agent, url: string, ask: Ask): Promise<Stream> {
  const response = await begin(agent, url, ask);
  const messages: unknown[] = [];
  const ids: string[] = [];
  const comments: string[] = [];
  response.on(
    "data",
    eventReader(
      (data) => {
        // The first event of the HTTP+SSE transport is an address, not a message.
        if (data.startsWith("{")) messages.push(JSON.parse(data));
        else if (data) messages.push(data);
      },
      (id) => void ids.push(id),
      (comment) => void comments.push(comment),
    ),
  );
  const ended = new Promise<void>((resolve) => {
    response.once("close", resolve);
    response.once("error", () => resolve());
  });
  const close = () => void response.destroy();
  onTestFinished(close);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    messages,
    ids,
    comments,
    ended,
    close,
  };
}

export const bearer = (token: string | undefined): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` };

const META = {
  "io.modelcontextprotocol/protocolVersion": MODERN,
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": { name: "raw", version: "1" },
};

// biome-ignore lint/suspicious/noExplicitAny: JSON-RPC parameters, good and bad ones
export type Params = Record<string, any>;

/** One request of the 2026 era: headers that agree with its body, and an envelope. */
export function modernRequest(
  token: string | undefined,
  method: string,
  params: Params = {},
  id: unknown = 1,
): Ask {
  const named = params.name ?? params.uri;
  return {
    body: { jsonrpc: "2.0", id, method, params: { ...params, _meta: { ...META, ...params._meta } } },
    headers: {
      ...bearer(token),
      "mcp-protocol-version": MODERN,
      "mcp-method": method,
      ...(typeof named === "string" && { "mcp-name": named }),
    },
  };
}

/** A caller that speaks one era by hand, over keep-alive connections. */
export interface Caller {
  readonly era: "modern" | "legacy";
  /** The id of its session, in the 2025 era. */
  readonly sessionId: string | undefined;
  /** Sends one request. Resolves to the whole HTTP response. */
  send(
    method: string,
    params?: Params,
    options?: { id?: unknown; headers?: Record<string, string>; signal?: AbortSignal },
  ): Promise<Answer>;
  /** Calls a tool. Rejects unless the response is a result. */
  call(name: string, args?: object): Promise<CallResult>;
  /** Opens a stream of notifications, subscribed to `uris`. */
  listen(uris: readonly string[]): Promise<Stream>;
}

export const ERAS = ["modern", "legacy"] as const;

export async function openCaller(
  era: "modern" | "legacy",
  server: { url: string },
  token?: string,
  agent = openAgent(),
): Promise<Caller> {
  const sessionId = era === "legacy" ? await initialize(server.url, token, agent) : undefined;
  const session = {
    ...bearer(token),
    ...(sessionId && { "mcp-session-id": sessionId, "mcp-protocol-version": LEGACY }),
  };
  const ask = (method: string, params: Params, id: unknown): Ask =>
    era === "modern"
      ? modernRequest(token, method, params, id)
      : { headers: session, body: { jsonrpc: "2.0", id, method, params } };
  const caller: Caller = {
    era,
    sessionId,
    send(method, params = {}, { id = 1, headers, signal } = {}) {
      const asked = ask(method, params, id);
      return send(agent, server.url, {
        ...asked,
        headers: { ...asked.headers, ...headers },
        ...(signal && { signal }),
      });
    },
    async call(name, args = {}) {
      const { messages, status, text } = await caller.send("tools/call", { name, arguments: args });
      const result = messages.find((message) => message.id === 1)?.result;
      if (!result) throw new Error(`${name} was answered with ${status}: ${text}`);
      return result as CallResult;
    },
    async listen(uris) {
      if (era === "modern") {
        const notifications = { resourceSubscriptions: uris, toolsListChanged: true };
        return openStream(agent, server.url, ask("subscriptions/listen", { notifications }, 77));
      }
      for (const uri of uris) await caller.send("resources/subscribe", { uri });
      return openStream(agent, server.url, { method: "GET", headers: session });
    },
  };
  return caller;
}

export const INITIALIZE = {
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: { protocolVersion: LEGACY, capabilities: {}, clientInfo: { name: "raw", version: "1" } },
};

async function initialize(url: string, token: string | undefined, agent: Agent): Promise<string> {
  const answer = await send(agent, url, { body: INITIALIZE, headers: bearer(token) });
  const sessionId = answer.headers["mcp-session-id"];
  if (typeof sessionId !== "string")
    throw new Error(`initialize was answered with ${answer.status}: ${answer.text}`);
  const initialized = { jsonrpc: "2.0", method: "notifications/initialized" };
  const headers = { ...bearer(token), "mcp-session-id": sessionId };
  await send(agent, url, { body: initialized, headers });
  return sessionId;
}

/** A job that runs in an hour and needs no model. */
export async function schedule(caller: Caller, name = "later"): Promise<string> {
  const tool = { name: "current_time", arguments: {} };
  const { structuredContent, content } = await caller.call("schedule_task", {
    tool,
    every_seconds: 3_600,
    name,
    allow_duplicate: true,
  });
  if (!structuredContent?.job_id) throw new Error(content[0]?.text);
  return structuredContent.job_id;
}
