import { expect, it } from "vitest";
import { eventually } from "../harness.ts";
import { type Caller, ERAS, openAgent, openCaller, type Params, send } from "./caller.ts";
import { type Served, serve } from "./harness.ts";

const WAITING = new URL("modules/waiting.ts", import.meta.url).pathname;
const USERS = 200;
const ROUNDS = 4;

interface Member {
  readonly name: string;
  readonly caller: Caller;
  readonly sessionIds: Set<string>;
}

/** A repeatable sequence of random numbers. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

async function gather(server: Served): Promise<Member[]> {
  const agent = openAgent(1_000);
  return Promise.all(
    Array.from({ length: USERS }, async (_, i) => {
      const name = `user-${i}-end`;
      const caller = await openCaller(ERAS[i % 2] ?? "modern", server, await server.key(name), agent);
      return { name, caller, sessionIds: new Set<string>() };
    }),
  );
}

/** Fails when an answer, or a notification on the way to it, names another member. */
function assertOwn(name: string, text: string): void {
  const named = text.match(/user-\d+-end/g) ?? [];
  expect(named.filter((other) => other !== name)).toEqual([]);
}

async function ask(member: Member, id: number, method: string, params: Params, signal?: AbortSignal) {
  // Everybody's requests have the same few ids and the same progress token.
  const all = { ...params, _meta: { progressToken: 7 } };
  const answer = await member.caller.send(method, all, { id, ...(signal && { signal }) });
  assertOwn(member.name, answer.text);
  expect([answer.status, answer.text.slice(0, 200)]).toEqual([200, expect.anything()]);
  const last = answer.messages.at(-1);
  expect(last.id).toBe(id);
  return { result: last.result, notes: answer.messages.slice(0, -1) };
}

async function live(member: Member, random: () => number): Promise<void> {
  const { name } = member;
  // On a busy machine the last of 200 writers may time out, and is told to try again.
  const saved = await eventually(async () => {
    const args = { fact: `The password of ${name} is ${name}.` };
    const { result } = await ask(member, 1, "tools/call", { name: "save_fact", arguments: args });
    if (result.isError) expect(result.content[0].text).toContain("[DATA_UNAVAILABLE]");
    return !result.isError && result;
  }, 120_000);
  for (let round = 0; round < ROUNDS; round++) {
    const args = { ms: Math.floor(random() * 60), word: `${name} ${round}` };
    if (random() < 0.3) await leaveInMidCall(member, random);
    const [waited, recalled, who, fact] = await Promise.all([
      ask(member, 2, "tools/call", { name: "wait", arguments: args }),
      ask(member, 3, "tools/call", { name: "recall_facts", arguments: { query: "the password" } }),
      ask(member, 4, "tools/call", { name: "whoami", arguments: {} }),
      ask(member, 5, "resources/read", { uri: `fact://${saved.structuredContent.fact_id}` }),
    ]);
    expect(waited.result.structuredContent).toMatchObject({ user_id: name, word: args.word });
    expect(waited.notes.map(({ params }) => [params.progressToken, params.message])).toEqual([
      [7, `${name} ${args.word}`],
      [7, `${name} ${args.word}`],
    ]);
    expect(recalled.result.structuredContent.facts).toMatchObject([
      { fact: `The password of ${name} is ${name}.` },
    ]);
    expect(who.result.structuredContent.user_id).toBe(name);
    expect(fact.result.contents[0].text).toContain(name);
    member.sessionIds.add(who.result.structuredContent.session_id);
  }
}

async function leaveInMidCall(member: Member, random: () => number): Promise<void> {
  const leaving = AbortSignal.timeout(5 + Math.floor(random() * 30));
  const args = { ms: 60_000, word: "never heard" };
  await expect(ask(member, 6, "tools/call", { name: "wait", arguments: args }, leaving)).rejects.toThrow();
}

/** The server's own counts. */
async function callsAtWork({ base }: Served): Promise<number> {
  const { text } = await send(openAgent(), `${base}/metrics`, { method: "GET" });
  return Number(/^nightshift_calls (\d+)/m.exec(text)?.[1]);
}

it("200 users at once, with the same ids and tokens, delays and departures, each get what is theirs", async () => {
  const server = await serve({ tools: [WAITING] });
  const crowd = await gather(server);
  let isOver = false;
  const most = (async () => {
    let seen = 0;
    while (!isOver) seen = Math.max(seen, await callsAtWork(server));
    return seen;
  })();
  await Promise.all(crowd.map((member, i) => live(member, dice(i + 1)))).finally(() => {
    isOver = true;
  });
  expect(await most).toBeGreaterThan(100);
  const sessions = crowd.flatMap(({ sessionIds }) => [...sessionIds]);
  expect(new Set(sessions).size).toBe(sessions.length);
  // A request of the 2026 era is a connection of its own; a session of the 2025 era is one.
  expect(crowd.map(({ sessionIds }) => sessionIds.size)).toEqual(crowd.map((_, i) => (i % 2 ? 1 : ROUNDS)));
  await server.http.close();
  expect(server.app.connectionDeps.open.size).toBe(0);
});
