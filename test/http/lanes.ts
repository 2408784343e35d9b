import { expect } from "vitest";
import { type Answer, type Ask, bearer, openAgent, send } from "./caller.ts";
import { listen, type ServeOptions, serve } from "./harness.ts";

/** Ids and times, which differ from one answer to the next. */
const ID =
  /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<=_)1[0-9]{12}\b|(?<=_)[0-9a-f]{12,40}\b|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)/g;

interface Compared {
  readonly status: number;
  readonly headers: unknown;
  readonly json: unknown;
}

function comparable({ status, headers, text }: Answer): Compared {
  const { date: _date, "content-length": length, ...others } = headers;
  const normal = text.replace(ID, "ID");
  const isJson = headers["content-type"]?.startsWith("application/json") ?? false;
  const said = isJson && text ? JSON.parse(normal) : normal;
  expect(length === undefined || Number(length) === Buffer.byteLength(text)).toBe(true);
  return { status, headers: JSON.parse(JSON.stringify(others).replace(ID, "ID")), json: said };
}

/** Two programs that are alike, except that the second leaves every request to the SDK. */
export async function serveBoth(options: ServeOptions = {}) {
  const agent = openAgent();
  let accounts = 0;
  const open = async (isDirect: boolean) => {
    const server = await serve(options);
    const { connectionDeps } = server.app;
    const openAccount: typeof connectionDeps.held.open = (...given) => {
      if (isDirect) accounts += 1;
      return connectionDeps.held.open(...given);
    };
    const deps = { ...connectionDeps, held: { ...connectionDeps.held, open: openAccount } };
    const { url } = await listen(server.app, { direct: isDirect, connectionDeps: deps });
    const keys = {
      alice: await server.key("alice"),
      reader: await server.key("alice", { scopes: ["facts:read"] }),
    };
    return { server, url: `${url}/mcp`, keys };
  };
  const direct = await open(true);
  const sdk = await open(false);
  const ask = async ({ url, keys }: typeof direct, asked: Ask, who: keyof typeof keys) =>
    send(agent, url, { ...asked, headers: { ...bearer(keys[who]), ...asked.headers } });
  return {
    direct,
    sdk,
    /** Sends the request to both and demands the same answer. Resolves to it, and whether the SDK served the first. */
    async compare(asked: Ask, who: "alice" | "reader" = "alice"): Promise<Answer & { bySdk: boolean }> {
      const before = accounts;
      const answers = await Promise.all([ask(direct, asked, who), ask(sdk, asked, who)]);
      const [ours, theirs] = answers.map(comparable);
      expect(ours, JSON.stringify(asked)).toEqual(theirs);
      // Each request has an account of held bytes, and an MCP server has one more.
      return { ...answers[0], bySdk: accounts > before + 1 };
    },
  };
}
