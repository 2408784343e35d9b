import { createHmac } from "node:crypto";
import { UnsecuredJWT } from "jose";
import { describe, expect, it } from "vitest";
import { bearer, ERAS, openAgent, openCaller, send } from "./caller.ts";
import { serve } from "./harness.ts";
import { AUDIENCE, type Issuer, seconds, startIssuer, type TokenOptions } from "./issuer.ts";

const ALL = "facts:read facts:write jobs:read jobs:write";

async function serveOAuth(options = {}, path = "") {
  const issuer = await startIssuer(path);
  const server = await serve({ oauthIssuer: issuer.url, oauthAudience: AUDIENCE, ...options });
  return { issuer, server };
}

describe.each(ERAS)("an access token, %s era", (era) => {
  it.each(["RS256", "ES256"] as const)("signed with %s makes its subject a human", async (algorithm) => {
    const { issuer, server } = await serveOAuth();
    const token = await issuer.token({ algorithm, claims: { scope: `${ALL} openid` } });
    const caller = await openCaller(era, server, token);
    expect((await caller.call("whoami")).structuredContent).toMatchObject({
      user_id: "dave",
      entity_type: "human",
      is_automated: false,
    });
    expect((await caller.call("save_fact", { fact: "Dave sails." })).structuredContent.status).toBe("saved");
  });

  it("gives the scopes it has, as text or as a list, and none where it names none", async () => {
    const { issuer, server } = await serveOAuth();
    const offered = async (claims: object) => {
      const caller = await openCaller(era, server, await issuer.token({ claims: { ...claims } }));
      const { messages } = await caller.send("tools/list");
      return messages[0].result.tools.map(({ name }: { name: string }) => name);
    };
    expect(await offered({ scope: "facts:read" })).toEqual([
      "whoami",
      "current_time",
      "recall_facts",
      "list_facts",
    ]);
    expect(await offered({ scp: ["facts:write"] })).toEqual([
      "whoami",
      "current_time",
      "save_fact",
      "forget_fact",
    ]);
    for (const claims of [{}, { scope: "admin facts:READ *" }, { scope: 7 }, { scp: "facts:read" }])
      expect(await offered(claims)).toEqual(["whoami", "current_time"]);
  });

  it("of one subject is another user than the API key of the same name", async () => {
    const { issuer, server } = await serveOAuth();
    const person = await openCaller(era, server, await issuer.token({ claims: { scope: ALL } }));
    const agent = await openCaller(era, server, await server.key("dave"));
    await person.call("save_fact", { fact: "Dave's safe is behind the mirror." });
    expect((await agent.call("recall_facts", { query: "safe mirror" })).structuredContent.facts).toEqual([]);
  });
});

/** Tokens that must not be believed, by what is wrong with them. */
const BAD: Record<string, TokenOptions | ((issuer: Issuer) => Promise<string>)> = {
  "the type of any token": { typ: "JWT" },
  "no type": { typ: null },
  "the type of a logout token": { typ: "logout+jwt" },
  "an id token's nonce": { claims: { nonce: "n-0S6_WzA2Mj" } },
  "an id token's hash": { claims: { at_hash: "77QmUPtjPfzWtF2AnpK9RQ" } },
  "another audience": { claims: { aud: "https://other.example/mcp" } },
  "no audience": { claims: { aud: undefined } as never },
  "another issuer": { claims: { iss: "https://evil.example" } },
  "an issuer that differs by a slash": async (issuer) => issuer.token({ claims: { iss: `${issuer.url}/` } }),
  "an end that has passed": { claims: { exp: seconds(-60) } },
  "no end": { claims: { exp: undefined } as never },
  "a start to come": { claims: { nbf: seconds(120) } },
  "no subject": { claims: { sub: undefined } as never },
  "an empty subject": { claims: { sub: "" } },
  "a number for a subject": { claims: { sub: 1 as never } },
  "a subject of a megabyte's kind": { claims: { sub: "x".repeat(2_000) } },
  "a signature by a stranger's key of the same id": { stranger: true },
  "a stranger's elliptic key": { stranger: true, algorithm: "ES256" },
  "no signature (alg: none)": async ({ url }) =>
    new UnsecuredJWT({ scope: ALL })
      .setIssuer(url)
      .setAudience(AUDIENCE)
      .setSubject("dave")
      .setExpirationTime("5m")
      .encode(),
  "a shared-secret signature made with the public key": async (issuer) => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const body = { iss: issuer.url, aud: AUDIENCE, sub: "dave", exp: seconds(300), scope: ALL };
    const signed = `${part({ alg: "HS256", kid: "RS256" })}.${part(body)}`;
    const mac = createHmac("sha256", await issuer.publicPem())
      .update(signed)
      .digest("base64url");
    return `${signed}.${mac}`;
  },
  "a body that was changed after signing": async (issuer) => {
    const [head, body = "", tail] = (await issuer.token()).split(".");
    const claims = JSON.parse(Buffer.from(body, "base64url").toString());
    const changed = Buffer.from(JSON.stringify({ ...claims, sub: "admin" })).toString("base64url");
    return `${head}.${changed}.${tail}`;
  },
  "nothing that is a token": async () => "a.b.c",
};

it("is refused in the same words whatever is wrong with it, and never repeated", async () => {
  const { issuer, server } = await serveOAuth({ publicUrl: "http://127.0.0.1:9/" });
  const agent = openAgent();
  const answers = new Map<string, string>();
  for (const [name, how] of Object.entries(BAD)) {
    const token = typeof how === "function" ? await how(issuer) : await issuer.token(how);
    const { status, text, headers } = await send(agent, server.url, { headers: bearer(token), body: {} });
    expect([name, status]).toEqual([name, 401]);
    expect(text).not.toContain(token);
    expect(JSON.stringify(server.lines)).not.toContain(token);
    answers.set(name, `${text} ${headers["www-authenticate"]}`);
  }
  expect(new Set(answers.values()).size).toBe(1);
  expect([...answers.values()][0]).toContain(
    'Bearer realm="nightshift", error="invalid_token", resource_metadata="http://127.0.0.1:9/.well-known/oauth-protected-resource/mcp"',
  );
  expect(server.app.connectionDeps.open.size).toBe(0);
});

it("has the type that RFC 9068 gives it, in either spelling, or the one that the operator names", async () => {
  const { issuer, server } = await serveOAuth();
  const status = async (at: typeof server, options: TokenOptions) =>
    (await openCaller("modern", at, await issuer.token(options)).then((caller) => caller.send("tools/list")))
      .status;
  for (const typ of ["at+jwt", "application/at+jwt", "AT+JWT"])
    expect(await status(server, { typ })).toBe(200);
  const named = { oauthIssuer: issuer.url, oauthAudience: AUDIENCE, oauthTokenType: "JWT" };
  const lenient = await serve(named);
  for (const typ of ["JWT", null]) expect(await status(lenient, { typ })).toBe(200);
  expect(await status(lenient, { typ: "at+jwt" })).toBe(401);
  expect(await status(lenient, { typ: "JWT", claims: { nonce: "n" } })).toBe(401);
});

describe("the metadata of the protected resource", () => {
  it("says where tokens come from, to anybody", async () => {
    const { issuer, server } = await serveOAuth({ publicUrl: "https://night.example/", allowedHosts: [] });
    for (const path of ["", "/mcp"]) {
      const url = `${server.base}/.well-known/oauth-protected-resource${path}`;
      const { status, messages } = await send(openAgent(), url, { method: "GET" });
      expect(status).toBe(200);
      expect(messages).toEqual([
        {
          resource: "https://night.example/mcp",
          authorization_servers: [issuer.url],
          scopes_supported: ["facts:write", "facts:read", "jobs:write", "jobs:read"],
          bearer_methods_supported: ["header"],
        },
      ]);
    }
  });

  it("is named in the challenge of a server that was given no public URL too", async () => {
    const { server } = await serveOAuth();
    const { status, headers } = await send(openAgent(), server.url, { body: {} });
    expect(status).toBe(401);
    expect(headers["www-authenticate"]).toBe(
      `Bearer realm="nightshift", resource_metadata="${server.base}/.well-known/oauth-protected-resource/mcp"`,
    );
  });

  it("is absent where there is no issuer", async () => {
    const server = await serve();
    const url = `${server.base}/.well-known/oauth-protected-resource`;
    expect((await send(openAgent(), url, { method: "GET" })).status).toBe(404);
  });
});

it("an issuer with a path of its own is found where RFC 8414 puts it", async () => {
  const { issuer, server } = await serveOAuth({}, "/realms/night");
  const caller = await openCaller("modern", server, await issuer.token());
  expect((await caller.call("whoami")).structuredContent.user_id).toBe("dave");
});

it("a token in use outlives its issuer, and a stranger's costs no crash while the issuer is away", async () => {
  const { issuer, server } = await serveOAuth();
  const caller = await openCaller("modern", server, await issuer.token());
  expect((await caller.call("whoami")).structuredContent.user_id).toBe("dave");
  const stranger = await issuer.token({ stranger: true });
  await issuer.close();
  expect((await caller.call("whoami")).structuredContent.user_id).toBe("dave");
  expect((await send(openAgent(), server.url, { headers: bearer(stranger), body: {} })).status).toBe(401);
});

it("an issuer that is away when its keys are first needed lets nobody in, and breaks nothing", async () => {
  const { issuer, server } = await serveOAuth();
  const token = await issuer.token();
  await issuer.close();
  const { status, text } = await send(openAgent(), server.url, { headers: bearer(token), body: {} });
  expect(status).toBe(401);
  expect(text).not.toContain(token);
  const said = JSON.stringify(server.lines);
  expect(said).toContain("could not be checked");
  expect(said).not.toContain(token);
  const caller = await openCaller("modern", server, await server.key("bob"));
  expect((await caller.call("whoami")).structuredContent.user_id).toBe("bob");
});
