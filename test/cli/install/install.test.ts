import { chmod, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { CLIENTS, pathsOn } from "../../../src/cli/install/clients.ts";
import { cli } from "../../child-process.ts";
import { tempDir } from "../../harness.ts";
import { FILES } from "./fixtures.ts";

const IDS = CLIENTS.map(({ id }) => id);
const fileOf = (home: string, id: string): string => {
  const client = CLIENTS.find((one) => one.id === id);
  const paths = pathsOn({ platform: "linux", home, variable: () => undefined }, client?.files ?? []);
  return paths[0] ?? "";
};

/** A home with the files of these clients, which everybody may read. */
async function homeWith(ids: readonly string[] = IDS): Promise<string> {
  const home = await tempDir();
  for (const id of ids) {
    await mkdir(dirname(fileOf(home, id)), { recursive: true });
    await writeFile(fileOf(home, id), FILES[id] ?? "");
    await chmod(fileOf(home, id), 0o644);
  }
  return home;
}

async function install(home: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await cli(["install", "--json", ...args], { env: { HOME: home, ...env } });
  const shown = stdout ? JSON.parse(stdout) : {};
  const statuses: Record<string, string> = {};
  for (const { client, status } of shown.clients ?? []) statuses[client] = status;
  return { code, stdout, stderr, shown, statuses };
}

const all = (status: string, ids = IDS) => Object.fromEntries(ids.map((id) => [id, status]));
const readAll = (home: string) => Promise.all(IDS.map((id) => readFile(fileOf(home, id), "utf8")));
const modeOf = async (file: string) => (await stat(file)).mode & 0o777;

describe("nightshift install", () => {
  it("adds the server to every client that is there, is the same the second time, and undoes it", async () => {
    const home = await homeWith();
    const before = await readAll(home);
    expect(await install(home, ["--dry-run"])).toMatchObject({ code: 0, statuses: all("added") });
    expect(await readAll(home)).toEqual(before);
    const added = await install(home);
    expect(added).toMatchObject({ code: 0, statuses: all("added"), stderr: "" });
    for (const { backup } of added.shown.clients) expect(await modeOf(backup)).toBe(0o600);
    const after = await readAll(home);
    expect(await install(home)).toMatchObject({ code: 0, statuses: all("unchanged") });
    expect(await readAll(home)).toEqual(after);
    expect(await install(home, ["--remove"])).toMatchObject({ code: 0, statuses: all("removed") });
    expect(await readAll(home)).toEqual(before);
    expect(await install(home, ["--remove"])).toMatchObject({ code: 0, statuses: all("absent") });
    const files = await readdir(home, { recursive: true });
    expect(files.filter((file) => /before-nightshift|\.tmp$/.test(file))).toEqual([]);
  }, 60_000);

  it("undoes changes of its own too, and leaves those that others made", async () => {
    const home = await homeWith();
    const before = await readAll(home);
    await install(home);
    await install(home, ["--http", "http://127.0.0.1:3333/mcp"]);
    const file = fileOf(home, "windsurf");
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replace('"disabled": true', '"disabled": false'));
    await install(home, ["--remove"]);
    const own = IDS.indexOf("windsurf");
    const wanted = before.map((one, i) => (i === own ? one.replace("true", "false") : one));
    expect(await readAll(home)).toEqual(wanted);
  }, 60_000);

  it("finds only what is installed, and writes a client that is named in any case", async () => {
    const home = await homeWith(["cursor"]);
    await mkdir(join(home, ".gemini"));
    expect((await install(home)).statuses).toEqual({ cursor: "added", gemini: "added" });
    expect((await install(home, ["zed", "gemini"])).statuses).toEqual({ zed: "added", gemini: "unchanged" });
    expect(await modeOf(fileOf(home, "zed"))).toBe(0o600);
    expect((await install(home, ["zed", "--remove"])).statuses).toEqual({ zed: "removed" });
    expect(await stat(fileOf(home, "zed")).catch(({ code }) => code)).toBe("ENOENT");
    const { code, stderr } = await install(await tempDir());
    expect([code, stderr]).toEqual([1, expect.stringMatching(/No MCP client .* is installed here/)]);
    expect(await install(home, ["emacs"])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/Allowed choices/),
    });
  }, 60_000);

  it("leaves a broken file alone, names its line, and goes on with the others", async () => {
    const home = await homeWith(["cursor", "goose", "windsurf", "zed"]);
    await writeFile(fileOf(home, "cursor"), '{\n  "mcpServers": {\n    "a": {}\n    "b": {}\n  }\n}\n');
    await writeFile(fileOf(home, "windsurf"), Buffer.from("\ufeff{}", "utf16le"));
    const before = await readFile(fileOf(home, "cursor"));
    const { code, statuses, shown } = await install(home);
    expect(code).toBe(1);
    expect(statuses).toEqual({ cursor: "failed", windsurf: "failed", goose: "added", zed: "added" });
    expect(shown.clients[0]).toMatchObject({ client: "cursor", detail: "line 4: comma expected" });
    expect(shown.clients[1]).toMatchObject({ client: "windsurf", detail: "it is not UTF-8 text" });
    expect(await readFile(fileOf(home, "cursor"))).toEqual(before);
  });

  it("writes to where a link leads, and keeps the link", async () => {
    const home = await homeWith(["cursor", "zed"]);
    const dotfiles = join(home, "dotfiles");
    await mkdir(dotfiles);
    await writeFile(join(dotfiles, "codex.toml"), FILES.codex ?? "");
    await mkdir(join(home, ".codex"));
    await symlink(join(dotfiles, "codex.toml"), fileOf(home, "codex"));
    await mkdir(join(home, ".gemini"));
    await symlink(join(home, "nowhere.json"), fileOf(home, "gemini"));
    const { statuses, shown } = await install(home, ["codex", "gemini"]);
    expect(statuses).toEqual({ codex: "added", gemini: "failed" });
    expect(shown.clients[1].detail).toBe("it is a link to a file that is not there");
    expect((await lstat(fileOf(home, "codex"))).isSymbolicLink()).toBe(true);
    expect(await readFile(join(dotfiles, "codex.toml"), "utf8")).toContain("[mcp_servers.nightshift]");
  });

  it("keeps what the user filled in and added, and what another kind of entry does not need goes", async () => {
    const home = await homeWith(["cursor"]);
    const entry = {
      command: "old",
      args: [],
      env: { NIGHTSHIFT_MODEL: "openai:mine", OTHER: "1" },
      disabled: true,
    };
    await writeFile(fileOf(home, "cursor"), JSON.stringify({ mcpServers: { nightshift: entry } }));
    const read = async () => JSON.parse(await readFile(fileOf(home, "cursor"), "utf8")).mcpServers.nightshift;
    await install(home, ["--data", join(home, "night"), "--user", "bob"]);
    expect(await read()).toEqual({
      command: process.execPath,
      args: [expect.stringMatching(/cli\.js$/), "stdio", "--data", join(home, "night"), "--user", "bob"],
      env: { NIGHTSHIFT_MODEL: "openai:mine", NIGHTSHIFT_MODEL_API_KEY: "", OTHER: "1" },
      disabled: true,
    });
    await install(home, ["--http", "https://example.com/mcp"]);
    expect(await read()).toEqual({ url: "https://example.com/mcp" });
  });
});

describe("a key", () => {
  const SECRET = "nsk_0123456789abcdef_secret";

  it("is written only into files that nobody else can read, and is never shown", async () => {
    const home = await homeWith();
    const key = join(home, "key.txt");
    await writeFile(key, `${SECRET}\n`);
    const args = ["--http", "http://127.0.0.1:3333/mcp", "--key-file", key];
    const dry = await install(home, [...args, "--dry-run"]);
    expect(dry.stdout).toContain("***");
    const written = await install(home, args);
    expect(dry.stdout + written.stdout).not.toContain(SECRET);
    for (const id of IDS) {
      expect(await readFile(fileOf(home, id), "utf8"), id).toContain(SECRET);
      expect(await modeOf(fileOf(home, id)), id).toBe(0o600);
    }
    // The same without the key: the entries for this server keep theirs, an entry for another one gets none.
    expect((await install(home, args.slice(0, 2))).statuses).toEqual(all("unchanged"));
    await install(home, ["--http", "https://example.com/mcp"]);
    for (const text of await readAll(home)) expect(text).not.toContain(SECRET);
  }, 60_000);

  it("of the model comes from the environment; a file that has it already is closed to others", async () => {
    const home = await homeWith(["goose"]);
    const env = { NIGHTSHIFT_MODEL: "openai:x", NIGHTSHIFT_MODEL_API_KEY: SECRET };
    const { stdout } = await install(home, [], env);
    expect(stdout).not.toContain(SECRET);
    expect(await readFile(fileOf(home, "goose"), "utf8")).toContain(`NIGHTSHIFT_MODEL_API_KEY: ${SECRET}`);
    await chmod(fileOf(home, "goose"), 0o644);
    expect((await install(home)).statuses).toEqual({ goose: "changed" });
    expect(await modeOf(fileOf(home, "goose"))).toBe(0o600);
  });

  it("and a URL are refused when they are not what they should be", async () => {
    const home = await homeWith(["cursor"]);
    const key = join(home, "key.txt");
    await writeFile(key, "two\nlines");
    const http = ["--http", "http://127.0.0.1:3333/mcp"];
    for (const [args, message] of [
      [["--key-file", key], /give --http too/],
      [[...http, "--key-file", key], /the key on one line/],
      [[...http, "--key-file", join(home, "none")], /the key on one line/],
      [["--http", "ftp://example.com"], /--http takes the URL/],
      [["--http", "https://me:pass@example.com/mcp"], /without a password/],
    ] as const)
      expect(await install(home, args)).toMatchObject({ code: 1, stderr: expect.stringMatching(message) });
    expect(await readFile(fileOf(home, "cursor"), "utf8")).toBe(FILES.cursor);
  });
});
