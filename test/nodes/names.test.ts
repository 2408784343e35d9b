import { Client } from "pg";
import { expect, it } from "vitest";
import { cli, startServer } from "../child-process.ts";
import { eventually } from "../harness.ts";
import { serveChild } from "../http/harness.ts";
import { openPostgres } from "../postgres.ts";

const TAKEN = /Another node with the name north uses this Postgres; give each node a NIGHTSHIFT_NODE/;

async function open() {
  const { url } = await openPostgres();
  const env = { NIGHTSHIFT_DATABASE_URL: url, NIGHTSHIFT_NODE: "north", NIGHTSHIFT_LOG_LEVEL: "info" };
  return { url, env, second: () => cli(["serve", "--port", "0"], { env }) };
}

it("a second node of the same name refuses to start, and no other process does", async () => {
  const { env, second } = await open();
  const first = await serveChild({ env });
  const refused = await second();
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(TAKEN)]);
  expect((await cli(["keys", "create", "--user", "alice"], { env })).code).toBe(0);
  const stdio = await startServer(["--user", "alice"], { env });
  expect((await stdio.call("list_jobs")).jobs).toEqual([]);
  await serveChild({ env: { ...env, NIGHTSHIFT_NODE: "south" } });
  expect(await first.stop()).toBe(0);
  await serveChild({ env });
}, 60_000);

it("the name of a node that was killed is free for the next one", async () => {
  const { env } = await open();
  const first = await serveChild({ env });
  await first.stop("SIGKILL");
  await serveChild({ env });
}, 60_000);

it("a node has its name again after its connection was cut", async () => {
  const { url, env, second } = await open();
  await serveChild({ env });
  const admin = new Client({ connectionString: url });
  await admin.connect();
  try {
    const holders = async () =>
      (
        await admin.query(
          `select pid from pg_locks join pg_stat_activity using (pid)
           where locktype = 'advisory' and datname = current_database() and query like 'listen %'`,
        )
      ).rows as { pid: number }[];
    const [held, ...others] = await holders();
    expect(others).toEqual([]);
    await admin.query("select pg_terminate_backend($1)", [held?.pid]);
    const again = await eventually(async () => (await holders()).find(({ pid }) => pid !== held?.pid));
    expect(again).toBeDefined();
  } finally {
    await admin.end();
  }
  expect((await second()).stderr).toMatch(TAKEN);
}, 60_000);
