import { classifyInboundRequest, SERVER_INFO_META_KEY } from "@modelcontextprotocol/server";
import { type ConnectionDeps, openContext } from "../../connection/connection.ts";
import { RESULT_INFO } from "../../connection/server-info.ts";
import type { ListedTool } from "../../tools/catalog.ts";
import type { ToolResult } from "../../tools/result.ts";
import { MODERN } from "../frames.ts";
import type { AuthorizedRequest } from "./auth.ts";
import { sendWhole } from "./responses.ts";
import { abortWhenGone, type StatelessHandler } from "./stateless.ts";
import { JSON_HEADERS } from "./web.ts";

/** Clients send the same `_meta` with each request, so few are ever known; the bounds are for hostile ones. */
const MAX_KNOWN_METAS = 1_000;
const MAX_META_CHARS = 2_000;

/** A request that needs nothing of the SDK: it has only the fields that are named here. */
interface PlainRequest {
  readonly id: string | number;
  readonly method: "tools/call" | "tools/list";
  readonly params: { readonly name?: string; readonly arguments?: object; readonly _meta: object };
}

/**
 * Answers plain `tools/call` and `tools/list` requests itself: the SDK's objects and repeated parses take most of the
 * time of a call. Whatever is out of the ordinary, in a request or in a tool's result, is left to `sdk`, and so is
 * every protocol error. With users' modules all is, because their handlers may want any part of a request.
 */
export function createDirect(connectionDeps: ConnectionDeps, sdk: StatelessHandler): StatelessHandler {
  const { activity, catalog, registers } = connectionDeps;
  const isMetaGood = createMetaCheck();
  const listTexts = new WeakMap<readonly ListedTool[], string>();
  const listText = (tools: readonly ListedTool[]): string => {
    const known = listTexts.get(tools) ?? toText({ tools, ttlMs: 0, cacheScope: "private" });
    listTexts.set(tools, known);
    return known;
  };
  const call = async (authorized: AuthorizedRequest, { id, params }: PlainRequest): Promise<void> => {
    const { auth, res } = authorized;
    const signal = abortWhenGone(res);
    const opened = openContext(connectionDeps, { ...auth, signal });
    try {
      const result = await opened.toolkit.call(params.name as string, params.arguments);
      if (!isPlainResult(result)) {
        const toolkit = { ...opened.toolkit, call: async () => result };
        return await sdk.serve(authorized, { ...opened, toolkit });
      }
      if (!signal.aborted) respond(res, id, toText(result, result._meta));
    } finally {
      await opened.dispose();
    }
  };
  return {
    async serve(authorized) {
      const { auth, req, res, body } = authorized;
      if (registers.length > 0 || !isPlainRequest(req.headers, body) || !isMetaGood(body))
        return sdk.serve(authorized);
      const tools = catalog.list(auth.scopes);
      const isCall = body.method === "tools/call";
      if (isCall && !tools.some(({ name }) => name === body.params.name)) return sdk.serve(authorized);
      activity.note();
      if (isCall) return call(authorized, body);
      // No context is opened: the list is the same for everybody with these scopes.
      respond(res, body.id, listText(tools));
    },
  };
}

const respond = (res: AuthorizedRequest["res"], id: string | number, result: string): void =>
  sendWhole(res, 200, JSON_HEADERS, `{"result":${result},"jsonrpc":"2.0","id":${JSON.stringify(id)}}`);

/** The JSON of a complete result, with what the protocol adds to each. */
const toText = (result: object, meta?: object): string =>
  JSON.stringify({
    ...result,
    resultType: "complete",
    _meta: { ...meta, [SERVER_INFO_META_KEY]: RESULT_INFO },
  });

const PARAMS = { "tools/list": new Set(["_meta"]), "tools/call": new Set(["_meta", "name", "arguments"]) };
const REQUEST = new Set(["jsonrpc", "id", "method", "params"]);

function isPlainRequest(headers: AuthorizedRequest["req"]["headers"], body: unknown): body is PlainRequest {
  if (!isPlainObject(body, REQUEST)) return false;
  const { jsonrpc, id, method, params } = body;
  if (jsonrpc !== "2.0" || (typeof id !== "string" && !Number.isSafeInteger(id))) return false;
  if (method !== "tools/list" && method !== "tools/call") return false;
  if (headers["mcp-protocol-version"] !== MODERN || headers["mcp-method"] !== method) return false;
  if (!isPlainObject(params, PARAMS[method])) return false;
  const { name, arguments: args } = params;
  if (method === "tools/list") return true;
  const isNamed = typeof name === "string" && headers["mcp-name"] === name;
  // zod drops such a key, and what becomes of it is not ours to decide.
  return isNamed && (args === undefined || (isPlainObject(args) && !Object.hasOwn(args, "__proto__")));
}

/** Checks each `_meta` once with the SDK, which also reads the protocol version in it. */
function createMetaCheck(): (request: PlainRequest) => boolean {
  const known = new Set<string>();
  return (body) => {
    const meta = JSON.stringify(body.params._meta);
    if (known.has(meta)) return true;
    const versions = { httpMethod: "POST", protocolVersionHeader: MODERN, mcpMethodHeader: body.method };
    const route = classifyInboundRequest({ ...versions, body });
    // Progress is sent as a stream.
    if (route.kind !== "modern" || "progressToken" in body.params._meta) return false;
    if (known.size >= MAX_KNOWN_METAS) known.clear();
    if (meta.length <= MAX_META_CHARS) known.add(meta);
    return true;
  };
}

const RESULT = new Set(["content", "structuredContent", "isError", "_meta"]);
const TEXT_BLOCK = new Set(["type", "text"]);

/** True for a result that the SDK would send as it is. A user's tool may return anything that looks like one. */
function isPlainResult(result: ToolResult): boolean {
  if (!isPlainObject(result, RESULT)) return false;
  const { content, structuredContent, isError, _meta } = result;
  for (const block of content as unknown[])
    if (!isPlainObject(block, TEXT_BLOCK) || block.type !== "text" || typeof block.text !== "string")
      return false;
  const isObject = structuredContent === undefined || isPlainObject(structuredContent);
  const isOurs = _meta === undefined || isPlainObject(_meta, ERROR_META);
  return isObject && isOurs && (isError === undefined || typeof isError === "boolean");
}

const ERROR_META = new Set(["nightshift/error"]);

/** True for a plain object that has no other fields than `fields`. */
function isPlainObject(value: unknown, fields?: ReadonlySet<string>): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return false;
  return fields === undefined || Object.keys(value).every((field) => fields.has(field));
}
