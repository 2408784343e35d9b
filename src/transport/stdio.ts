import { StdioServerTransport, serveStdio } from "@modelcontextprotocol/server/stdio";
import { type House, openConnection } from "../connection/connection.ts";
import type { Principal } from "../context/user-context.ts";

/**
 * Serves one desktop client over this process's stdin and stdout, in either protocol era. Resolves when the
 * client has gone or `signal` aborts. Whoever started the process is the human it acts for.
 */
export async function serveOverStdio(house: House, principal: Principal, signal: AbortSignal): Promise<void> {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const transport = new StdioServerTransport();
  const handle = serveStdio(
    async ({ era }) => (await openConnection(house, { principal, entityType: "human", signal }, era)).server,
    {
      transport,
      onerror: (error) => house.log.warn({ reason: error.message }, "a message could not be served"),
    },
  );
  const close = () => void handle.close();
  signal.addEventListener("abort", close, { once: true });
  const { onclose } = transport;
  transport.onclose = () => {
    onclose?.();
    resolve();
  };
  if (signal.aborted) close();
  await ended;
  signal.removeEventListener("abort", close);
}
