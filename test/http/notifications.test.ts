import { describe, expect, it } from "vitest";
import { eventually, ROOT } from "../harness.ts";
import { type Caller, ERAS, openAgent, openCaller, openStream, type Stream, schedule } from "./caller.ts";
import { connect, HTTP_CLIENTS } from "./clients.ts";
import { type Served, serve } from "./harness.ts";

const FIXTURE = `${ROOT}test/conformance/fixture.ts`;
const WAITING = new URL("modules/waiting.ts", import.meta.url).pathname;

const updates = ({ messages }: Stream): string[] =>
  messages
    .filter(({ method }) => method === "notifications/resources/updated")
    .map(({ params }) => params.uri);

/** Changes the marker job until its listener is told of it: every earlier notification has arrived by then. */
async function flush(caller: Caller, job: string, stream: Stream): Promise<void> {
  const before = updates(stream).length;
  await caller.call("pause_job", { job_id: job });
  await eventually(async () => updates(stream).length > before);
}

async function two(server: Served, era: "modern" | "legacy") {
  const key = await server.key("alice");
  return {
    key,
    alice: await openCaller(era, server, key),
    mallory: await openCaller(era, server, await server.key("mallory")),
  };
}

describe.each(ERAS)("changes, %s era", (era) => {
  it("are told to their owner's subscribers, and to nobody who subscribed to somebody else's", async () => {
    const server = await serve();
    const { key, alice, mallory } = await two(server, era);
    const [job, own] = [await schedule(alice), await schedule(mallory)];
    const [heard, overheard] = [
      await alice.listen([`job://${job}`]),
      await mallory.listen([`job://${job}`, `job://${own}`]),
    ];
    // A second connection of the owner, of the other era, makes the change.
    const elsewhere = await openCaller(era === "modern" ? "legacy" : "modern", server, key);
    await elsewhere.call("pause_job", { job_id: job });
    await eventually(async () => updates(heard).length > 0);
    await flush(mallory, own, overheard);
    expect(updates(heard)).toEqual([`job://${job}`]);
    expect(updates(overheard)).toEqual([`job://${own}`]);
  });

  it("that nobody can see are acknowledged as a subscription to nothing is", async () => {
    const server = await serve();
    const { alice, mallory } = await two(server, era);
    const job = await schedule(alice);
    const uris = [`job://${job}`, `job://${job.replaceAll(/[0-9a-f]/g, "0")}`];
    const acks = [];
    for (const uri of uris) {
      const stream = await mallory.listen([uri]);
      if (era === "modern") await eventually(async () => stream.messages.length > 0);
      acks.push(JSON.stringify([stream.status, stream.messages]).replaceAll(uri, "<asked>"));
      stream.close();
    }
    expect(acks[0]).toBe(acks[1]);
  });

  it("are told to a connection that asked for them, and not to its owner's other ones", async () => {
    const server = await serve();
    const { key, alice } = await two(server, era);
    const [job, marker] = [await schedule(alice), await schedule(alice)];
    const silent = await openCaller(era, server, key);
    const [heard, unasked] = [await alice.listen([`job://${job}`]), await silent.listen([`job://${marker}`])];
    await alice.call("pause_job", { job_id: job });
    await eventually(async () => updates(heard).length > 0);
    await flush(alice, marker, unasked);
    expect(updates(unasked)).toEqual([`job://${marker}`]);
  });

  it("in progress stay on the request that asked, whatever tokens others use", async () => {
    const server = await serve({ tools: [WAITING] });
    const { alice, mallory } = await two(server, era);
    const streams = [await alice.listen(["job://a"]), await mallory.listen(["job://a"])];
    const ask = (caller: Caller, word: string, id: number) => {
      const params = { name: "wait", arguments: { ms: 60, word }, _meta: { progressToken: "t" } };
      return caller.send("tools/call", params, { id });
    };
    const answers = await Promise.all([ask(alice, "one", 1), ask(mallory, "two", 1)]);
    expect(answers.map(({ messages }) => messages.slice(0, -1).map(({ params }) => params.message))).toEqual([
      ["alice one", "alice one"],
      ["mallory two", "mallory two"],
    ]);
    for (const { messages } of streams) expect(JSON.stringify(messages)).not.toContain("progress");
  });
});

it.each(HTTP_CLIENTS.filter((kind) => kind !== "mcp-remote"))(
  "%s is told of a job that it subscribed to",
  async (kind) => {
    const server = await serve({ sse: true });
    const { alice } = await two(server, "modern");
    const job = await schedule(alice);
    const client = await connect(kind, server, await server.key("alice"));
    const heard: string[] = [];
    const note = ({ params }: { params: { uri: string } }) => void heard.push(params.uri);
    const method = "notifications/resources/updated";
    if (kind.startsWith("v2")) client.raw.setNotificationHandler(method, note);
    else client.raw.fallbackNotificationHandler = async (message: never) => note(message);
    const uri = `job://${job}`;
    if (kind.endsWith("2026 era")) await client.raw.listen({ resourceSubscriptions: [uri] });
    else await client.raw.subscribeResource({ uri });
    await eventually(async () => {
      await alice.call("pause_job", { job_id: job });
      return heard.length > 0;
    });
    expect(new Set(heard)).toEqual(new Set([uri]));
  },
);

describe("what a module's code says through its server", () => {
  const listen = (caller: Caller) => caller.listen(["test://watched-resource"]);
  const methods = ({ messages }: Stream) => messages.map(({ method }) => method);

  it("reaches its own user's streams on the 2026 era, and no other user's", async () => {
    const server = await serve({ tools: [FIXTURE] });
    const { alice, mallory } = await two(server, "modern");
    const [heard, overheard] = [await listen(alice), await listen(mallory)];
    await alice.call("test_trigger_tool_change");
    await alice.call("test_trigger_resource_update");
    await eventually(async () => methods(heard).length > 2);
    expect(methods(heard).slice(1)).toEqual([
      "notifications/tools/list_changed",
      "notifications/resources/updated",
    ]);
    await mallory.call("test_trigger_resource_update");
    await eventually(async () => methods(overheard).length > 1);
    expect(methods(overheard).slice(1)).toEqual(["notifications/resources/updated"]);
    expect(methods(heard)).toHaveLength(3);
  });

  it("reaches its own session on the 2025 era", async () => {
    const server = await serve({ tools: [FIXTURE] });
    const { alice, mallory } = await two(server, "legacy");
    const [heard, overheard] = [await listen(alice), await listen(mallory)];
    await alice.call("test_trigger_tool_change");
    await eventually(async () => methods(heard).includes("notifications/tools/list_changed"));
    await mallory.call("test_trigger_prompt_change");
    await eventually(async () => methods(overheard).length > 0);
    expect(methods(overheard)).toEqual(["notifications/prompts/list_changed"]);
  });

  it("completes what is typed", async () => {
    const server = await serve({ tools: [FIXTURE] });
    const { alice } = await two(server, "modern");
    const ref = { type: "ref/prompt", name: "test_prompt_with_arguments" };
    const { messages } = await alice.send("completion/complete", {
      ref,
      argument: { name: "arg1", value: "test" },
    });
    expect(messages[0].result.completion.values).toEqual(["testing", "tested"]);
  });
});

it("state that a client carries between rounds is good for its user alone, and unchanged", async () => {
  const server = await serve({ tools: [FIXTURE] });
  const { alice, mallory } = await two(server, "modern");
  const capabilities = { "io.modelcontextprotocol/clientCapabilities": { elicitation: {} } };
  const params = { name: "test_input_required_result_request_state", arguments: {}, _meta: capabilities };
  const { messages } = await alice.send("tools/call", params);
  const { requestState } = messages[0].result;
  const inputResponses = { confirm: { action: "accept", content: { ok: true } } };
  const again = async (caller: Caller, state: string) => {
    const answer = await caller.send("tools/call", { ...params, inputResponses, requestState: state });
    return answer.messages[0].error?.code ?? answer.messages[0].result.content[0].text;
  };
  expect(await again(mallory, requestState)).toBe(-32_602);
  expect(await again(alice, `${requestState}x`)).toBe(-32_602);
  expect(await again(alice, requestState)).toBe("state-ok");
});

it("a dropped stream goes on where it was, within its session", async () => {
  const server = await serve();
  const { key, alice } = await two(server, "legacy");
  const job = await schedule(alice);
  const stream = await alice.listen([`job://${job}`]);
  await flush(alice, job, stream);
  const last = stream.ids.at(-1) ?? "";
  stream.close();
  await stream.ended;
  await alice.call("resume_job", { job_id: job });
  const headers = {
    authorization: `Bearer ${key}`,
    "mcp-session-id": String(alice.sessionId),
    "last-event-id": last,
  };
  const resumed = await openStream(openAgent(), server.url, { method: "GET", headers });
  await eventually(async () => updates(resumed).length > 0);
  expect(updates(resumed)).toEqual([`job://${job}`]);
});
