import { join } from "node:path";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport as HttpV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { onTestFinished } from "vitest";
import type { AnyClient, CallResult } from "../harness.ts";
import { ROOT, tempDir } from "../harness.ts";
import { MODERN } from "./harness.ts";

export const HTTP_CLIENTS = [
  "v1 client, 2025 era",
  "v1 client, HTTP+SSE",
  "v2 client, 2025 era",
  "v2 client, 2026 era",
  "mcp-remote",
] as const;
export type HttpClientKind = (typeof HTTP_CLIENTS)[number];

const INFO = { name: "test", version: "1" };

/** Connects a real client over HTTP. Closed with the test. */
export async function connect(
  kind: HttpClientKind,
  server: { base: string },
  token?: string,
): Promise<Omit<AnyClient, "stderr" | "pid">> {
  const client = kind.startsWith("v1")
    ? new ClientV1(INFO)
    : new Client(INFO, {
        versionNegotiation: { mode: kind.endsWith("2026 era") ? { pin: MODERN } : "legacy" },
      });
  const transport = await transportOf(kind, server.base, token);
  onTestFinished(() => client.close());
  await client.connect(transport as never);
  return {
    raw: client,
    call: (name, args = {}) => client.callTool({ name, arguments: args }) as Promise<CallResult>,
    listTools: async () => (await client.listTools()).tools as never,
    close: () => client.close(),
  };
}

async function transportOf(kind: HttpClientKind, base: string, token: string | undefined) {
  const headers: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const url = new URL(`${base}/mcp`);
  if (kind === "v1 client, HTTP+SSE")
    return new SSEClientTransport(new URL(`${base}/sse`), { requestInit: { headers } });
  if (kind === "v1 client, 2025 era") return new HttpV1(url, { requestInit: { headers } });
  if (kind === "mcp-remote") return throughRemote(url, token);
  return new StreamableHTTPClientTransport(url, { requestInit: { headers } });
}

/** The bridge that stdio-only clients use, as a child process with a home of its own. */
async function throughRemote(url: URL, token: string | undefined) {
  const home = await tempDir();
  // mcp-remote advises to pass values with a space through the environment.
  const header = token === undefined ? [] : ["--header", `Authorization:\${AUTH}`];
  return new StdioClientTransport({
    command: process.execPath,
    args: [join(ROOT, "node_modules/mcp-remote/dist/proxy.js"), url.href, "--allow-http", ...header],
    env: {
      PATH: process.env.PATH ?? "",
      HOME: home,
      MCP_REMOTE_CONFIG_DIR: home,
      ...(token !== undefined && { AUTH: `Bearer ${token}` }),
    },
    stderr: "ignore",
  });
}
