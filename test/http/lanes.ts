import { expect } from "vitest";
import { type Answer, type Ask, bearer, openAgent, send } from "./caller.ts";
import { listen, type ServeOptions, serve } from "./harness.ts";
import { comparable } from "./twins.ts";

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
