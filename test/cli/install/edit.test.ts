import { describe, expect, it } from "vitest";
import { CLIENTS, pathsOn } from "../../../src/cli/install/clients.ts";
import { editEntry, readEntry } from "../../../src/cli/install/edit.ts";
import { FILES } from "./fixtures.ts";

const LAUNCH = { command: "npx", args: ["-y", "nightshift", "stdio"], env: { NIGHTSHIFT_MODEL: "" } };
const REMOTE = { url: "http://127.0.0.1:3333/mcp", headers: { Authorization: "Bearer ns_key" } };
const VARIANTS = {
  "as it is": (text: string) => text,
  "with CRLF": (text: string) => text.replaceAll("\n", "\r\n"),
  "with a byte order mark": (text: string) => `\ufeff${text}`,
  "without a last line break": (text: string) => text.trimEnd(),
};

/** True when all lines of `before` are in `after`, in their order; one may have got a comma. */
function keepsLines(before: string, after: string): boolean {
  const rest = after.split("\n").map((line) => line.replace(/,?(\r?)$/, "$1"));
  let from = 0;
  return before.split("\n").every((line) => {
    // An empty map is written in one line.
    const bare = line.replace(/\{\}(\r?)$/, "{$1").replace(/,?(\r?)$/, "$1");
    const plain = (text: string) => text.replace(/,(\s*\/\/)/, "$1").trimEnd();
    from = rest.findIndex((other, i) => i >= from && plain(other) === plain(bare)) + 1;
    return from > 0;
  });
}

describe.each(CLIENTS)("the file of $name", ({ id, format, servers, stdio, http }) => {
  const path = [servers, "nightshift"] as const;
  const entries = [stdio(LAUNCH), ...(http ? [http(REMOTE)] : [])];

  it.each(Object.entries(VARIANTS))("keeps its lines, comments and order %s", (_name, vary) => {
    const before = vary(FILES[id] ?? "");
    for (const entry of entries) {
      const after = editEntry(format, before, path, entry);
      expect(keepsLines(before, after), after).toBe(true);
      expect(readEntry(format, after, path)).toEqual(entry);
      expect(after.startsWith("\ufeff")).toBe(before.startsWith("\ufeff"));
      if (before.includes("\r\n")) expect(after).not.toMatch(/[^\r]\n/);
      else expect(after).not.toContain("\r");
    }
  });

  it.each(Object.entries(VARIANTS))("is the same when it is edited twice %s", (_name, vary) => {
    for (const entry of entries) {
      const once = editEntry(format, vary(FILES[id] ?? ""), path, entry);
      expect(editEntry(format, once, path, entry)).toBe(once);
    }
  });

  it("has its own text again when the entry is removed, but for an empty map and the last line break", () => {
    const before = FILES[id] ?? "";
    for (const entry of entries) {
      const after = editEntry(format, editEntry(format, before, path, entry), path, undefined);
      expect(after.trimEnd()).toBe(id === "lmstudio" ? "{\n}" : before.trimEnd());
    }
  });

  it("may be empty, or have comments only", () => {
    const comment = format === "jsonc" ? "// mine\n" : "# mine\n";
    for (const before of ["", "\n", comment]) {
      const after = editEntry(format, before, path, stdio(LAUNCH));
      expect(readEntry(format, after, path)).toEqual(stdio(LAUNCH));
      expect(after.startsWith(before.trim())).toBe(true);
    }
  });

  it("may hold another entry, which is replaced where it is", () => {
    const [first, second = { ...first, args: [] }] = entries;
    const before = editEntry(format, FILES[id] ?? "", path, first);
    const after = editEntry(format, before, path, second);
    expect(readEntry(format, after, path)).toEqual(second);
    expect(editEntry(format, after, path, first)).toBe(before);
  });
});

describe("a file that cannot be edited", () => {
  const entry = { command: "npx" };
  const jsonc = ["mcpServers", "nightshift"] as const;
  it.each([
    ["an object without an end", "jsonc", '{\n  "a": {\n', /^line 3: close brace expected$/],
    ["a missing comma", "jsonc", '{\n  "a": 1\n  "b": 2\n}', /^line 3: comma expected$/],
    ["a list", "jsonc", "[]", /^line 1: this is not a list of settings$/],
    ["servers that are a list", "jsonc", '{ "mcpServers": [] }', /^"mcpServers" is not a map$/],
    [
      "a key that is there twice",
      "jsonc",
      '{\n"mcpServers": {},\n"mcpServers": {}\n}',
      /^line 3: "mcpServers" is there twice$/,
    ],
    ["a value that is missing", "toml", "a = 1\nb = \n", /^line 2: /],
    ["a table that is there twice", "toml", "[a]\n[b]\n[a]\n", /^line 3: /],
    ["a wrong indentation", "yaml", "a:\n  b: 1\n c: 2\n", /^line 3: /],
    ["a quote without an end", "yaml", 'a: 1\nb: "c\n', /^line [23]: /],
  ] as const)("is refused with its line: %s", (_name, format, text, message) => {
    expect(() => editEntry(format, text, jsonc, entry)).toThrow(message);
  });

  it("is not, where the servers are null, inline or in one line", () => {
    for (const [format, text] of [
      ["jsonc", '{"mcpServers":null}'],
      ["jsonc", '{"mcpServers":{"a":{}},"b":[1,2]}'],
      ["toml", "mcpServers = { a = { b = 1 } }\n"],
      ["toml", "mcpServers.a.b = 1\n"],
      ["yaml", "mcpServers:\nb: 1\n"],
      ["yaml", "mcpServers: {} # none\n"],
      ["yaml", "{mcpServers: {a: {b: 1}}, c: &x 1, d: *x}\n"],
      ["yaml", "mcpServers:\n  a:\n    b: |\n      text\n\n# end\n"],
    ] as const)
      expect(readEntry(format, editEntry(format, text, jsonc, entry), jsonc), text).toEqual(entry);
  });
});

describe("the place of a file", () => {
  const at = (platform: NodeJS.Platform, home: string, variables: Record<string, string> = {}) =>
    Object.fromEntries(
      CLIENTS.map(({ id, files }) => [
        id,
        pathsOn({ platform, home, variable: (name) => variables[name] }, files)[0],
      ]),
    );

  it("is that of the system", () => {
    expect(at("darwin", "/Users/me")).toMatchObject({
      "claude-desktop": "/Users/me/Library/Application Support/Claude/claude_desktop_config.json",
      vscode: "/Users/me/Library/Application Support/Code/User/mcp.json",
      goose: "/Users/me/.config/goose/config.yaml",
      zed: "/Users/me/.config/zed/settings.json",
    });
    expect(at("win32", "C:\\Users\\me")).toMatchObject({
      "claude-desktop": "C:\\Users\\me\\AppData\\Roaming\\Claude\\claude_desktop_config.json",
      goose: "C:\\Users\\me\\AppData\\Roaming\\Block\\goose\\config\\config.yaml",
      zed: "C:\\Users\\me\\AppData\\Roaming\\Zed\\settings.json",
      cursor: "C:\\Users\\me\\.cursor\\mcp.json",
    });
    expect(at("linux", "/home/me")).toMatchObject({
      "claude-code": "/home/me/.claude.json",
      vscode: "/home/me/.config/Code/User/mcp.json",
      windsurf: "/home/me/.codeium/windsurf/mcp_config.json",
      codex: "/home/me/.codex/config.toml",
      gemini: "/home/me/.gemini/settings.json",
      lmstudio: "/home/me/.lmstudio/mcp.json",
    });
  });

  it("follows the variables of the client", () => {
    const variables = {
      CODEX_HOME: "/x/codex",
      CLAUDE_CONFIG_DIR: "/x/claude",
      XDG_CONFIG_HOME: "/x/config",
    };
    expect(at("linux", "/home/me", variables)).toMatchObject({
      codex: "/x/codex/config.toml",
      "claude-code": "/x/claude/.claude.json",
      zed: "/x/config/zed/settings.json",
    });
  });
});
