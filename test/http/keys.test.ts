import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cli } from "../child-process.ts";
import { eventually, tempDir } from "../harness.ts";
import { bearer, ERAS, openAgent, openCaller, openStream, schedule, send } from "./caller.ts";
import { serve } from "./harness.ts";

const WAITING = new URL("modules/waiting.ts", import.meta.url).pathname;

async function everyByteIn(dir: string): Promise<string> {
  const files = await readdir(dir);
  return (await Promise.all(files.map((file) => readFile(join(dir, file), "latin1")))).join("\n");
}

describe("a key", () => {
  it("is shown once, and stored as a hash that does not give it back", async () => {
    const data = await tempDir();
    const made = await cli(["keys", "create", "--data", data, "--user", "bob", "--json"]);
    const { key, key_id, user_id } = JSON.parse(made.stdout);
    expect({ user_id, key_id }).toEqual({ user_id: "bob", key_id: expect.stringMatching(/^[0-9a-f]{16}$/) });
    const secret = key.slice(21);
    expect(secret).toHaveLength(43);
    const listed = await cli(["keys", "list", "--data", data, "--user", "bob", "--json"]);
    expect(listed.stdout).toContain(key_id);
    expect(listed.stdout).not.toContain(secret);
    const stored = await everyByteIn(data);
    expect(stored).toContain(key_id);
    expect(stored).not.toContain(secret);
  });

  it("is asked for in the same words and headers whatever is wrong with it", async () => {
    const server = await serve();
    const agent = openAgent();
    const key = await server.key("bob");
    const expired = await server.key("bob", { expiresAt: Date.now() - 1 });
    const revoked = await server.key("bob");
    await server.app.keys.revoke(revoked.split("_")[1] ?? "");
    const id = key.split("_")[1];
    const bad = [
      expired,
      revoked,
      `nsk_${id}_${"A".repeat(43)}`,
      `nsk_${"0".repeat(16)}_${key.slice(21)}`,
      `${key}A`,
      key.slice(0, -1),
      "nsk_",
      "eyJhbGciOiJub25lIn0.e30.",
    ];
    const answers = [];
    for (const token of bad) {
      const { status, text, headers } = await send(agent, server.url, { headers: bearer(token), body: {} });
      const { date: _date, "x-correlation-id": id, ...rest } = headers;
      expect(server.lines).toContainEqual(expect.objectContaining({ correlation_id: id, status: 401 }));
      answers.push(JSON.stringify({ status, text, rest }));
    }
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toContain("401");
    expect(answers[0]).toContain("invalid_token");
    const none = await send(agent, server.url, { body: {} });
    expect(none.status).toBe(401);
    expect(none.headers["www-authenticate"]).toBe('Bearer realm="nightshift"');
  });

  it("is taken from the Authorization header alone: not from a query, a cookie or a body", async () => {
    const server = await serve();
    const key = await server.key("bob");
    const agent = openAgent();
    const url = `${server.url}?access_token=${key}&key=${key}`;
    const headers = {
      cookie: `access_token=${key}`,
      "x-api-key": key,
      "proxy-authorization": `Bearer ${key}`,
    };
    const { status, text } = await send(agent, url, { headers, body: { access_token: key } });
    expect(status).toBe(401);
    expect(text).not.toContain(key);
    for (const scheme of [`Basic ${key}`, key, `Bearer  ${key} x`, `Bearer ${key}, Bearer ${key}`])
      expect((await send(agent, server.url, { headers: { authorization: scheme }, body: {} })).status).toBe(
        401,
      );
    expect(JSON.stringify(server.lines)).not.toContain(key.slice(21));
  });

  it("ends the openness of a server that was started without keys", async () => {
    const server = await serve({ open: true });
    const open = await openCaller("modern", server);
    expect((await open.call("whoami")).structuredContent).toMatchObject({
      user_id: "alice",
      entity_type: "api",
    });
    const stream = await open.listen([]);
    const session = await openCaller("legacy", server);
    const made = await cli(["keys", "create", "--data", server.dataDir, "--user", "bob", "--json"]);
    await stream.ended;
    await eventually(async () => server.app.connectionDeps.open.size === 0);
    expect((await session.send("ping")).status).toBe(401);
    expect((await open.send("tools/list")).status).toBe(401);
    const caller = await openCaller("modern", server, JSON.parse(made.stdout).key);
    expect((await caller.call("whoami")).structuredContent.user_id).toBe("bob");
  });
});

describe.each(ERAS)("scopes, %s era", (era) => {
  it("decide which tools are shown and called, and what is read and subscribed to", async () => {
    const server = await serve();
    const full = await openCaller(era, server, await server.key("bob"));
    const { fact_id } = (await full.call("save_fact", { fact: "Bob likes tea." })).structuredContent;
    const caller = await openCaller(era, server, await server.key("bob", { scopes: ["jobs:read"] }));
    const { messages } = await caller.send("tools/list");
    expect(messages[0].result.tools.map(({ name }: { name: string }) => name)).toEqual([
      "whoami",
      "current_time",
      "preview_schedule",
      "list_jobs",
      "get_job",
      "list_runs",
      "get_run",
      "inbox",
    ]);
    const refused = [
      ["tools/call", { name: "recall_facts", arguments: { query: "tea" } }, "facts:read"],
      ["tools/call", { name: "save_fact", arguments: { fact: "x" } }, "facts:write"],
      ["tools/call", { name: "schedule_task", arguments: {} }, "jobs:write"],
      ["resources/read", { uri: `fact://${fact_id}` }, "facts:read"],
      ...(era === "legacy" ? [["resources/subscribe", { uri: `fact://${fact_id}` }, "facts:read"]] : []),
    ] as [string, object, string][];
    for (const [method, params, scope] of refused) {
      const answer = await caller.send(method, params);
      expect([method, answer.status]).toEqual([method, 403]);
      expect(answer.headers["www-authenticate"]).toBe(
        `Bearer realm="nightshift", error="insufficient_scope", scope="${scope}"`,
      );
    }
    expect((await caller.call("list_jobs")).structuredContent).toEqual({ jobs: [] });
  });

  it("hold for what comes in a batch, which the front door does not look into", async () => {
    const server = await serve();
    const full = await openCaller(era, server, await server.key("bob"));
    const { fact_id } = (await full.call("save_fact", { fact: "Bob likes tea." })).structuredContent;
    const key = await server.key("bob", { scopes: ["jobs:read"] });
    const caller = await openCaller(era, server, key);
    const batch = [
      { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "list_facts", arguments: {} } },
      { jsonrpc: "2.0", id: 2, method: "resources/read", params: { uri: `fact://${fact_id}` } },
      { jsonrpc: "2.0", id: 3, method: "resources/subscribe", params: { uri: `fact://${fact_id}` } },
    ];
    const session = caller.sessionId && { "mcp-session-id": caller.sessionId };
    const { text } = await send(openAgent(), server.url, {
      body: batch,
      headers: { ...bearer(key), ...session },
    });
    expect(text).not.toContain("tea");
    expect(text).not.toContain('"result":{"contents"');
  });

  it("decide which changes are told", async () => {
    const server = await serve();
    const full = await openCaller(era, server, await server.key("bob"));
    const job_id = await schedule(full);
    const lesser = await openCaller(era, server, await server.key("bob", { scopes: ["facts:read"] }));
    const [told, untold] = [await full.listen([`job://${job_id}`]), await lesser.listen([`job://${job_id}`])];
    await full.call("pause_job", { job_id });
    const updates = ({ messages }: typeof told) =>
      messages.filter(({ method }) => method === "notifications/resources/updated");
    await eventually(async () => updates(told).length > 0);
    expect(updates(untold)).toEqual([]);
  });
});

describe.each(["key revoked by another process", "key that expires"])("a %s", (how) => {
  it("ends every stream and call that is open with it, and starts none", async () => {
    const server = await serve({ sse: true, tools: [WAITING] });
    const isRevoked = how.includes("revoked");
    const key = await server.key("bob", { expiresAt: isRevoked ? null : Date.now() + 2_500 });
    const agent = openAgent();
    const [modern, legacy] = [
      await openCaller("modern", server, key),
      await openCaller("legacy", server, key),
    ];
    const streams = [
      await modern.listen(["job://any"]),
      await legacy.listen(["job://any"]),
      await openStream(agent, `${server.base}/sse`, { method: "GET", headers: bearer(key) }),
    ];
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200]);
    const calls = [modern, legacy].map((caller) =>
      caller.call("wait", { ms: 60_000, word: "long" }).then(
        () => "answered",
        () => "broken off",
      ),
    );
    const bystander = await openCaller("legacy", server, await server.key("carol"));
    const quiet = await bystander.listen([]);
    let isQuiet = true;
    void quiet.ended.then(() => {
      isQuiet = false;
    });
    if (isRevoked) {
      const keyId = key.split("_")[1] ?? "";
      expect((await cli(["keys", "revoke", keyId, "--data", server.dataDir])).code).toBe(0);
      expect((await modern.send("tools/list")).status).toBe(401);
    }
    await Promise.all(streams.map(({ ended }) => ended));
    expect(await Promise.all(calls)).toEqual(["broken off", "broken off"]);
    for (const caller of [modern, legacy]) expect((await caller.send("tools/list")).status).toBe(401);
    // The session of the revoked key is gone too; the other key's is left.
    await eventually(async () => server.app.connectionDeps.open.size === 1);
    expect(isQuiet).toBe(true);
  });
});
