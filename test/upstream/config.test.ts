// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what people write in their own files
import { writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readMcpConfig } from "../../src/upstream/config.ts";
import { tempDir } from "../harness.ts";

const ENVIRONMENT: Record<string, string> = { TOKEN: "sk-4711", NESTED: "${TOKEN}", EMPTY: "" };
const variable = (name: string) => ENVIRONMENT[name];

const write = async (content: unknown): Promise<string> => {
  const file = join(await tempDir(), "servers.json");
  await writeFile(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
};
const problemOf = async (content: unknown): Promise<string> =>
  readMcpConfig(await write(content), variable).then(
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
    expect(await readMcpConfig(file, variable)).toEqual([
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

  it("takes ~ for the home folder in a command and in cwd", async () => {
    const file = await write({ mcpServers: { files: { command: "~/bin/server", cwd: "~" } } });
    const [server] = await readMcpConfig(file, variable);
    expect(server).toMatchObject({ command: join(homedir(), "bin/server"), cwd: homedir() });
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
    await expect(readMcpConfig("/nowhere/servers.json", variable)).rejects.toThrow(
      /cannot be read \(ENOENT\)/,
    );
  });

  it("puts in what the environment has, once, and says which variable it lacks, and no value", async () => {
    const web = { url: "http://${HOST:-127.0.0.1}:9/mcp", headers: { Authorization: "Bearer ${TOKEN}" } };
    const files = { command: "x", args: ["${NESTED}", "a${EMPTY}b$c{d}"], env: { K: "${A:-}" } };
    expect(await readMcpConfig(await write({ mcpServers: { web, files } }), variable)).toMatchObject([
      { url: "http://127.0.0.1:9/mcp", headers: { Authorization: "Bearer sk-4711" } },
      { args: ["${TOKEN}", "ab$c{d}"], env: { K: "" } },
    ]);
    const said = await oneServer({ command: "x", env: { A: "${TOKEN}${NONE}" } });
    expect(said).toContain("mcpServers.weather.env.A: the environment has no NONE");
    expect(said).not.toContain("4711");
    expect(await oneServer({ command: "x", args: ["${a.b}"] })).toContain("weather.args.0: a variable is");
  });
});
