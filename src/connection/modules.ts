import { randomBytes } from "node:crypto";
import {
  createRequestStateCodec,
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type RequestStateCodec,
  type ServerContext,
  type ServerOptions,
} from "@modelcontextprotocol/server";
import { getContext, withContext } from "../context/current-context.ts";
import type { UserContext } from "../context/user-context.ts";
import { toPublicContext } from "../tools/define.ts";
import type { ConnectionContext } from "../tools/modules.ts";
import {
  type Handler,
  isWireError,
  type ModuleHandlers,
  type ServerParts,
  type SetHandler,
} from "./handlers.ts";

let stateCodec: RequestStateCodec | undefined;

/** One key for the process: on the 2026 era each round of a flow is a connection of its own. */
function sealedState(): RequestStateCodec {
  stateCodec ??= createRequestStateCodec({ key: randomBytes(32), bind: () => getContext()?.userKey ?? "" });
  return stateCodec;
}

/** What our own tools need nothing of: log messages to the client, and state that it carries for a handler. */
export function forModules(context: UserContext): ServerOptions {
  return {
    capabilities: { logging: {} },
    requestState: {
      verify: (state, call) => withContext(context, () => sealedState().verify(state, call)),
    },
  };
}

/** Runs the modules' `register` and remembers the handlers that the SDK set for what they registered. */
export async function letModulesRegister(server: McpServer, parts: ServerParts): Promise<ModuleHandlers> {
  const moduleHandlers = new Map<string, Handler>();
  if (parts.registers.length === 0) return moduleHandlers;
  const inner = server.server;
  const original = inner.setRequestHandler.bind(inner) as unknown as SetHandler;
  inner.setRequestHandler = ((method: string, handler: Handler) => {
    const asThisContext: Handler = async (request, context) => {
      try {
        return await withContext(parts.toolkit.context, () => handler(request, context));
      } catch (error) {
        // What a module says of its failure is for its caller, as it is for a tool's.
        if (isWireError(error)) throw error;
        const said = error instanceof Error ? error.message : String(error);
        throw new ProtocolError(ProtocolErrorCode.InternalError, said);
      }
    };
    moduleHandlers.set(method, asThisContext);
    original(method, asThisContext);
  }) as unknown as typeof inner.setRequestHandler;
  const { context } = parts.toolkit;
  const mintState = (payload: unknown) =>
    withContext(context, () => sealedState().mint(payload, {} as ServerContext));
  const publicContext: ConnectionContext = Object.freeze({ ...toPublicContext(context), mintState });
  await withContext(context, async () => {
    for (const register of parts.registers) await register(server, publicContext);
  });
  inner.setRequestHandler = original as unknown as typeof inner.setRequestHandler;
  return moduleHandlers;
}
