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
import { messageOf } from "../errors.ts";
import { toPublicContext } from "../tools/define.ts";
import type { ConnectionContext } from "../tools/modules.ts";
import { type Handler, isWireError, type ModuleHandlers, type ServerParts } from "./handlers.ts";
import { wrapHandlers } from "./sdk-patches.ts";

let stateCodec: RequestStateCodec | undefined;

/** One key for the process: in the 2026 era each round of a multi-step call is a connection of its own. */
function sealedState(): RequestStateCodec {
  stateCodec ??= createRequestStateCodec({ key: randomBytes(32), bind: () => getContext()?.userKey ?? "" });
  return stateCodec;
}

/** Server options that only users' modules need: log messages to the client, and state that it keeps for a handler. */
export function forModules(context: UserContext): ServerOptions {
  return {
    capabilities: { logging: {} },
    requestState: {
      verify: (state, call) => withContext(context, () => sealedState().verify(state, call)),
    },
  };
}

/** Runs the modules' `register` functions. Returns the handlers that the SDK set for what they registered. */
export async function letModulesRegister(server: McpServer, parts: ServerParts): Promise<ModuleHandlers> {
  const moduleHandlers = new Map<string, Handler>();
  if (parts.registers.length === 0) return moduleHandlers;
  const { context } = parts.toolkit;
  const stopWrapping = wrapHandlers(server, (method, handler) => {
    const inContext: Handler = async (request, call) => {
      try {
        return await withContext(context, () => handler(request, call));
      } catch (error) {
        // A module's error message is for its caller, as a tool's is.
        if (isWireError(error)) throw error;
        const message = messageOf(error);
        throw new ProtocolError(ProtocolErrorCode.InternalError, message);
      }
    };
    moduleHandlers.set(method, inContext);
    return inContext;
  });
  const mintState = (payload: unknown) =>
    withContext(context, () => sealedState().mint(payload, {} as ServerContext));
  const publicContext: ConnectionContext = Object.freeze({ ...toPublicContext(context), mintState });
  await withContext(context, async () => {
    for (const register of parts.registers) await register(server, publicContext);
  });
  stopWrapping();
  return moduleHandlers;
}
