import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { RESULT_INFO, SERVER_INFO } from "../../src/connection/server-info.ts";
import { CLIENTS, ROOT, spawnStdio, tempDir } from "../harness.ts";
import { openAgent, send } from "../http/caller.ts";
import { serve } from "../http/harness.ts";

it.each(CLIENTS)(
  "a client is told what the server is, where its page is and how it looks: %s",
  async (kind) => {
    const client = await spawnStdio(kind, { data: await tempDir() });
    const told = kind === "v2 client, 2026 era" ? RESULT_INFO : SERVER_INFO;
    expect(client.raw.getServerVersion()).toEqual(told);
    expect(SERVER_INFO).toMatchObject({ name: "nightshift", websiteUrl: expect.stringMatching(/^https:/) });
  },
);

it("has the icon of the repository, and one that every client can show", () => {
  const [svg = "", png = ""] = (SERVER_INFO.icons ?? []).map(({ src }) => src.split(",")[1]);
  const file = readFileSync(join(ROOT, "icon.svg"), "utf8");
  expect(Buffer.from(svg, "base64").toString()).toBe(file.trim());
  expect(Buffer.from(png, "base64").subarray(1, 4).toString()).toBe("PNG");
  expect(JSON.stringify(SERVER_INFO).length).toBeLessThan(2_000);
});

it("a server card says so without a key, at its place and at that of older drafts", async () => {
  const server = await serve({ publicUrl: "https://night.example/" });
  await server.key("bob");
  const agent = openAgent();
  const [card, old] = await Promise.all(
    ["/mcp/server-card", "/.well-known/mcp/server-card.json"].map((path) =>
      send(agent, server.base + path, { method: "GET" }),
    ),
  );
  expect(card).toMatchObject({
    status: 200,
    headers: { "content-type": "application/mcp-server-card+json" },
  });
  expect(old?.text).toBe(card?.text);
  const { name: _name, ...info } = SERVER_INFO;
  const shown = JSON.parse(card?.text ?? "");
  expect(shown).toMatchObject({ ...info, name: "io.github.nightshift-mcp/nightshift" });
  expect(shown.remotes).toMatchObject([{ type: "streamable-http", url: "https://night.example/mcp" }]);
  expect(shown.remotes[0].supportedProtocolVersions).toEqual(
    expect.arrayContaining(["2026-07-28", "2025-11-25"]),
  );
  expect(shown.description.length).toBeLessThanOrEqual(100);
});
