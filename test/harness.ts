import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as StdioV1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterAll, beforeAll, expect, onTestFinished } from "vitest";
import { databaseEnvironment } from "./database-url.ts";

export const ROOT = new URL("..", import.meta.url).pathname;

/** The program as it ships, which starts twice as fast as its source. It is built before the first test. */
export const CLI = join(ROOT, "dist/cli.js");

/** A folder of the test's own, removed when the test has finished. */
export async function tempDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "nightshift-test-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Calls `ask` until it resolves to something truthy. Rejects after `timeoutMs`. */
export async function eventually<T>(
  ask: () => Promise<T | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await ask();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`it did not come true within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export interface CallResult {
  readonly content: { type: string; text: string }[];
  // biome-ignore lint/suspicious/noExplicitAny: tests read what the output schemas promise, and fail where it is absent
  readonly structuredContent?: any;
  readonly isError?: boolean;
  readonly _meta?: Record<string, unknown>;
}

/** The part of a client that tests use, whichever SDK and era it is. */
export interface AnyClient {
  call(name: string, args?: Record<string, unknown>): Promise<CallResult>;
  listTools(): Promise<
    { name: string; title?: string; outputSchema?: unknown; annotations?: unknown; inputSchema: unknown }[]
  >;
  close(): Promise<void>;
  readonly stderr: () => string;
  readonly pid: number | null;
  // biome-ignore lint/suspicious/noExplicitAny: the SDKs' own clients, for what only one of them can do
  readonly raw: any;
}

export const CLIENTS = ["v1 client, 2025 era", "v2 client, 2025 era", "v2 client, 2026 era"] as const;
export type ClientKind = (typeof CLIENTS)[number];

export interface SpawnOptions {
  readonly data: string;
  readonly user?: string;
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
  /** The program to start; default CLI. */
  readonly cli?: string;
  /** Keeps it running when the test has finished: the test itself must close it. */
  readonly keep?: boolean;
}

const INFO = { name: "test", version: "1" };

/** Spawns a real stdio server and connects a real client to it. */
export async function spawnStdio(kind: ClientKind, options: SpawnOptions): Promise<AnyClient> {
  const args = [
    options.cli ?? CLI,
    "stdio",
    "--data",
    options.data,
    "--user",
    options.user ?? "alice",
    ...(options.args ?? []),
  ];
  const database = await databaseEnvironment(args);
  const env = { PATH: process.env.PATH ?? "", NIGHTSHIFT_LOG_LEVEL: "info", ...database, ...options.env };
  const params = { command: process.execPath, args, env, stderr: "pipe" as const };
  const transport = kind.startsWith("v1") ? new StdioV1(params) : new StdioClientTransport(params);
  let stderr = "";
  transport.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const mode = kind.endsWith("2026 era") ? { pin: "2026-07-28" } : "legacy";
  const client = kind.startsWith("v1")
    ? new ClientV1(INFO)
    : new Client(INFO, { versionNegotiation: { mode: mode as never } });
  await client.connect(transport as never);
  if (!options.keep) onTestFinished(() => client.close());
  return {
    raw: client,
    pid: transport.pid,
    stderr: () => stderr,
    call: (name, args = {}) => client.callTool({ name, arguments: args }) as Promise<CallResult>,
    listTools: async () => (await client.listTools()).tools as never,
    close: () => client.close(),
  };
}

/** One stdio server for all tests of the `describe` that calls this: for tests that do not disturb each other. */
export function shareStdio(kind: ClientKind): () => AnyClient {
  let client: AnyClient | undefined;
  let data = "";
  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), "nightshift-test-"));
    client = await spawnStdio(kind, { data, keep: true });
  });
  afterAll(async () => {
    await client?.close();
    await rm(data, { recursive: true, force: true });
  });
  return () => {
    if (!client) throw new Error("the server is not there: this was called outside of a test");
    return client;
  };
}

/** Subscribes in the way of the client's era. Resolves to a list to which the URIs of updates are added. */
export async function follow(kind: ClientKind, client: AnyClient, uris: readonly string[]) {
  const told: string[] = [];
  const take = ({ params }: { params: { uri: string } }) => void told.push(params.uri);
  const method = kind.startsWith("v1")
    ? ResourceUpdatedNotificationSchema
    : "notifications/resources/updated";
  client.raw.setNotificationHandler(method, take);
  if (kind.endsWith("2026 era")) {
    const subscription = await client.raw.listen({ resourceSubscriptions: uris });
    expect(subscription.honoredFilter).toEqual({ resourceSubscriptions: uris });
    return { told, stop: () => subscription.close() };
  }
  for (const uri of uris) await client.raw.subscribeResource({ uri });
  const stop = async () => {
    for (const uri of uris) await client.raw.unsubscribeResource({ uri });
  };
  return { told, stop };
}
