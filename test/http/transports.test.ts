import { describe, expect, it } from "vitest";
import { connect, HTTP_CLIENTS } from "./clients.ts";
import { serve } from "./harness.ts";

describe.each(HTTP_CLIENTS)("%s", (kind) => {
  it("calls tools as the holder of its key, and as nobody it says it is", async () => {
    const server = await serve({ sse: true });
    const client = await connect(kind, server, await server.key("bob"));
    const { structuredContent } = await client.raw.callTool({
      name: "whoami",
      arguments: {},
      _meta: { entity_type: "human", user_id: "alice", "nightshift/entity_type": "scheduler" },
    });
    expect(structuredContent).toMatchObject({ user_id: "bob", entity_type: "api", is_automated: false });
    const tools = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain("schedule_task");
    const saved = await client.call("save_fact", { fact: "Bob keeps bees." });
    expect(saved.structuredContent).toMatchObject({ status: "saved" });
    const recalled = await client.call("recall_facts", { query: "bees" });
    expect(recalled.structuredContent.facts).toMatchObject([{ fact: "Bob keeps bees." }]);
  }, 60_000);

  it("has a context of its own, which ends with it", async () => {
    const server = await serve({ sse: true });
    const key = await server.key("bob");
    const [one, other] = [await connect(kind, server, key), await connect(kind, server, key)];
    const [first, second] = [await one.call("whoami"), await other.call("whoami")];
    expect(first.structuredContent.session_id).not.toBe(second.structuredContent.session_id);
    expect(first.structuredContent.registry_id).not.toBe(second.structuredContent.registry_id);
    await one.close();
    expect((await other.call("whoami")).structuredContent.user_id).toBe("bob");
    await other.close();
    await server.http.close();
    expect(server.app.connectionDeps.open.size).toBe(0);
  }, 60_000);
});
