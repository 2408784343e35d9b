import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readMcpConfig } from "../../src/upstream/config.ts";
import { tempDir } from "../harness.ts";

/** As other clients write it. */
const VARIABLE = ["$", "{HOME}"].join("");

const write = async (content: unknown): Promise<string> => {
  const file = join(await tempDir(), "servers.json");
  await writeFile(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
};
const problemOf = async (content: unknown): Promise<string> =>
  readMcpConfig(await write(content)).then(
    () => "none",
    (error: Error & { code?: string }) => `${error.code} ${error.message}`,
  );
const oneServer = (server: unknown) => problemOf({ mcpServers: { weather: server } });

describe("--mcp-config", () => {
  it("reads the file of a desktop client as it is", async () => {
    const file = await write({
      mcpServers: {
        files: { command: "npx", args: ["-y", "server-files", "/data"], env: { TOKEN: "t" }, cwd: "sub" },
        bare: { type: "stdio", command: "server" },
        web: { type: "http", url: "https://example.org/mcp", headers: { Authorization: "Bearer x" } },
        plain: { url: "http://127.0.0.1:9/mcp" },
      },
    });
    expect(await readMcpConfig(file)).toEqual([
      {
        kind: "stdio",
        name: "files",
        command: "npx",
        args: ["-y", "server-files", "/data"],
        env: { TOKEN: "t" },
        cwd: join(file, "../sub"),
      },
      { kind: "stdio", name: "bare", command: "server", args: [], env: {}, cwd: undefined },
      {
        kind: "http",
        name: "web",
        url: "https://example.org/mcp",
        headers: { Authorization: "Bearer x" },
      },
      { kind: "http", name: "plain", url: "http://127.0.0.1:9/mcp", headers: {} },
    ]);
  });

  it("names the file and the key of what is wrong", async () => {
    expect(await oneServer({ command: "x", argz: [] })).toMatch(
      /CONFIG_INVALID servers\.json .*mcpServers\.weather\.argz: there is no such key/,
    );
    expect(await oneServer({ command: "x", args: "a" })).toContain("mcpServers.weather.args: ");
    expect(await oneServer({ args: [] })).toContain("mcpServers.weather.command: ");
    expect(await oneServer({ url: "ftp://x" })).toContain("mcpServers.weather.url: it must be an http://");
    expect(await oneServer({ url: "http://x", command: "y" })).toContain("mcpServers.weather.command: ");
    expect(await oneServer({ type: "sse", url: "http://x" })).toContain("mcpServers.weather.type: the old");
    expect(await problemOf({ servers: {} })).toContain("mcpServers: ");
    expect(await problemOf("{ secret")).toBe("CONFIG_INVALID servers.json (--mcp-config): it is not JSON.");
    expect(await problemOf({ mcpServers: { a__b: { command: "x" } } })).toContain('mcpServers."a__b"');
    await expect(readMcpConfig("/nowhere/servers.json")).rejects.toThrow(/cannot be read \(ENOENT\)/);
  });

  it("refuses variables instead of passing them on as they are, and tells no value", async () => {
    const said = await oneServer({ command: "x", env: { TOKEN: `sk-4711-${VARIABLE}` } });
    expect(said).toContain("mcpServers.weather.env.TOKEN: variables are not expanded here");
    expect(said).not.toContain("4711");
    expect(await oneServer({ url: "http://x", headers: { A: VARIABLE } })).toContain("weather.headers.A: ");
  });
});
