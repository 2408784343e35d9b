import { describe, expect, it } from "vitest";
import { type Caller, ERAS, openCaller, schedule } from "./caller.ts";
import { serve } from "./harness.ts";
import { AUDIENCE, startIssuer } from "./issuer.ts";

/** Names that some store, path, pattern or normal form would take for one another. */
const NAMES = [
  "user_1",
  "userX1",
  "user%1",
  "a",
  "a:b",
  "a:",
  "Alice",
  "ALICE",
  "alice",
  "\u00e9",
  "e\u0301",
  "__proto__",
  "constructor",
  "toString",
  "../bob",
  "bob",
  "bob ",
  "' OR 1=1 --",
  "x".repeat(300),
  `${"x".repeat(299)}y`,
  "\u202ebob",
  "😀",
];

/** A name that only a token can carry: a command line has no NUL. */
const SUBJECTS = [
  ...NAMES,
  "bob\0",
  "bob\0x",
  "\0",
  "null",
  "undefined",
  "[object Object]",
  '["local","bob"]',
];

async function livesAlone(callers: readonly (readonly [string, Caller])[]): Promise<void> {
  const jobs = new Map<string, string>();
  for (const [name, caller] of callers) {
    expect((await caller.call("whoami")).structuredContent.user_id).toBe(name);
    // All users save the same text: a reported duplicate would reveal another user's fact.
    const saved = await caller.call("save_fact", { fact: "The password is in the usual place." });
    expect([name, saved.structuredContent.status]).toEqual([name, "saved"]);
    jobs.set(name, await schedule(caller, "the same name"));
  }
  for (const [name, caller] of callers) {
    const { facts } = (await caller.call("recall_facts", { query: "password" })).structuredContent;
    expect([name, facts.length]).toEqual([name, 1]);
    const listed = (await caller.call("list_jobs")).structuredContent.jobs;
    expect(listed.map(({ job_id }: { job_id: string }) => job_id)).toEqual([jobs.get(name)]);
    await caller.call("forget_fact", { fact_id: facts[0].fact_id });
    await caller.call("cancel_job", { job_id: jobs.get(name) });
  }
}

describe.each(ERAS)("users of look-alike names, %s era", (era) => {
  it("who hold API keys share nothing", async () => {
    const server = await serve();
    const callers: [string, Caller][] = [];
    for (const name of NAMES) callers.push([name, await openCaller(era, server, await server.key(name))]);
    await livesAlone(callers);
  }, 60_000);

  it("who come with tokens share nothing, with each other or with the holders of keys", async () => {
    const issuer = await startIssuer();
    const server = await serve({ oauthIssuer: issuer.url, oauthAudience: AUDIENCE });
    const scope = "facts:read facts:write jobs:read jobs:write";
    const callers: [string, Caller][] = [["bob", await openCaller(era, server, await server.key("bob"))]];
    for (const sub of SUBJECTS)
      callers.push([sub, await openCaller(era, server, await issuer.token({ claims: { sub, scope } }))]);
    // Two of them are called bob: they differ in their issuer.
    const [[, byKey] = ["", callers[0]?.[1]], ...byToken] = callers;
    await livesAlone(byToken);
    expect((await byKey?.call("recall_facts", { query: "password" }))?.structuredContent.facts).toEqual([]);
  }, 60_000);
});
