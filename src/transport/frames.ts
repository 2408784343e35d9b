import {
  isJSONRPCErrorResponse,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type RequestId,
} from "@modelcontextprotocol/server";

export const MODERN = "2026-07-28";
/** Some Windows programs begin what they write with it. */
export const BYTE_ORDER_MARK = "\uFEFF";

/** What a JSON value is told that is no JSON-RPC message, with the code -32600. */
export const NOT_JSON_RPC =
  'This is no JSON-RPC message. A request has jsonrpc "2.0", an id and a method; its params, if any, are an object.';

export const isMessage = (value: unknown): value is JSONRPCMessage =>
  isJSONRPCRequest(value) ||
  isJSONRPCNotification(value) ||
  isJSONRPCResultResponse(value) ||
  isJSONRPCErrorResponse(value);

/** The id to which an error refers: the one in `value`, or null where that has none that may be one. */
export function idIn(value: unknown): RequestId | null {
  const { id } = Object(value) as { id?: unknown };
  return typeof id === "string" || Number.isSafeInteger(id) ? (id as RequestId) : null;
}
