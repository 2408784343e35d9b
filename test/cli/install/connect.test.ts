import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse as parseToml } from "@decimalturn/toml-patch";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { parse as parseJsonc } from "jsonc-parser";
import { expect, it, onTestFinished } from "vitest";
import { parse as parseYaml } from "yaml";
import { CLIENTS, pathsOn } from "../../../src/cli/install/clients.ts";
import { cli } from "../../child-process.ts";
import { ROOT, tempDir } from "../../harness.ts";
import { serve } from "../../http/harness.ts";

const PARSERS = { jsonc: parseJsonc, toml: parseToml, yaml: parseYaml };

/** The entry of each client, as its file has it after `nightshift install`. */
async function entriesAfter(home: string, args: readonly string[]) {
  const ids = CLIENTS.map(({ id }) => id);
  const { code, stderr } = await cli(["install", ...ids, ...args], { env: { HOME: home } });
  expect([code, stderr]).toEqual([0, ""]);
  // biome-ignore lint/suspicious/noExplicitAny: what the file has
  const entries: [string, any][] = [];
  for (const { id, files, format, servers } of CLIENTS) {
    const [file = ""] = pathsOn({ platform: "linux", home, variable: () => undefined }, files);
    entries.push([id, PARSERS[format](await readFile(file, "utf8"))[servers].nightshift]);
  }
  return entries;
}

async function whoami(transport: StdioClientTransport | StreamableHTTPClientTransport) {
  const client = new Client({ name: "test", version: "1" });
  onTestFinished(() => client.close());
  await client.connect(transport);
  const { structuredContent } = await client.callTool({ name: "whoami", arguments: {} });
  await client.close();
  return structuredContent;
}

it("each client's entry starts a server that answers", async () => {
  const home = await tempDir();
  const entries = await entriesAfter(home, ["--data", join(home, "night"), "--user", "bob"]);
  for (const [id, { command, cmd, args, env, envs }] of entries) {
    const started = { command: command ?? cmd, args, env: { HOME: home, ...(env ?? envs) } };
    expect(await whoami(new StdioClientTransport(started)), id).toMatchObject({ user_id: "bob" });
  }
}, 120_000);

it("each client's entry for a URL reaches the server with its key, Claude Desktop's through mcp-remote", async () => {
  const server = await serve();
  const home = await tempDir();
  const keyFile = join(home, "key.txt");
  await writeFile(keyFile, await server.key("bob"));
  const entries = await entriesAfter(home, ["--http", server.url, "--key-file", keyFile]);
  for (const [id, entry] of entries) {
    const { headers, http_headers, args, env } = entry;
    const url = entry.url ?? entry.uri ?? entry.serverUrl ?? entry.httpUrl;
    const transport = url
      ? new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: headers ?? http_headers } })
      : new StdioClientTransport({
          command: process.execPath,
          args: [join(ROOT, "node_modules/mcp-remote/dist/proxy.js"), ...args.slice(2)],
          env: { HOME: home, PATH: process.env.PATH ?? "", ...env },
        });
    expect(await whoami(transport), id).toMatchObject({ user_id: "bob" });
  }
}, 120_000);
