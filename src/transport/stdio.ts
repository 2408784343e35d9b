import { Writable } from "node:stream";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { type ConnectionDeps, openConnection } from "../connection/connection.ts";
import { type Principal, userKeyOf } from "../context/user-context.ts";
import { limitMessages, type StdioLimits } from "./stdio-limits.ts";
import { openLines } from "./stdio-lines.ts";

/**
 * Serves one desktop client over this process's stdin and stdout, in either protocol era. Resolves when the client has
 * disconnected and its calls have finished, for which they have `finishMs`, or `signal` aborts. The caller is a human: the one who started the process.
 */
export async function serveOverStdio(
  connectionDeps: ConnectionDeps,
  principal: Principal,
  {
    signal,
    stdout,
    finishMs,
    limits,
  }: { signal: AbortSignal; stdout: Writable; finishMs: number; limits: Omit<StdioLimits, "unfinished"> },
): Promise<void> {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const transport = limitMessages(openLines(process.stdin, stdout, finishMs), {
    ...limits,
    unfinished: () => connectionDeps.work.unfinished(userKeyOf(principal)),
  });
  const handle = serveStdio(
    async ({ era }) =>
      (await openConnection(connectionDeps, { principal, entityType: "human", signal }, era)).server,
    {
      transport,
      onerror: (error) => connectionDeps.log.warn({ reason: error.message }, "a message could not be served"),
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

/**
 * Keeps stdout for MCP: from now on, what other code in this process writes there, such as a `console.log` in a user's
 * tool, goes to stderr. Returns a stream to the real stdout. Call it before users' modules are loaded.
 */
export function takeStdout(): Writable {
  const { stdout, stderr } = process;
  const write = stdout.write.bind(stdout);
  stdout.write = stderr.write.bind(stderr) as typeof stdout.write;
  // When the client has gone, the write's own callback tells the transport.
  stdout.on("error", () => {});
  return new Writable({
    decodeStrings: false,
    write: (chunk: string, encoding, done) => void write(chunk, encoding, done),
  });
}
