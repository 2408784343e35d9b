import { describe, expect, it } from "vitest";
import { eventually } from "../harness.ts";
import { type Caller, ERAS, openCaller, type Stream, schedule } from "./caller.ts";
import { type Served, serve } from "./harness.ts";

const of = ({ messages }: Stream, method: string) =>
  messages.filter((message) => message.method === method).map(({ params }) => params);
const updates = (stream: Stream) => of(stream, "notifications/resources/updated").map(({ uri }) => uri);
const lines = (stream: Stream) => of(stream, "notifications/message");

// biome-ignore lint/suspicious/noExplicitAny: what a tool's own schema promises
const inboxOf = async (caller: Caller, args: object = {}): Promise<any> =>
  (await caller.call("inbox", args)).structuredContent;

const runOnce = async (caller: Caller, job_id: string): Promise<string> =>
  (await caller.call("run_job", { job_id })).structuredContent.run_id;

const results = (caller: Caller, count: number) =>
  eventually(async () => {
    const { items } = await inboxOf(caller, { mark_read: false });
    return items.length === count && items;
  }, 20_000);

async function two(server: Served, era: "modern" | "legacy") {
  const key = await server.key("alice");
  return {
    key,
    alice: await openCaller(era, server, key),
    mallory: await openCaller(era, server, await server.key("mallory")),
  };
}

describe.each(ERAS)("the inbox, %s era", (era) => {
  it("is told of and shown to its owner's connections, and to nobody else's", async () => {
    const server = await serve({ scheduler: true });
    const { key, alice, mallory } = await two(server, era);
    const [heard, overheard] = [await alice.listen(["inbox://"]), await mallory.listen(["inbox://"])];
    const job = await schedule(alice);
    const run_id = await runOnce(alice, job);
    await eventually(async () => updates(heard).length === 1);
    expect(await inboxOf(mallory, { unread_only: false })).toEqual({ items: [], unread: 0 });
    const named = await mallory.call("inbox", { job_id: job });
    expect(named).toMatchObject({ isError: true });
    expect(named.content[0]?.text).toMatch(/JOB_NOT_FOUND/);
    const elsewhere = await openCaller(era === "modern" ? "legacy" : "modern", server, key);
    expect(await inboxOf(elsewhere)).toMatchObject({ items: [{ run_id, job_id: job }], unread: 0 });
    await eventually(async () => updates(heard).length === 2);
    expect(updates(overheard)).toEqual([]);
    await runOnce(mallory, await schedule(mallory));
    await eventually(async () => updates(overheard).length === 1);
    expect(updates(heard)).toEqual(["inbox://", "inbox://"]);
  });

  it("is read and marked as far as the key's scopes go", async () => {
    const server = await serve({ scheduler: true });
    const alice = await openCaller(era, server, await server.key("alice"));
    const reader = await openCaller(era, server, await server.key("alice", { scopes: ["jobs:read"] }));
    const stranger = await openCaller(era, server, await server.key("alice", { scopes: ["facts:read"] }));
    const theirs = await stranger.listen(["inbox://"]);
    const job = await schedule(alice);
    await runOnce(alice, job);
    await results(alice, 1);

    expect(await inboxOf(reader)).toMatchObject({ items: [{ read: false }], unread: 1 });
    const denied = await reader.call("inbox", { mark_read: true });
    expect(denied).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining("TOOL_DENIED") }],
    });
    expect((await inboxOf(alice, { mark_read: false })).unread).toBe(1);

    const answer = async (caller: Caller, method: string, params: object = {}) =>
      (await caller.send(method, params)).messages[0];
    const names = async (caller: Caller) =>
      (await answer(caller, "prompts/list")).result.prompts.map(({ name }: { name: string }) => name);
    expect(await names(alice)).toEqual(["catch_me_up", "plan_schedule"]);
    expect(await names(reader)).toEqual(["catch_me_up"]);
    expect(await names(stranger)).toEqual([]);
    const caught = await answer(reader, "prompts/get", { name: "catch_me_up" });
    expect(JSON.stringify(caught.result)).toContain(job);
    expect(JSON.stringify(caught.result)).not.toContain("marks them as read");

    for (const [method, params] of [
      ["tools/call", { name: "inbox", arguments: {} }],
      ["prompts/get", { name: "catch_me_up" }],
      ["resources/read", { uri: "inbox://" }],
    ] as const) {
      const { status, headers } = await stranger.send(method, params);
      expect(status, method).toBe(403);
      expect(headers["www-authenticate"], method).toContain('scope="jobs:read"');
    }
    const completion = await answer(stranger, "completion/complete", {
      ref: { type: "ref/resource", uri: "job://{job_id}" },
      argument: { name: "job_id", value: "" },
    });
    expect(completion.result.completion.values).toEqual([]);
    expect(updates(theirs)).toEqual([]);
  });
});

describe("a log line", () => {
  it("tells the thread that scheduled the job of a run's end, and no other thread of anybody", async () => {
    const server = await serve({ scheduler: true });
    const { key, alice, mallory } = await two(server, "legacy");
    const sibling = await openCaller("legacy", server, key);
    const modern = await openCaller("modern", server, key);
    const uris = ["inbox://"];
    const [own, beside, strange, later] = [
      await alice.listen(uris),
      await sibling.listen(uris),
      await mallory.listen(uris),
      await modern.listen(uris),
    ];
    const job_id = await schedule(alice);
    // Whoever asked for the run, the thread that scheduled its job is told.
    const run_id = await runOnce(sibling, job_id);
    await eventually(
      async () => lines(own).length === 1 && updates(beside).length + updates(later).length === 2,
    );
    const data = { message: `A run of ${job_id}: succeeded`, run_id, job_id, status: "succeeded" };
    expect(lines(own)).toEqual([{ level: "info", logger: "nightshift", data }]);
    const other = await runOnce(alice, await schedule(sibling));
    await eventually(async () => lines(beside).length === 1);
    expect(lines(beside)[0].data.run_id).toBe(other);
    expect(lines(own)).toHaveLength(1);
    expect([lines(strange), lines(later), updates(strange)]).toEqual([[], [], []]);
  });

  it("is left out where the session asked for more severe lines only, and comes as a warning of a failure", async () => {
    const server = await serve({ scheduler: true, script: () => ({ text: "", delayMs: 20_000 }) });
    const alice = await openCaller("legacy", server, await server.key("alice"));
    const stream = await alice.listen(["inbox://"]);
    expect((await alice.send("logging/setLevel", { level: "warning" })).messages[0].result).toEqual({});
    await runOnce(alice, await schedule(alice));
    await eventually(async () => updates(stream).length === 1);
    const slow = { prompt: "Wait.", every_seconds: 3_600, timeout_seconds: 1 };
    const { job_id } = (await alice.call("schedule_task", slow)).structuredContent;
    await runOnce(alice, job_id);
    await eventually(async () => lines(stream).length === 1, 20_000);
    expect(lines(stream)).toMatchObject([{ level: "warning", data: { job_id, status: "timed_out" } }]);
  });
});
