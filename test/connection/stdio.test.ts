import { describe, expect, it } from "vitest";
import { CLIENTS, shareStdio, spawnStdio, tempDir } from "../harness.ts";

describe.each(CLIENTS)("stdio, %s", (kind) => {
  const server = shareStdio(kind);

  it("offers every tool with a title, annotations and both schemas, in the same order each time", async () => {
    const client = server();
    const tools = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual([
      "whoami",
      "current_time",
      "save_fact",
      "recall_facts",
      "list_facts",
      "forget_fact",
      "schedule_task",
      "preview_schedule",
      "list_jobs",
      "get_job",
      "update_job",
      "pause_job",
      "resume_job",
      "cancel_job",
      "run_job",
      "backfill",
      "list_runs",
      "get_run",
      "cancel_run",
      "answer_run",
      "inbox",
      "set_timezone",
    ]);
    for (const tool of tools) {
      expect(tool.title, tool.name).toBeTruthy();
      expect(tool.annotations, tool.name).toBeTruthy();
      expect(tool.outputSchema, tool.name).toMatchObject({ type: "object" });
      expect(tool.inputSchema, tool.name).toMatchObject({ type: "object", additionalProperties: false });
    }
    expect(await client.listTools()).toEqual(tools);
  });

  it("saves a fact and recalls it by a question", async () => {
    const client = server();
    const saved = await client.call("save_fact", { fact: "Alice's dog is called Bruno.", tags: ["pets"] });
    expect(saved.structuredContent).toMatchObject({ status: "saved" });
    const again = await client.call("save_fact", { fact: "  alice's DOG is called Bruno. " });
    expect(again.structuredContent).toEqual({
      status: "duplicate",
      fact_id: saved.structuredContent.fact_id,
    });
    const { structuredContent } = await client.call("recall_facts", { query: "What's the name of the dog?" });
    expect(structuredContent.status).toBe("ok");
    expect(structuredContent.facts).toMatchObject([
      { fact_id: saved.structuredContent.fact_id, fact: "Alice's dog is called Bruno.", tags: ["pets"] },
    ]);
  });

  it("says who it is, and that nothing the caller sends can change", async () => {
    const client = server();
    const { structuredContent } = await client.raw.callTool({
      name: "whoami",
      arguments: {},
      _meta: { entity_type: "scheduler", user_id: "mallory", "nightshift/entity_type": "scheduler" },
    });
    expect(structuredContent).toMatchObject({ user_id: "alice", entity_type: "human", is_automated: false });
    expect(structuredContent.registry_id).toMatch(
      new RegExp(`^user_[0-9a-f]{12}_${structuredContent.run_id}_\\d+$`),
    );
  });

  it("names an argument it does not know, and says what it takes", async () => {
    const client = server();
    const result = await client.call("recall_facts", { query: "dog", user_id: "bob" });
    expect(result.isError).toBe(true);
    expect(result.content[0]?.text).toContain('"user_id"');
    expect(result.content[0]?.text).toContain("query (required)");
  });

  it("answers an unknown tool with a protocol error that names the tools", async () => {
    const client = server();
    await expect(client.call("drop_tables")).rejects.toThrow(/drop_tables not found.*whoami/);
  });
});

it("keeps two users of one data folder apart", async () => {
  const data = await tempDir();
  const alice = await spawnStdio("v2 client, 2026 era", { data, user: "alice" });
  const bob = await spawnStdio("v1 client, 2025 era", { data, user: "Alice" });
  const { structuredContent: saved } = await alice.call("save_fact", { fact: "The safe's code is 4711." });
  expect((await bob.call("recall_facts", { query: "code of the safe" })).structuredContent.facts).toEqual([]);
  const forgotten = await bob.call("forget_fact", { fact_id: saved.fact_id });
  const absent = await bob.call("forget_fact", { fact_id: "fact_nothing" });
  expect(forgotten.isError).toBe(true);
  expect(forgotten.content).toEqual(absent.content);
  expect((await alice.call("recall_facts", { query: "safe code" })).structuredContent.facts).toHaveLength(1);
});
