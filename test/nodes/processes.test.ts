import { describe, expect, it, onTestFinished } from "vitest";
import { type Script, startScriptedModel } from "../../src/model/scripted.ts";
import { eventually, tempDir } from "../harness.ts";
import { type Caller, ERAS, openCaller, type Stream } from "../http/caller.ts";
import { serve, serveChild } from "../http/harness.ts";
import { openPostgres } from "../postgres.ts";

/** A process that runs jobs, and this one, which serves on the same data and runs none. */
async function open(database: string, script: Script = () => ({ text: "Done." })) {
  const data = await tempDir();
  const databaseUrl = database === "Postgres" ? (await openPostgres()).url : undefined;
  const model = await startScriptedModel({ script });
  onTestFinished(() => model.close());
  const here = await serve({
    dataDir: data,
    databaseUrl,
    model: "openai-compatible:scripted",
    modelBaseUrl: model.baseUrl,
  });
  const key = await here.key("alice");
  const there = await serveChild({
    data,
    env: {
      ...(databaseUrl && { NIGHTSHIFT_DATABASE_URL: databaseUrl }),
      NIGHTSHIFT_MODEL: "openai-compatible:scripted",
      NIGHTSHIFT_MODEL_BASE_URL: model.baseUrl,
      // A change that only a heartbeat would notice comes too late for these tests.
      NIGHTSHIFT_LEASE_MS: "600000",
    },
  });
  return { here, there, key };
}

const PROMPT = { prompt: "Say done.", every_seconds: 3_600 };
const jobIn = async (caller: Caller) =>
  (await caller.call("schedule_task", PROMPT)).structuredContent.job_id as string;
const told = ({ messages }: Stream, uri: string) =>
  messages.some(({ method, params }) => method === "notifications/resources/updated" && params.uri === uri);

describe.each(["SQLite", "Postgres"])("two processes on one %s", (database) => {
  it("end a run at once that is cancelled by the other", async () => {
    const { here, key } = await open(database, () => ({ text: "Never.", delayMs: 300_000 }));
    const caller = await openCaller("modern", here, key);
    const job_id = await jobIn(caller);
    const { run_id } = (await caller.call("run_job", { job_id })).structuredContent;
    const status = async () => (await caller.call("get_run", { run_id })).structuredContent.status;
    await eventually(async () => (await status()) === "running", 20_000);
    await caller.call("cancel_run", { run_id });
    await eventually(async () => (await status()) === "cancelled", 15_000);
  }, 60_000);

  it("tell whoever waits how a run of the other ended, and end it when nobody waits any more", async () => {
    const { here, key } = await open(database, ({ messages }) =>
      JSON.stringify(messages).includes("slowly") ? { delayMs: 300_000 } : { text: "Done.", delayMs: 200 },
    );
    const caller = await openCaller("modern", here, key);
    const ran = await caller.call("run_job", { job_id: await jobIn(caller), wait: true });
    expect(ran.structuredContent).toMatchObject({ status: "succeeded", output: "Done." });

    const slow = { ...PROMPT, prompt: "Think slowly." };
    const { job_id } = (await caller.call("schedule_task", slow)).structuredContent;
    const gone = new AbortController();
    const call = { name: "run_job", arguments: { job_id, wait: true } };
    const waiting = caller.send("tools/call", call, { signal: gone.signal });
    const runs = async () => (await caller.call("list_runs", { job_id })).structuredContent.runs;
    await eventually(async () => (await runs())[0]?.status === "running", 20_000);
    gone.abort();
    await expect(waiting).rejects.toThrow();
    await eventually(async () => (await runs())[0].status === "cancelled", 15_000);
  }, 60_000);

  it.each(ERAS)(
    "end what is open with a key that is revoked by the other, %s era",
    async (era) => {
      const { here, there } = await open(database);
      const { key, apiKey } = await here.app.keys.create({
        userId: "bob",
        scopes: ["jobs:read"],
        expiresAt: null,
      });
      const stream = await (await openCaller(era, there, key)).listen([]);
      expect(stream.status).toBe(200);
      await here.app.keys.revoke(apiKey.keyId);
      await stream.ended;
    },
    60_000,
  );
});

describe.each(ERAS)("two nodes, %s era", (era) => {
  it("tell subscribers of either what happened at the other, and nobody else", async () => {
    const { here, there, key } = await open("Postgres");
    const [near, far] = [await openCaller(era, here, key), await openCaller(era, there, key)];
    const job_id = await jobIn(near);
    const job = `job://${job_id}`;
    const watched = [job, "inbox://"];
    const streams = [await near.listen(watched), await far.listen(watched)];
    const stranger = await openCaller(era, there, await here.key("mallory"));
    const theirs = era === "modern" ? await stranger.listen([job]) : undefined;
    await near.call("pause_job", { job_id });
    await eventually(async () => streams.every((stream) => told(stream, job)));
    for (const { messages } of streams) messages.length = 0;
    await far.call("resume_job", { job_id });
    await eventually(async () => streams.every((stream) => told(stream, job)));
    for (const { messages } of streams) messages.length = 0;
    // A run's end is told by the node that ran it.
    await near.call("run_job", { job_id, wait: true });
    await eventually(async () => watched.every((uri) => streams.every((stream) => told(stream, uri))));
    expect(theirs?.messages.filter(({ method }) => method?.endsWith("updated")) ?? []).toEqual([]);
  }, 60_000);
});
