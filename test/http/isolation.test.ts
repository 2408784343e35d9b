import { StatementSync } from "node:sqlite";
import { Client } from "pg";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import {
  type Answer,
  bearer,
  type Caller,
  ERAS,
  openAgent,
  openCaller,
  openStream,
  schedule,
  send,
} from "./caller.ts";
import { LEGACY, type Served, serve } from "./harness.ts";

/**
 * An answer as a caller sees it, without the clock, how it was cut up, the ids that it asked with, and those of the
 * failure and of the stream's events.
 */
function seen({ status, headers, text }: Answer, ...asked: string[]): string {
  const {
    date: _date,
    "content-length": _length,
    "transfer-encoding": _coding,
    "x-correlation-id": _id,
    ...rest
  } = headers;
  let words = text.replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "<uuid>");
  words = words.replaceAll(/^id: \S+-\d+$/gm, "id: <event>");
  for (const id of asked) words = words.replaceAll(id, "<asked>");
  return JSON.stringify({ status, rest, words });
}

/** An id of the same shape that does not exist. */
const absent = (id: string): string => id.replaceAll(/[0-9a-f]/g, (digit) => (digit === "0" ? "1" : "0"));

const session = (key: string | undefined, id: string) => ({
  ...bearer(key),
  "mcp-session-id": id,
  "mcp-protocol-version": LEGACY,
});

async function two(era: "modern" | "legacy", server: Served) {
  const alice = await openCaller(era, server, await server.key("alice"));
  const mallory = await openCaller(era, server, await server.key("mallory"));
  return { alice, mallory };
}

async function belongings(caller: Caller) {
  const fact = (await caller.call("save_fact", { fact: "The safe's code is swordfish." })).structuredContent
    .fact_id;
  const job = await schedule(caller);
  const run = (await caller.call("run_job", { job_id: job })).structuredContent.run_id;
  return { fact, job, run } as { fact: string; job: string; run: string };
}

/** The statements about jobs that this process sends to its database from now on, whichever it is. */
function watchStatements(): string[] {
  const sent: string[] = [];
  const note = (sql: unknown) => typeof sql === "string" && /\bjobs\b/.test(sql) && sent.push(sql);
  const { all } = StatementSync.prototype;
  const { query } = Client.prototype;
  const spies = [
    vi.spyOn(StatementSync.prototype, "all").mockImplementation(function (this: StatementSync, ...given) {
      note(this.sourceSQL);
      return all.apply(this, given);
    }),
    vi.spyOn(Client.prototype, "query").mockImplementation(function (this: Client, ...given: unknown[]) {
      note(given[0]);
      return query.apply(this, given as never);
    } as typeof query),
  ];
  onTestFinished(() => spies.forEach((spy) => void spy.mockRestore()));
  return sent;
}

describe.each(ERAS)("somebody else's, %s era", (era) => {
  it("looks like nothing at all: facts, jobs, runs and resources", async () => {
    const server = await serve();
    const { alice, mallory } = await two(era, server);
    const { fact, job, run } = await belongings(alice);
    const tools: [string, string, string][] = [
      ["forget_fact", "fact_id", fact],
      ...["get_job", "pause_job", "resume_job", "cancel_job", "run_job"].map(
        (name) => [name, "job_id", job] as [string, string, string],
      ),
      ["get_run", "run_id", run],
      ["cancel_run", "run_id", run],
      ["list_runs", "job_id", job],
    ];
    for (const [name, key, id] of tools) {
      const ask = (value: string) => mallory.send("tools/call", { name, arguments: { [key]: value } });
      const [theirs, nobodys] = [await ask(id), await ask(absent(id))];
      expect(seen(theirs, id)).toBe(seen(nobodys, absent(id)));
    }
    for (const [kind, id] of Object.entries({ fact, job, run }))
      for (const method of ["resources/read", ...(era === "legacy" ? ["resources/subscribe"] : [])]) {
        const ask = (value: string) => mallory.send(method, { uri: `${kind}://${value}` });
        const [theirs, nobodys] = [await ask(id), await ask(absent(id))];
        expect(seen(theirs, id)).toBe(seen(nobodys, absent(id)));
      }
    const { text } = await mallory.send("resources/list");
    for (const id of [fact, job, run]) expect(text).not.toContain(id);
    expect((await alice.call("get_job", { job_id: job })).structuredContent.status).toBe("active");
  });

  it("takes the same queries to look up as something that does not exist", async () => {
    const server = await serve();
    const { alice, mallory } = await two(era, server);
    const { job } = await belongings(alice);
    const sent = watchStatements();
    const work: string[][] = [];
    for (const id of [job, absent(job)]) {
      await mallory.call("get_job", { job_id: id });
      work.push(sent.splice(0));
    }
    const [theirs, nobodys] = work;
    expect(theirs?.length).toBeGreaterThan(0);
    expect(theirs).toEqual(nobodys);
  });

  it("cursors are as good as garbage, and so are changed ones", async () => {
    const server = await serve();
    const { alice, mallory } = await two(era, server);
    for (let i = 0; i < 3; i++) {
      for (const caller of [alice, mallory]) await caller.call("save_fact", { fact: `Fact number ${i}.` });
      for (const caller of [alice, mallory]) await schedule(caller, `job ${i}`);
    }
    for (const name of ["list_facts", "list_jobs"]) {
      const { next_cursor: cursor } = (await alice.call(name, { limit: 1 })).structuredContent;
      expect(cursor).toBeTruthy();
      expect((await alice.call(name, { limit: 1, cursor })).isError).toBeFalsy();
      const changed = `${cursor.slice(0, 5)}${cursor[5] === "A" ? "B" : "A"}${cursor.slice(6)}`;
      const ask = (value: string) =>
        mallory.send("tools/call", { name, arguments: { limit: 1, cursor: value } });
      const words = new Set<string>();
      for (const bad of [cursor, changed, "garbage", `${cursor}${cursor}`.slice(0, 900)])
        words.add(seen(await ask(bad), bad));
      expect([...words]).toHaveLength(1);
      expect([...words][0]).toContain("CURSOR_INVALID");
      expect((await alice.call(name, { limit: 1, cursor: changed })).isError).toBe(true);
    }
  });

  it("identity cannot be claimed: by _meta, headers, arguments or a session id", async () => {
    const server = await serve();
    const { alice, mallory } = await two(era, server);
    await alice.call("save_fact", { fact: "The safe's code is swordfish." });
    const headers = {
      "x-user-id": "alice",
      "x-forwarded-user": "alice",
      "x-nightshift-user": "alice",
      "x-forwarded-for": "127.0.0.1",
      forwarded: "for=127.0.0.1;host=localhost",
    };
    const _meta = { user_id: "alice", userId: "alice", entity_type: "human", "nightshift/user": "alice" };
    const call = async (name: string, args: object) => {
      const { messages } = await mallory.send("tools/call", { name, arguments: args, _meta }, { headers });
      return messages.at(-1).result;
    };
    expect((await call("whoami", {})).structuredContent).toMatchObject({
      user_id: "mallory",
      entity_type: "api",
    });
    expect((await call("recall_facts", { query: "safe code" })).structuredContent.facts).toEqual([]);
    for (const extra of [{ user_id: "alice" }, { userKey: "0" }, { __proto__x: 1 }])
      expect((await call("recall_facts", { query: "safe", ...extra })).isError).toBe(true);
    const polluted = JSON.parse('{"query":"safe","__proto__":{"user_id":"alice"}}');
    expect(JSON.stringify(await call("recall_facts", polluted))).not.toContain("swordfish");
  });
});

describe("a session", () => {
  it("of somebody else is an unknown session, in words and headers, for every verb", async () => {
    const server = await serve({ sse: true });
    const agent = openAgent();
    const keys = { alice: await server.key("alice"), mallory: await server.key("mallory") };
    const alice = await openCaller("legacy", server, keys.alice);
    const lesser = await server.key("alice", { scopes: ["jobs:read"] });
    const id = String(alice.sessionId);
    const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "whoami", arguments: {} } };
    const unknown = [
      absent(id),
      "ghost_scheduler_job_1",
      "__proto__",
      "constructor",
      `${id} `.repeat(3),
      "0",
    ];
    for (const method of ["POST", "GET", "DELETE"]) {
      const ask = (key: string, to: string) =>
        send(agent, server.url, { method, headers: session(key, to), ...(method === "POST" && { body }) });
      const replayed = seen(await ask(keys.mallory, id));
      expect(replayed).toContain('"status":404');
      expect(seen(await ask(lesser, id))).toBe(replayed);
      for (const other of unknown) expect(seen(await ask(keys.mallory, other))).toBe(replayed);
    }
    const none = await send(agent, server.url, { body, headers: session(undefined, id) });
    expect(none.status).toBe(401);
    expect((await alice.call("whoami")).structuredContent.user_id).toBe("alice");
  });

  it("goes on with a new key of the same user that is worth the same", async () => {
    const server = await serve();
    const alice = await openCaller("legacy", server, await server.key("alice"));
    const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "whoami", arguments: {} } };
    const headers = session(await server.key("alice"), String(alice.sessionId));
    expect((await send(openAgent(), server.url, { body, headers })).text).toContain('"user_id":"alice"');
  });

  it("of the old pair is its opener's: another's post is answered as for an unknown one", async () => {
    const server = await serve({ sse: true });
    const agent = openAgent();
    const [alice, mallory] = [await server.key("alice"), await server.key("mallory")];
    const stream = await openStream(agent, `${server.base}/sse`, { method: "GET", headers: bearer(alice) });
    const deadline = Date.now() + 5_000;
    while (stream.messages.length === 0 && Date.now() < deadline) await new Promise((r) => setTimeout(r, 10));
    const path = String(stream.messages[0]);
    const id = new URL(path, server.base).searchParams.get("sessionId") ?? "";
    const post = (key: string, to: string) =>
      send(agent, `${server.base}/messages?sessionId=${to}`, {
        headers: bearer(key),
        body: { jsonrpc: "2.0", id: 1, method: "ping" },
      });
    expect(seen(await post(mallory, id))).toBe(seen(await post(mallory, absent(id))));
    expect((await post(mallory, id)).status).toBe(404);
    expect((await post(alice, id)).status).toBe(202);
    expect(seen(await post(mallory, `${id}&sessionId=${id}`))).toBe(seen(await post(mallory, "x")));
  });

  it("says nothing that another session could resume: its event ids are good in it alone", async () => {
    const server = await serve();
    const { alice, mallory } = await two("legacy", server);
    const job = await schedule(alice);
    const stream = await alice.listen([`job://${job}`]);
    await alice.call("pause_job", { job_id: job });
    const deadline = Date.now() + 5_000;
    while (stream.ids.length === 0 && Date.now() < deadline) await new Promise((r) => setTimeout(r, 10));
    const last = stream.ids[0] ?? "";
    expect(last).toBeTruthy();
    const key = await server.key("mallory");
    const headers = { ...session(key, String(mallory.sessionId)), "last-event-id": last };
    const replay = await send(openAgent(), server.url, { method: "GET", headers });
    expect(replay.status).toBeGreaterThanOrEqual(400);
    expect(replay.text).not.toContain(job);
  });
});
