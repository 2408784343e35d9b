import type { Client, RequestOptions } from "@modelcontextprotocol/client";
import { type UpstreamAnswer, type UpstreamTool, upstreamName } from "../tools/upstream.ts";
import type { UpstreamLog, UpstreamServer } from "./config.ts";
import { type Connection, connectUpstream, upstreamReason } from "./connect.ts";
import { MAX_TOOLS } from "./incoming.ts";

export interface ConnectServerOptions {
  readonly log: UpstreamLog;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** A connection to one server and its tools. A server that could not be reached has no tools and a note. */
export interface ConnectedServer {
  readonly name: string;
  readonly tools: readonly UpstreamTool[];
  /** Names of tools that no model can be offered. */
  readonly left: readonly string[];
  readonly notes: readonly string[];
  /** The reason why it could not be reached. */
  readonly problem?: string;
  call(tool: string, args: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<UpstreamAnswer>;
  close(): Promise<void>;
}

const MAX_PAGES = 20;
const MAX_DESCRIPTION_CHARS = 4_000;
const MAX_SCHEMA_CHARS = 50_000;
const CALL_MS = 600_000;
const MAX_LOGGED_CHARS = 10_000;
/** Tool names that every model's provider accepts. */
const TOOL_NAME = /^[a-zA-Z0-9_-]{1,64}$/;

/** Connects to one server and lists its tools. Never rejects. */
export async function connectServer(
  server: UpstreamServer,
  options: ConnectServerOptions,
): Promise<ConnectedServer> {
  const { log, signal } = options;
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs)]);
  let connection: Connection | undefined;
  let logged = 0;
  const onStderr = (text: string) => {
    if (logged > MAX_LOGGED_CHARS) return;
    logged += text.length;
    log.debug({ upstream: server.name, printed: text.slice(0, 2_000) }, "an upstream server printed");
  };
  try {
    connection = await connectUpstream(server, { timeoutMs: options.timeoutMs, signal: deadline, onStderr });
    const { client, close } = connection;
    const { tools, left, notes } = await listTools(server.name, client, deadline, options.timeoutMs);
    return {
      name: server.name,
      tools,
      left,
      notes,
      call: (name, args, callSignal) => {
        const tool = tools.find((one) => one.name === name);
        return tool ? callTool(server.name, client, { tool, args }, callSignal) : notThere();
      },
      close,
    };
  } catch (error) {
    await connection?.close();
    const late = deadline.aborted && !signal.aborted;
    const problem = late ? "it did not answer in time" : upstreamReason(error);
    log.warn({ upstream: server.name, reason: problem }, "an upstream server could not be reached");
    const notes = [`The tools of ${server.name} are absent: ${problem}.`];
    return { name: server.name, tools: [], left: [], notes, problem, call: notThere, close: async () => {} };
  }
}

const notThere = () => Promise.reject(new Error("a server without tools was called"));

async function listTools(server: string, client: Client, signal: AbortSignal, timeout: number) {
  const tools = new Map<string, UpstreamTool>();
  const left: string[] = [];
  let cursor: string | undefined;
  let isWhole = false;
  for (let page = 0; page < MAX_PAGES && tools.size < MAX_TOOLS && !isWhole; page++) {
    const answer = await listPage(client, cursor, { signal, timeout });
    for (const tool of answer.tools) {
      const name = upstreamName(server, tool.name);
      if (tools.size < MAX_TOOLS && isUsable(name, tool.inputSchema) && !tools.has(name))
        tools.set(name, {
          name,
          ...(tool.title && { title: tool.title.slice(0, 200) }),
          description: (tool.description ?? "").slice(0, MAX_DESCRIPTION_CHARS),
          inputSchema: tool.inputSchema,
        });
      else left.push(name.slice(0, 80));
    }
    cursor = answer.nextCursor;
    isWhole = cursor === undefined;
  }
  const notes = isWhole ? [] : [`${server} has more tools than are read; the first ${tools.size} are there.`];
  return { tools: [...tools.values()], left, notes };
}

/**
 * One page. Not `client.listTools`, which reads up to 64 pages by itself, keeps them for the tools' output schemas, and
 * prints to stdout for a server without tools.
 */
async function listPage(client: Client, cursor: string | undefined, options: RequestOptions) {
  if (!client.getServerCapabilities()?.tools) return { tools: [] };
  const params = cursor === undefined ? {} : { cursor };
  return client.request({ method: "tools/list", params }, options);
}

const isUsable = (name: string, schema: unknown): boolean =>
  TOOL_NAME.test(name) && JSON.stringify(schema).length <= MAX_SCHEMA_CHARS;

/** A failure of the server is a result with `isError`. Rejects only when `signal` aborts. */
async function callTool(
  server: string,
  client: Client,
  { tool, args }: { tool: UpstreamTool; args: Readonly<Record<string, unknown>> },
  signal: AbortSignal,
): Promise<UpstreamAnswer> {
  try {
    const name = tool.name.slice(upstreamName(server, "").length);
    const result = await client.callTool(
      { name, arguments: { ...args } },
      {
        signal,
        // An upper bound: the ghost's own deadlines are shorter.
        timeout: CALL_MS,
        maxTotalTimeout: CALL_MS,
        // Has no output schema, so the client compiles and validates none: a pattern in one could stall this thread.
        toolDefinition: { name, inputSchema: { ...tool.inputSchema, type: "object" } },
      },
    );
    return readAnswer(result);
  } catch (error) {
    signal.throwIfAborted();
    return { text: `${tool.name} failed: ${upstreamReason(error)}.`, isError: true };
  }
}

/** Characters of one result that are passed to a ghost's thread; the model is given fewer. */
const MAX_TEXT_CHARS = 200_000;

/** A server's result as text, with its structured content if that is small enough. */
function readAnswer(result: {
  readonly content?: unknown;
  readonly structuredContent?: unknown;
  readonly isError?: unknown;
}): UpstreamAnswer {
  // Only text is left of it: see incoming.ts.
  const blocks = Array.isArray(result.content) ? (result.content as readonly { text?: string }[]) : [];
  const structured = structureOf(result.structuredContent);
  const text =
    blocks.map((block) => block.text ?? "").join("\n") || (structured ? JSON.stringify(structured) : "");
  return {
    text: cutAnswer(text),
    ...(structured && { structured }),
    isError: result.isError === true,
  };
}

function structureOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return JSON.stringify(value).length <= MAX_TEXT_CHARS ? (value as Record<string, unknown>) : undefined;
}

const cutAnswer = (text: string): string =>
  text.length <= MAX_TEXT_CHARS
    ? text
    : `${text.slice(0, MAX_TEXT_CHARS)}… [cut: ${text.length} characters in all]`;
