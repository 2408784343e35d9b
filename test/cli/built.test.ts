import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { describe, expect, it, onTestFinished } from "vitest";
import { peopleTools } from "../../src/tools/builtin.ts";
import { start, startServer } from "../child-process.ts";
import { CLI, CLIENTS, eventually, ROOT, spawnStdio, tempDir } from "../harness.ts";
import { connect, HTTP_CLIENTS } from "../http/clients.ts";
import { serveChild } from "../http/harness.ts";
import { openPostgres } from "../postgres.ts";
import { startReceiver } from "../webhooks/receiver.ts";

describe("the built package", () => {
  it.each(CLIENTS)("serves over stdio, %s", async (kind) => {
    const client = await spawnStdio(kind, { data: await tempDir() });
    expect(await client.listTools()).toHaveLength(peopleTools.length);
    await client.call("save_fact", { fact: "Built and bundled." });
    const { structuredContent } = await client.call("recall_facts", { query: "bundle" });
    expect(structuredContent.facts).toMatchObject([{ fact: "Built and bundled." }]);
  });

  it("gives threads a source of one byte a character: with one wider, each would keep all of it twice as wide", async () => {
    for (const file of ["ghost-thread.js", "load-thread.js"]) {
      const source = await readFile(join(ROOT, "dist", file));
      expect(
        source.findIndex((byte) => byte > 0x7f),
        file,
      ).toBe(-1);
    }
  });

  it.each(HTTP_CLIENTS)("serves over HTTP, %s", async (kind) => {
    const server = await serveChild({ args: ["--sse"] });
    const client = await connect(kind, server);
    expect(await client.listTools()).toHaveLength(peopleTools.length);
    expect((await client.call("whoami")).structuredContent).toMatchObject({ entity_type: "api" });
    expect(await server.stop()).toBe(0);
  });

  it("keeps its data in Postgres", async () => {
    const { url } = await openPostgres();
    const args = ["--database-url", url];
    const server = await startServer([...args, "--user", "alice"]);
    await server.call("save_fact", { fact: "Built and bundled." });
    const { job_id } = await server.call("schedule_task", { tool: { name: "whoami" }, every_seconds: 3_600 });
    expect((await server.call("run_job", { job_id, wait: true })).status).toBe("succeeded");
    server.end();
    expect((await server.exited).code).toBe(0);
  });

  it("runs the demo: a ghost in its bundled thread, a model over HTTP", async () => {
    const child = start([CLI, "demo", "--json"]);
    child.end();
    expect(await child.exited).toEqual({ code: 0, signal: null });
    expect(JSON.parse(child.stdout())).toMatchObject({ ok: true, run: { status: "succeeded" } });
  }, 40_000);

  it("runs code jobs of a folder, tells a webhook, and has tools of a user's own, in JSON Schema too", async () => {
    const dir = await tempDir();
    const receiver = await startReceiver();
    await writeFile(
      join(dir, "tools.mjs"),
      `export default { name: "shout", description: "Shouts.", annotations: { readOnlyHint: true },
         inputSchema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
         run: ({ text }) => text.toUpperCase() };`,
    );
    await writeFile(
      join(dir, "job.mjs"),
      `export default { every: "1h", webhook_url: "${receiver.url}",
         run: async (ghost) => (await ghost.callTool("shout", { text: "done" })).content[0].text };`,
    );
    const args = ["--tools", join(dir, "tools.mjs"), "--jobs", dir, "--webhook-allow-private"];
    const client = await spawnStdio("v2 client, 2026 era", { data: dir, args });
    expect((await client.call("shout", { text: "hey" })).content[0]?.text).toBe("HEY");
    const job = await eventually(async () => (await client.call("list_jobs")).structuredContent.jobs[0]);
    expect(job).toMatchObject({ file: "job.mjs", every_seconds: 3_600 });
    const { run_id } = (await client.call("run_job", { job_id: job.job_id })).structuredContent;
    const run = await eventually(async () => {
      const { structuredContent } = await client.call("get_run", { run_id });
      return structuredContent.finished_at && structuredContent;
    });
    expect(run).toMatchObject({ status: "succeeded", output: "DONE" });
    await eventually(async () => receiver.received.length > 0);
    const [told] = receiver.received;
    expect(JSON.parse(told?.body ?? "")).toMatchObject({
      type: "run.succeeded",
      data: { run_id, output: "DONE" },
    });
    expect(told?.headers["webhook-signature"]).toMatch(/^v1,/);
  }, 40_000);

  it("says on an old Node what it needs, in a line", async () => {
    const text = await readFile(CLI, "utf8");
    expect(text.startsWith("#!/usr/bin/env node\n")).toBe(true);
    expect(text).toContain("needs Node 22.18");
  });
});

describe("mcp.json", () => {
  it("is a client's configuration as it stands, and starts a server from this folder", async () => {
    const { mcpServers } = JSON.parse(await readFile(join(ROOT, "mcp.json"), "utf8"));
    expect(Object.keys(mcpServers)).toEqual(["nightshift"]);
    const { command, args, env } = mcpServers.nightshift;
    const data = await tempDir();
    const transport = new StdioClientTransport({
      command,
      args,
      cwd: ROOT,
      // Started as a client does: with its own PATH and HOME and the file's settings, offline, since a start fetches nothing.
      env: {
        PATH: process.env.PATH ?? "",
        HOME: process.env.HOME ?? "",
        ...env,
        NIGHTSHIFT_DATA_DIR: data,
        npm_config_offline: "true",
      },
      stderr: "pipe",
    });
    let stderr = "";
    transport.stderr?.on("data", (chunk: Buffer) => {
      stderr += chunk;
    });
    const client = new Client({ name: "desktop", version: "1" }, { versionNegotiation: { mode: "auto" } });
    onTestFinished(() => client.close());
    await client.connect(transport).catch((error: unknown) => expect.fail(`${error}\n${stderr}`));
    const { structuredContent } = await client.callTool({ name: "whoami", arguments: {} });
    expect(structuredContent).toMatchObject({ entity_type: "human" });
  }, 60_000);
});
