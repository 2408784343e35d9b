import { expect, it, onTestFinished } from "vitest";
import { cli } from "../child-process.ts";
import { eventually } from "../harness.ts";
import { ERAS, openAgent, openCaller, schedule, send } from "../http/caller.ts";
import { serveChild } from "../http/harness.ts";
import { startPostgres } from "../postgres/start.ts";

it("a server whose Postgres goes away says so, answers what needs none, and is well when it is back", async () => {
  const postgres = await startPostgres();
  onTestFinished(() => postgres.close());
  const env = {
    NIGHTSHIFT_DATABASE_URL: postgres.url,
    NIGHTSHIFT_DATABASE_TIMEOUT_MS: "1000",
    NIGHTSHIFT_LEASE_MS: "1000",
  };
  const keyOf = async (user: string) =>
    JSON.parse((await cli(["keys", "create", "--user", user, "--json"], { env })).stdout).key as string;
  const [alice, late] = [await keyOf("alice"), await keyOf("late")];
  const server = await serveChild({ env });
  const get = (path: string) => send(openAgent(), server.base + path, { method: "GET" });
  const callers = await Promise.all(ERAS.map((era) => openCaller(era, server, alice)));
  const [modern] = callers as [(typeof callers)[0]];
  const job = await schedule(modern);
  await modern.call("save_fact", { fact: "Alice keeps bees." });
  const stream = await modern.listen([`job://${job}`]);
  expect((await get("/readyz")).status).toBe(200);

  await postgres.stop();
  await eventually(async () => (await get("/readyz")).status === 503, 30_000);
  expect((await get("/healthz")).status).toBe(200);
  for (const caller of callers) {
    expect((await caller.call("whoami")).structuredContent.user_id).toBe("alice");
    expect((await caller.send("tools/list")).messages[0].result.tools.length).toBeGreaterThan(10);
    for (const [tool, args] of [
      ["list_jobs", {}],
      ["run_job", { job_id: job }],
      ["recall_facts", { query: "bees" }],
    ] as const) {
      const { isError, content } = await caller.call(tool, args);
      expect([isError, content[0]?.text]).toEqual([true, expect.stringMatching(/DATA_UNAVAILABLE/)]);
    }
  }
  const stranger = await openCaller("modern", server, late);
  const unknown = await stranger.send("tools/list");
  expect([unknown.status, unknown.messages[0].error.message]).toEqual([
    503,
    expect.stringMatching(/database cannot be reached.*try again/),
  ]);
  const { status, text } = await get("/metrics");
  expect([status, /^nightshift_queue_depth/m.test(text)]).toEqual([200, false]);

  await postgres.start();
  await eventually(async () => (await get("/readyz")).status === 200, 30_000);
  for (const caller of callers) {
    expect((await caller.call("list_jobs")).structuredContent.jobs).toHaveLength(1);
    expect((await caller.call("recall_facts", { query: "bees" })).structuredContent.facts).toHaveLength(1);
    const ran = await caller.call("run_job", { job_id: job, wait: true });
    expect(ran.structuredContent.status).toBe("succeeded");
  }
  expect((await stranger.send("tools/list")).status).toBe(200);
  // The stream stayed open all the time, and gets notifications again.
  await modern.call("pause_job", { job_id: job });
  await eventually(async () => stream.messages.some(({ params }) => params?.uri === `job://${job}`));
  expect(server.stderr()).not.toContain(new URL(postgres.url).password);
  expect(await server.stop()).toBe(0);
}, 90_000);
