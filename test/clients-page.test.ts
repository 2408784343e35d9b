import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CLIENTS } from "../src/cli/install/clients.ts";
import { readEntry } from "../src/cli/install/edit.ts";
import { ROOT } from "./harness.ts";

const page = readFileSync(join(ROOT, ".github/CLIENTS.md"), "utf8");
const LAUNCH = {
  command: "npx",
  args: ["-y", "nightshift", "stdio"],
  env: { NIGHTSHIFT_MODEL: "", NIGHTSHIFT_MODEL_API_KEY: "" },
};
const REMOTE = { url: "http://127.0.0.1:3333/mcp", headers: { Authorization: "Bearer <key>" } };
const BRIDGE = {
  command: "npx",
  args: ["-y", "mcp-remote", REMOTE.url, "--header", `Authorization:\${AUTHORIZATION}`],
  env: { AUTHORIZATION: "Bearer <key>" },
};

describe.each(CLIENTS)(".github/CLIENTS.md, $name", ({ name, format, servers, files, stdio, http }) => {
  const [, section = ""] = page.split(`\n## ${name}\n`);
  const own = section.split("\n## ")[0] ?? "";

  it("shows the blocks that `nightshift install` writes, for a server of its own and for one that runs", () => {
    const language = format === "jsonc" ? "json" : format;
    const blocks = [...own.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))];
    const entries = blocks.map(([, text = ""]) => readEntry(format, text, [servers, "nightshift"]));
    expect(entries).toEqual([stdio(LAUNCH), http ? http(REMOTE) : stdio(BRIDGE)]);
  });

  it("names the file", () => {
    expect(own).toContain(files[0]?.split("/").at(-1));
  });
});

it("has links that install what the blocks say", () => {
  const links = [...page.matchAll(/\]\((https:[^)]+)\)/g)].map(([, link = ""]) => new URL(link));
  const vscode = links.find(({ hostname }) => hostname === "insiders.vscode.dev");
  const asked = vscode?.searchParams.get("url") ?? "";
  expect(asked).toMatch(/^vscode:mcp\/install\?/);
  const { env: _env, ...launch } = LAUNCH;
  expect(JSON.parse(decodeURIComponent(asked.split("?")[1] ?? ""))).toEqual({
    name: "nightshift",
    ...launch,
  });
  const cursor = links.find(({ hostname }) => hostname === "cursor.com");
  expect(cursor?.searchParams.get("name")).toBe("nightshift");
  const config = Buffer.from(cursor?.searchParams.get("config") ?? "", "base64").toString();
  expect(JSON.parse(config)).toEqual(launch);
});
