import {
  type JSONRPCMessage,
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type RequestId,
  type ServerCapabilities,
  type ServerNotifier,
} from "@modelcontextprotocol/server";
import type { Handler, SetHandler } from "./handlers.ts";

// Every place where we rely on how the MCP SDK works inside, which its documentation does not promise:
// @modelcontextprotocol/server 2.4.0, and @modelcontextprotocol/sdk 1.32.2 for its SSE transport. Each function says
// on what it relies; test/connection/sdk-patches.test.ts fails when an update of the SDK changes that.

/**
 * Sets handlers on the low-level server inside an `McpServer`. Relies on `setRequestHandler` of that server replacing
 * an earlier handler of the same method, also one that `McpServer` set for what users' modules registered.
 */
export const handlerSetter = ({ server }: McpServer): SetHandler =>
  server.setRequestHandler.bind(server) as unknown as SetHandler;

const MOST_REASON_CHARS = 500;

/**
 * Answers wrong parameters of the protocol's methods with -32602 instead of -32603. Relies on the server keeping its
 * handlers in this map, and on it refusing parameters there with an Error that has no code. All other errors have a code
 * or a class of their own: ours by `withPublicErrors`, and those of users' modules by how we call them.
 * test/http/odd-clients.test.ts fails when an update of the SDK changes that.
 */
export function refuseWrongParameters({ server }: McpServer): void {
  const handlers = (server as unknown as { _requestHandlers: Map<string, Handler> })._requestHandlers;
  for (const [method, handler] of handlers)
    handlers.set(method, async (request, context) => {
      try {
        return await handler(request, context);
      } catch (error) {
        if (!isBareError(error)) throw error;
        const reason = error.message.replaceAll(/\s+/g, " ").slice(0, MOST_REASON_CHARS);
        throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Invalid params for ${method}: ${reason}`);
      }
    });
}

const isBareError = (error: unknown): error is Error =>
  error instanceof Error && Object.getPrototypeOf(error) === Error.prototype && !("code" in error);

/**
 * Wraps each handler that is set on the server until the returned function is called. Relies on `registerTool`,
 * `registerResource` and `registerPrompt` of `McpServer` calling `setRequestHandler` of the server inside it, with the
 * handler as the last argument, when the first of a kind is registered: that is how we get at the handlers of users'
 * modules, to call them for what is not ours.
 */
export function wrapHandlers(
  { server }: McpServer,
  wrap: (method: string, handler: Handler) => Handler,
): () => void {
  const original = server.setRequestHandler;
  const set = original.bind(server) as (...given: readonly unknown[]) => void;
  server.setRequestHandler = ((method: string, ...given: readonly unknown[]) =>
    set(method, ...given.slice(0, -1), wrap(method, given.at(-1) as Handler))) as typeof original;
  return () => {
    server.setRequestHandler = original;
  };
}

/**
 * Declares capabilities without handlers for them. Relies on `registerCapabilities` only noting tools, resources and
 * prompts, where the constructor of `McpServer` sets its own handlers for those that it is given: too early for
 * `wrapHandlers` to see them.
 */
export const declareCapabilities = ({ server }: McpServer, capabilities: ServerCapabilities): void =>
  server.registerCapabilities(capabilities);

/**
 * Sends change notifications of this server to `notify` instead of its client. Relies on `McpServer` and on tools'
 * handlers reaching these methods through the server object, which may then have its own.
 */
export function redirectChanges({ server }: McpServer, notify: ServerNotifier): void {
  server.sendToolListChanged = async () => notify.toolsChanged();
  server.sendPromptListChanged = async () => notify.promptsChanged();
  server.sendResourceListChanged = async () => notify.resourcesChanged();
  server.sendResourceUpdated = async ({ uri }) => notify.resourceUpdated(uri);
}

/**
 * Gives the result of the server's one request to `deliver`, unless something else was sent before it. Saves the
 * Response that the SDK would make of it, which is encoded, copied and decoded again. Errors, whose HTTP status the SDK
 * chooses, and streams stay with the SDK. Relies on `createMcpHandler` connecting the server that its factory returns
 * to a transport of that request alone, on each message going out through `transport.send`, and on the transport
 * closing in a microtask after the result, as it does by itself.
 */
export function takeResult({ server }: McpServer, deliver: (result: JSONRPCMessage) => void): void {
  const connect = server.connect.bind(server);
  server.connect = (transport) => {
    const send = transport.send.bind(transport);
    let isLeftToSdk = false;
    transport.send = async (message, options) => {
      isLeftToSdk ||= !("result" in message);
      if (isLeftToSdk) return send(message, options);
      deliver(message);
      queueMicrotask(() => void transport.close());
    };
    return connect(transport);
  };
}

interface SendingTransport {
  send(message: object, ...options: never[]): Promise<void>;
}

/**
 * Calls `onResponse` with the id of each request that is answered through `transport`, just before the response goes
 * out. Relies on the server calling `send` of the transport object for each response. The SSE transport of the old SDK
 * is among them, which a server of the new SDK takes as it takes its own.
 */
export function watchResponses(transport: SendingTransport, onResponse: (id: RequestId) => void): void {
  const send = transport.send.bind(transport);
  transport.send = (message: { readonly id?: RequestId; readonly method?: string }, ...options) => {
    if (message.id !== undefined && message.method === undefined) onResponse(message.id);
    return send(message, ...options);
  };
}

/**
 * A Request of which only the method, the signal and single headers can be read: a real one takes time to copy all
 * headers. Relies on `createMcpHandler` and `WebStandardStreamableHTTPServerTransport` reading nothing else where they
 * are given the parsed body.
 */
export function headersOnlyRequest(
  method: string,
  getHeader: (name: string) => string | null,
  signal: AbortSignal,
): Request {
  return { method, signal, headers: { get: getHeader } } as unknown as Request;
}
