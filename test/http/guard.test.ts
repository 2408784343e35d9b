import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { cli } from "../child-process.ts";
import { tempDir } from "../harness.ts";
import { bearer, ERAS, INITIALIZE, modernRequest, openAgent, openCaller, send } from "./caller.ts";
import { LEGACY, MODERN, serve, serveChild } from "./harness.ts";

const ROUTES = [
  ["GET", "/mcp"],
  ["POST", "/mcp"],
  ["DELETE", "/mcp"],
  ["GET", "/sse"],
  ["POST", "/messages?sessionId=x"],
  ["GET", "/healthz"],
  ["GET", "/readyz"],
  ["GET", "/metrics"],
  ["GET", "/nothing"],
  ["GET", "/.well-known/oauth-protected-resource"],
] as const;

describe("every route", () => {
  it("refuses a Host and an Origin that are not its own, before it asks who calls", async () => {
    const server = await serve({ sse: true, allowedHosts: ["night.example"] });
    const agent = openAgent();
    const bad = [
      { host: "evil.example" },
      { host: "localhost.evil.example" },
      { host: "127.0.0.1.nip.io:80" },
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: "http://night.example.evil.example" },
    ];
    for (const [method, path] of ROUTES)
      for (const headers of bad) {
        const { status } = await send(agent, server.base + path, { method, headers });
        expect([method, path, headers, status]).toEqual([method, path, headers, 403]);
      }
  });

  it("is reached by loopback and by the names that were allowed", async () => {
    const server = await serve({ allowedHosts: ["night.example"], publicUrl: "https://front.example/" });
    const agent = openAgent();
    for (const host of ["localhost:1", "127.0.0.1", "[::1]:3333", "night.example", "front.example:443"])
      expect((await send(agent, `${server.base}/healthz`, { method: "GET", headers: { host } })).status).toBe(
        200,
      );
    const headers = { origin: "https://front.example" };
    expect((await send(agent, `${server.base}/healthz`, { method: "GET", headers })).status).toBe(200);
  });

  it("goes on to refuse a Host that is not its own, however many good ones came before", async () => {
    const server = await serve();
    const agent = openAgent();
    const statusOf = async (host: string) =>
      (await send(agent, `${server.base}/healthz`, { method: "GET", headers: { host } })).status;
    for (let port = 1; port <= 150; port++) expect(await statusOf(`localhost:${port}`)).toBe(200);
    for (let i = 0; i < 2; i++)
      for (const host of ["evil.example", "localhost:1.evil.example", "localhost:1@evil.example"])
        expect(await statusOf(host), host).toBe(403);
    expect(await statusOf("localhost:150")).toBe(200);
  });

  it("but the bare ones asks for a credential", async () => {
    const server = await serve({ sse: true });
    const agent = openAgent();
    const open = ["/healthz", "/readyz", "/metrics", "/nothing", "/.well-known/oauth-protected-resource"];
    for (const [method, path] of ROUTES.filter(([, path]) => !open.includes(path)))
      expect((await send(agent, server.base + path, { method })).status).toBe(401);
  });
});

describe("a server without authentication", () => {
  it("does not start on an address that others can reach, and says what to do", async () => {
    for (const host of ["0.0.0.0", "::", "192.0.2.1", "localhost.example"]) {
      const args = ["serve", "--host", host, "--port", "0", "--data", await tempDir()];
      const { code, stderr } = await cli(args);
      expect(code).toBe(1);
      expect(stderr).toContain(`listens on loopback only, not on ${host}. Make a key first`);
    }
  }, 60_000);

  it("says so on loopback", async () => {
    const server = await serveChild();
    expect(server.stderr()).toContain("listening without authentication, on loopback");
    const caller = await openCaller("modern", server);
    expect((await caller.call("whoami")).structuredContent).toMatchObject({
      user_id: "alice",
      entity_type: "api",
    });
  });

  it("starts anywhere once there is a key, and lets nobody in without one", async () => {
    const data = await tempDir();
    const { stdout } = await cli(["keys", "create", "--data", data, "--user", "bob", "--json"]);
    const { key } = JSON.parse(stdout);
    const server = await serveChild({ data, args: ["--host", "0.0.0.0"] });
    const url = server.url.replace("0.0.0.0", "127.0.0.1");
    expect((await send(openAgent(), url, { body: INITIALIZE })).status).toBe(401);
    const caller = await openCaller("legacy", { url }, key);
    expect((await caller.call("whoami")).structuredContent.user_id).toBe("bob");
    expect(server.stderr()).not.toContain(key.slice(21));
  });
});

describe("nothing is made for a caller before it is known", () => {
  it("who sends no credential: no context, no session, and the body is not read", async () => {
    const server = await serve();
    const agent = openAgent();
    for (const ask of [
      { body: INITIALIZE },
      modernRequest(undefined, "tools/list"),
      { body: "{".repeat(1_000) },
    ])
      expect((await send(agent, server.url, ask)).status).toBe(401);
    expect(server.app.connectionDeps.open.size).toBe(0);
    const { text } = await send(agent, `${server.base}/metrics`, { method: "GET" });
    expect(text).toContain("nightshift_sessions 0");
  });
});

describe("errors", () => {
  it("carry a sentence and a correlation id, and nothing of the inside", async () => {
    const server = await serve();
    const key = await server.key("bob");
    const caller = await openCaller("modern", server, key);
    // There is a folder where SQLite wants its file: SQLite's own message about that must not reach the caller.
    await mkdir(join(server.dataDir, "facts.sqlite"));
    const failed = await caller.call("save_fact", { fact: "Bob's cat is called Tom." });
    expect(failed.isError).toBe(true);
    const { error } = (await caller.send("resources/read", { uri: "fact://fact_1" })).messages[0];
    expect(error.data).toMatchObject({ code: "DATA_UNAVAILABLE", correlation_id: expect.any(String) });
    const said = JSON.stringify([failed, error]);
    expect(said).toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/);
    expect(said).not.toMatch(/sqlite|Tom|node_modules|nightshift-test|\.[jt]s\b|at async/i);
    expect(JSON.stringify(server.lines)).not.toContain("Tom");
    const bad = [
      await send(openAgent(), server.url, { headers: bearer(key), body: '{"jsonrpc": "2.0", "secret": zzz' }),
      await send(openAgent(), server.url, { headers: { ...bearer(key), "content-encoding": "x" }, body: {} }),
      await send(openAgent(), `${server.base}/../../etc/passwd`, { method: "GET" }),
    ];
    for (const { status, text } of bad) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
      expect(text).not.toMatch(/zzz|passwd|node_modules|\.[jt]s\b|at async/);
      expect(JSON.parse(text).error.message).toMatch(/\.$/);
    }
    expect(server.app.connectionDeps.open.size).toBe(0);
  });

  it.each(ERAS)("of a database that is broken tell nothing of it, %s era", async (era) => {
    const server = await serve();
    const caller = await openCaller(era, server, await server.key("bob"));
    const database = new DatabaseSync(join(server.dataDir, "jobs.sqlite"));
    database.exec("ALTER TABLE runs RENAME TO gone");
    database.close();
    const listed = await caller.send("resources/list");
    const { error } = listed.messages.at(-1);
    expect(error).toMatchObject({ code: -32_603, data: { code: "INTERNAL" } });
    const called = await caller.call("list_runs");
    expect(called.isError).toBe(true);
    for (const said of [listed.text, JSON.stringify(called)])
      expect(said).not.toMatch(/sql|runs"|no such|gone|table|nightshift-test|at async/i);
    const logged = server.lines.filter(({ level }) => Number(level) >= 50);
    expect(logged.map(({ correlation_id }) => correlation_id)).toContain(error.data.correlation_id);
  });

  it("are the caller's where its values cannot be made text of", async () => {
    const server = await serve();
    for (const era of ERAS) {
      const caller = await openCaller(era, server, await server.key("bob"));
      const answers = [
        await caller.send("tools/call", { name: { toString: 1, valueOf: "zzz" } }),
        await caller.send("resources/read", { uri: { toString: null, valueOf: null } }),
      ];
      for (const { status, messages, text } of answers) {
        expect(status).toBeLessThan(500);
        expect([-32_602, -32_603]).toContain(messages.at(-1).error.code);
        expect(text).not.toContain("zzz");
      }
    }
    expect(server.lines.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });

  it("are the caller's where there is no body, whatever the headers say", async () => {
    const server = await serve();
    const headers = { ...bearer(await server.key("bob")), "content-type": "application/json" };
    for (const version of [MODERN, LEGACY, "2099-01-01", "odd"]) {
      const { status } = await send(openAgent(), server.url, {
        headers: { ...headers, "mcp-protocol-version": version, "mcp-method": "tools/list" },
      });
      expect([400, 404, 406], version).toContain(status);
    }
    expect(server.lines.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });
});
