import { expect, it } from "vitest";
import { eventually } from "../harness.ts";
import {
  bearer,
  ERAS,
  openAgent,
  openCaller,
  openStream,
  type Stream,
  schedule,
  send,
} from "../http/caller.ts";
import { LEGACY, serve } from "../http/harness.ts";
import { openPostgres } from "../postgres.ts";

const PING = { jsonrpc: "2.0", id: 1, method: "ping" };

/** Two nodes on one database, and keys that are good at both. */
async function open() {
  const { url: databaseUrl } = await openPostgres();
  const north = await serve({ databaseUrl, node: "north", sse: true });
  const south = await serve({ databaseUrl, node: "south", sse: true });
  return { north, south, alice: await north.key("alice"), mallory: await south.key("mallory") };
}

it("a 2026-era client is served by any node, each request by another", async () => {
  const { north, south, alice } = await open();
  const [here, there] = [await openCaller("modern", north, alice), await openCaller("modern", south, alice)];
  await here.call("save_fact", { fact: "The bees are in the north." });
  const { facts } = (await there.call("recall_facts", { query: "bees" })).structuredContent;
  expect(facts).toMatchObject([{ fact: "The bees are in the north." }]);
  const job = await schedule(there);
  expect((await here.call("get_job", { job_id: job })).structuredContent).toMatchObject({ status: "active" });
});

it("a 2025-era session names its node, and is not found at another one, whoever asks", async () => {
  const { north, south, alice, mallory } = await open();
  const session = await openCaller("legacy", north, alice);
  expect(session.sessionId).toMatch(/^north\.[0-9a-f-]{36}$/);
  const ask = async (key: string, id: string, method = "POST") => {
    const headers = { ...bearer(key), "mcp-session-id": id, "mcp-protocol-version": LEGACY };
    const answer = await send(openAgent(), south.url, {
      method,
      headers,
      ...(method === "POST" && { body: PING }),
    });
    return [answer.status, answer.messages[0].error.message];
  };
  const id = String(session.sessionId);
  const elsewhere = await ask(alice, id);
  expect(elsewhere).toEqual([404, expect.stringMatching(/id is of node north.*Route requests.*initialize/)]);
  for (const method of ["GET", "DELETE"]) expect(await ask(alice, id, method)).toEqual(elsewhere);
  expect(await ask(mallory, id)).toEqual(elsewhere);
  expect(await ask(mallory, "north.made-up")).toEqual(elsewhere);
  const absent = [404, expect.stringMatching(/^Session not found/)];
  for (const garbage of ["south.made-up", "<b>north</b>.x", `${"n".repeat(64)}.x`, "north"])
    expect(await ask(alice, garbage)).toEqual(absent);
  expect((await session.call("whoami")).structuredContent.user_id).toBe("alice");
});

it("the old pair's address names the node of its stream", async () => {
  const { north, south, alice } = await open();
  const ask = { method: "GET", headers: bearer(alice) };
  const stream = await openStream(openAgent(), `${north.base}/sse`, ask);
  expect(stream.headers["nightshift-node"]).toBe("north");
  const path = await eventually(async () => stream.messages[0]);
  expect(path).toMatch(/^\/messages\?node=north&sessionId=/);
  const post = (base: string) => send(openAgent(), base + path, { headers: bearer(alice), body: PING });
  const { status, messages } = await post(south.base);
  expect([status, messages[0].error.message]).toEqual([404, expect.stringMatching(/id is of node north/)]);
  expect((await post(north.base)).status).toBe(202);
  await eventually(async () => stream.messages.some(({ id }) => id === 1));
});

it.each(ERAS)(
  "a fact that is forgotten on one node is told on the other, within scopes (%s era)",
  async (era) => {
    const { north, south, alice, mallory } = await open();
    const here = await openCaller("modern", north, alice);
    const save = async (fact: string) =>
      (await here.call("save_fact", { fact })).structuredContent.fact_id as string;
    const [first, last] = [await save("The bees are in the north."), await save("The hives are blue.")];
    const uris = [`fact://${first}`, `fact://${last}`];
    const scopes = ["facts:write", "jobs:read", "jobs:write"] as const;
    const listener = async (key: string, more: string[] = []) =>
      (await openCaller(era, south, key)).listen([...uris, ...more]);
    const heard = await listener(alice);
    const job = await schedule(here);
    const unscoped = await listener(await north.key("alice", { scopes }), [`job://${job}`]);
    const overheard = await listener(mallory);
    await here.call("forget_fact", { fact_id: first });
    await here.call("forget_fact", { fact_id: last });
    await here.call("pause_job", { job_id: job });
    // The events of the two saves may still be on their way to this node when the listeners open.
    const forgotten = () => updates(heard).slice(-2);
    await eventually(async () => updates(unscoped).length > 0 && forgotten().join() === uris.join());
    expect(forgotten()).toEqual(uris);
    expect(updates(unscoped)).toEqual([`job://${job}`]);
    expect(updates(overheard)).toEqual([]);
  },
);

const updates = ({ messages }: Stream): string[] =>
  messages
    .filter(({ method }) => method === "notifications/resources/updated")
    .map(({ params }) => params.uri);
