import { Client } from "pg";
import { expect, it, onTestFinished } from "vitest";
import { eventually } from "../harness.ts";
import { openAgent, openCaller, schedule, send } from "../http/caller.ts";
import { serve } from "../http/harness.ts";
import { openPostgres } from "../postgres.ts";

it("a locked table and 200 reads of one user leave a node ready, and others served", async () => {
  const { url: databaseUrl } = await openPostgres();
  const node = await serve({ databaseUrl, databasePool: 4, databaseTimeoutMs: 20_000 });
  const [greedy, other] = [
    await openCaller("modern", node, await node.key("greedy")),
    await openCaller("modern", node, await node.key("other")),
  ];
  await other.call("save_fact", { fact: "There are bees." });
  await schedule(greedy);
  const holder = new Client({ connectionString: databaseUrl });
  await holder.connect();
  onTestFinished(() => holder.end());
  await holder.query("begin; lock table nightshift.runs in access exclusive mode");
  const waiting = async () => {
    const sql =
      "select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    return (await holder.query(sql)).rows[0]?.n as number;
  };

  const reads = Array.from({ length: 200 }, () =>
    greedy.send("tools/call", { name: "list_runs", arguments: {} }),
  );
  await eventually(async () => (await waiting()) > 0);
  const ready = () => send(openAgent(), `${node.base}/readyz`, { method: "GET" });
  const seen: number[] = [];
  // Calls that come later are refused at once, while those of before still wait.
  const shed = await eventually(async () => {
    seen.push(await waiting());
    expect((await ready()).status).toBe(200);
    // What needs no locked table is served, by the pool of the jobs too.
    expect((await other.call("recall_facts", { query: "bees" })).structuredContent.facts).toHaveLength(1);
    expect(await node.app.keys.list("other")).toHaveLength(1);
    const { status, headers, messages } = await greedy.send("tools/call", { name: "whoami", arguments: {} });
    return status === 503 && { after: headers["retry-after"], message: messages[0].error.message };
  }, 20_000);
  expect(shed).toEqual({ after: "2", message: expect.stringMatching(/DATA_UNAVAILABLE/) });
  expect(Math.max(...seen)).toBeLessThanOrEqual(2);
  await holder.query("rollback");
  await Promise.all(reads);
  const { isError } = await greedy.call("list_runs");
  expect(isError).toBeFalsy();
}, 60_000);
