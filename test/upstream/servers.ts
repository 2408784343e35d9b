import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { onTestFinished } from "vitest";
import { z } from "zod";
import type { UpstreamServer } from "../../src/upstream/config.ts";
import { ROOT } from "../harness.ts";

export const STDIO_SERVER = join(ROOT, "test/upstream/stdio-server.ts");

/** The 2025-era server, as a child process. */
export const overStdio = (name: string, ...args: string[]): UpstreamServer => ({
  kind: "stdio",
  name,
  command: process.execPath,
  args: [STDIO_SERVER, ...args],
  env: { MARK: "given" },
  cwd: undefined,
});

export interface WebServer {
  readonly url: string;
  /** The headers of every request so far. */
  readonly seen: readonly IncomingMessage["headers"][];
}

/** An MCP server over HTTP, of both eras or of the newer one only; closed with the test. */
export async function startHttp({ legacy }: { legacy: "stateless" | "reject" }): Promise<WebServer> {
  const handler = createMcpHandler(
    () => {
      const server = new McpServer({ name: "web", version: "1" });
      server.registerTool(
        "add",
        {
          description: "adds",
          inputSchema: z.object({ a: z.number(), b: z.number() }),
          outputSchema: z.object({ sum: z.number() }),
        },
        ({ a, b }) => ({
          content: [{ type: "text", text: `${a + b}` }],
          structuredContent: { sum: a + b },
        }),
      );
      return server;
    },
    { legacy },
  );
  const serve = toNodeHandler(handler);
  return listen((request, response) => serve(request as never, response));
}

/** Any HTTP server on loopback; closed with the test. */
export async function listen(handle: Parameters<typeof createServer>[1] & {}): Promise<WebServer> {
  const seen: IncomingMessage["headers"][] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers);
    return handle(request as never, response as never);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, seen };
}

/** A server whose results, by method, are what the test says, whether MCP allows them or not. */
export async function startHostile(answers: Readonly<Record<string, unknown>>) {
  const asked: string[] = [];
  const { url } = await listen(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const message = JSON.parse(body || '{"method":"none"}');
    if (message.id === undefined) return void response.writeHead(202).end();
    asked.push(message.method);
    const result = answers[message.method] ?? {
      protocolVersion: "2025-06-18",
      capabilities: { tools: {} },
      serverInfo: { name: "hostile", version: "1" },
    };
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result }));
  });
  return { url, asked };
}

export const overHttp = (
  name: string,
  url: string,
  headers: Record<string, string> = {},
): UpstreamServer => ({
  kind: "http",
  name,
  url,
  headers,
});
