import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";

/** A request to the scripted model, as it came over HTTP. */
export interface ScriptedRequest {
  readonly messages: readonly ScriptedMessage[];
  /** Names of the tools that were offered. */
  readonly tools: readonly string[];
  readonly toolChoice: unknown;
  readonly headers: IncomingMessage["headers"];
}

interface ScriptedMessage {
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly content: string;
  readonly toolCalls: readonly { readonly tool: string; readonly arguments: string }[];
}

/** A response of the script: text, tool calls, or an HTTP failure. */
export interface ScriptedAnswer {
  readonly text?: string;
  readonly calls?: readonly {
    readonly tool: string;
    readonly arguments: Readonly<Record<string, unknown>>;
  }[];
  /** Default: about four characters a token. */
  readonly usage?: { readonly input: number; readonly output: number };
  readonly delayMs?: number;
  /** Sends this status, `body` and `headers` instead. */
  readonly status?: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Script = (request: ScriptedRequest) => ScriptedAnswer | Promise<ScriptedAnswer>;

export interface ScriptedModel {
  /** For NIGHTSHIFT_MODEL_BASE_URL; the model is `openai-compatible:scripted`. */
  readonly baseUrl: string;
  /** Every request so far. */
  readonly requests: readonly ScriptedRequest[];
  close(): Promise<void>;
}

const SCRIPTED_MODEL_ID = "scripted";
const OWNER = "nightshift-demo";
const MAX_BODY_BYTES = 16 * 1024 * 1024;

/**
 * Starts an OpenAI-compatible server on loopback whose answers are scripted, so that the real provider path runs
 * without a key. It does not pretend to be a language model: model id, owner and a header say what it is.
 */
export async function startScriptedModel({ script }: { script: Script }): Promise<ScriptedModel> {
  const requests: ScriptedRequest[] = [];
  const closing = new AbortController();
  const server = createServer((request, response) => {
    serve(request, response, async (parsed) => {
      requests.push(parsed);
      const answer = await script(parsed);
      if (answer.delayMs) await wait(answer.delayMs, undefined, { signal: closing.signal });
      return answer;
    }).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    requests,
    close: () =>
      new Promise((resolve) => {
        closing.abort();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  answerTo: (request: ScriptedRequest) => Promise<ScriptedAnswer>,
): Promise<void> {
  const send = (status: number, body: string, headers: Readonly<Record<string, string>> = {}) => {
    response.writeHead(status, {
      "content-type": "application/json",
      "x-nightshift-model": `${SCRIPTED_MODEL_ID}; not a language model`,
      ...headers,
    });
    response.end(body);
  };
  if (request.method === "GET" && request.url === "/v1/models")
    return send(
      200,
      JSON.stringify({ object: "list", data: [{ id: SCRIPTED_MODEL_ID, object: "model", owned_by: OWNER }] }),
    );
  if (request.method !== "POST" || request.url !== "/v1/chat/completions")
    return send(404, JSON.stringify({ error: { message: "The scripted model has chat completions only." } }));
  const parsed = readRequest(await readJsonBody(request), request.headers);
  const answer = await answerTo(parsed);
  if (answer.status !== undefined || answer.body !== undefined)
    return send(answer.status ?? 200, answer.body ?? "{}", answer.headers);
  send(200, JSON.stringify(completion(parsed, answer)), answer.headers);
}

async function readJsonBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Error("too much");
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

interface WireMessage {
  readonly role: ScriptedMessage["role"];
  readonly content?: unknown;
  readonly tool_calls?: readonly {
    readonly function: { readonly name: string; readonly arguments: string };
  }[];
}

function readRequest(body: Record<string, unknown>, headers: IncomingMessage["headers"]): ScriptedRequest {
  const tools = (body.tools ?? []) as readonly { readonly function: { readonly name: string } }[];
  return {
    messages: (body.messages as readonly WireMessage[]).map(({ role, content, tool_calls = [] }) => ({
      role,
      content: typeof content === "string" ? content : content ? JSON.stringify(content) : "",
      toolCalls: tool_calls.map((call) => ({ tool: call.function.name, arguments: call.function.arguments })),
    })),
    tools: tools.map((tool) => tool.function.name),
    toolChoice: body.tool_choice,
    headers,
  };
}

let lastId = 0;

function completion(parsed: ScriptedRequest, { text = "", calls = [], usage }: ScriptedAnswer): object {
  const input = usage?.input ?? tokensOf(parsed.messages.map(({ content }) => content).join(""));
  const output = usage?.output ?? tokensOf(text + JSON.stringify(calls));
  const toolCalls = calls.map((call) => ({
    id: `call_${++lastId}`,
    type: "function",
    function: { name: call.tool, arguments: JSON.stringify(call.arguments) },
  }));
  return {
    id: `chatcmpl-scripted-${++lastId}`,
    object: "chat.completion",
    created: Math.floor(Date.now() / 1000),
    model: SCRIPTED_MODEL_ID,
    system_fingerprint: OWNER,
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: text || null,
          ...(toolCalls.length > 0 && { tool_calls: toolCalls }),
        },
        finish_reason: toolCalls.length > 0 ? "tool_calls" : "stop",
      },
    ],
    usage: { prompt_tokens: input, completion_tokens: output, total_tokens: input + output },
  };
}

const tokensOf = (text: string) => Math.max(1, Math.ceil(text.length / 4));
