import { describe, expect, it, onTestFinished } from "vitest";
import { startScriptedModel } from "../../src/model/scripted.ts";
import { type AnyClient, CLIENTS, eventually, follow, shareStdio, spawnStdio, tempDir } from "../harness.ts";

const DAILY = { tool: { name: "whoami" }, cron: "0 9 * * *", timezone: "UTC" };

async function scripted(delayMs: number) {
  const model = await startScriptedModel({ script: () => ({ text: "Done.", delayMs }) });
  onTestFinished(() => model.close());
  return { NIGHTSHIFT_MODEL: "openai-compatible:scripted", NIGHTSHIFT_MODEL_BASE_URL: model.baseUrl };
}

const schedule = async (client: AnyClient, args: Record<string, unknown> = DAILY): Promise<string> =>
  (await client.call("schedule_task", { ...args, allow_duplicate: true })).structuredContent.job_id;

/** What is listed for a user who has nothing yet. */
const OF_EVERYBODY = ["inbox://", "nightshift://policy"];

const listed = async (client: AnyClient): Promise<string[]> =>
  (await client.raw.listResources()).resources.map(({ uri }: { uri: string }) => uri);

/** The error with which a client says that something is absent, without the URI. */
async function errorOf(client: AnyClient, uri: string): Promise<unknown> {
  const error = await client.raw.readResource({ uri }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Error);
  const { message, code, data } = error as Error & { code: unknown; data: unknown };
  return JSON.parse(JSON.stringify({ message, code, data }).replaceAll(uri, "<uri>"));
}

describe.each(CLIENTS)("resources, %s", (kind) => {
  const server = shareStdio(kind);

  it("are the user's own jobs, runs and facts, read as the tools show them", async () => {
    const client = server();
    expect(await listed(client)).toEqual(OF_EVERYBODY);
    const jobId = await schedule(client);
    const { run_id } = (await client.call("run_job", { job_id: jobId })).structuredContent;
    const { fact_id } = (await client.call("save_fact", { fact: "Tea." })).structuredContent;
    expect(await listed(client)).toEqual([...OF_EVERYBODY, `job://${jobId}`, `run://${run_id}`]);
    const read = async (uri: string) => {
      const { contents } = await client.raw.readResource({ uri });
      expect(contents).toMatchObject([{ uri, mimeType: "application/json" }]);
      return JSON.parse(contents[0].text);
    };
    const job = await read(`job://${jobId}`);
    expect(job).toMatchObject({ job_id: jobId, cron: "0 9 * * *", timezone: "UTC" });
    const shown = (await client.call("get_job", { job_id: jobId })).structuredContent;
    expect(Object.keys(job)).toEqual(Object.keys(shown));
    expect(await read(`run://${run_id}`)).toMatchObject({ run_id, job_id: jobId, entity_type: "scheduler" });
    expect(await read(`fact://${fact_id}`)).toMatchObject({ fact_id, fact: "Tea." });
    const { resourceTemplates } = await client.raw.listResourceTemplates();
    expect(resourceTemplates).toMatchObject([
      { uriTemplate: "job://{job_id}", title: "A scheduled job" },
      { uriTemplate: "run://{run_id}", title: "A run of a job" },
      { uriTemplate: "fact://{fact_id}", title: "A saved fact" },
    ]);
  });

  it("of another user look exactly like those that are not there", async () => {
    const data = await tempDir();
    const alice = await spawnStdio("v2 client, 2026 era", { data });
    const jobId = await schedule(alice);
    const { run_id } = (await alice.call("run_job", { job_id: jobId })).structuredContent;
    const { fact_id } = (await alice.call("save_fact", { fact: "Secret." })).structuredContent;
    const bob = await spawnStdio(kind, { data, user: "bob" });
    for (const uri of [`job://${jobId}`, `run://${run_id}`, `fact://${fact_id}`]) {
      const none = uri.replace(/[0-9a-z]{6}$/i, "zzzzzz");
      expect(await errorOf(bob, uri), uri).toEqual(await errorOf(bob, none));
    }
    expect(await listed(bob)).toEqual(OF_EVERYBODY);
    for (const odd of ["job://", "job://../x", `job://${jobId}%00`, "fact://%", "file:///etc/passwd"])
      expect(JSON.stringify(await errorOf(bob, odd)), odd).toMatch(/not found/i);
  });

  it("tell of a change to who subscribed, of what they subscribed to, until they stop", async () => {
    const client = server();
    const [followed, other] = [await schedule(client), await schedule(client)];
    const { told, stop } = await follow(kind, client, [`job://${followed}`]);
    await client.call("pause_job", { job_id: other });
    await client.call("pause_job", { job_id: followed });
    await eventually(async () => told.length === 1);
    await client.call("resume_job", { job_id: followed });
    await eventually(async () => told.length === 2);
    await stop();
    await client.call("pause_job", { job_id: followed });
    await client.call("pause_job", { job_id: other });
    expect((await client.call("whoami")).isError).toBeFalsy();
    expect(told).toEqual([`job://${followed}`, `job://${followed}`]);
  });

  it("tell of the end of a run, and of its job's", async () => {
    const client = await spawnStdio(kind, { data: await tempDir(), env: await scripted(400) });
    const job_id = await schedule(client, { prompt: "Say done.", cron: "0 9 * * *" });
    const { run_id } = (await client.call("run_job", { job_id })).structuredContent;
    const uris = [`run://${run_id}`, `job://${job_id}`];
    const { told } = await follow(kind, client, uris);
    // There may be an update for its start and one for its end: after the last one the run has ended.
    const readRun = async () =>
      JSON.parse((await client.raw.readResource({ uri: `run://${run_id}` })).contents[0].text);
    await eventually(
      async () => uris.every((uri) => told.includes(uri)) && (await readRun()).status === "succeeded",
    );
    expect(await readRun()).toMatchObject({ status: "succeeded", output: "Done." });
  });
});
