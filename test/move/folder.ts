import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Client } from "pg";
import { onTestFinished } from "vitest";
import { ask, endedRun, openProgram } from "../program.ts";

export interface Made {
  readonly dataDir: string;
  readonly jobId: string;
  readonly runId: string;
  /** The secret that a client would send. */
  readonly key: string;
}

/** A data folder as the program leaves it: facts of two users, jobs, a run of a prompt, usage, keys, a webhook. */
export async function makeFolder(): Promise<Made> {
  const { app, dataDir, open, close } = await openProgram({
    scheduler: true,
    script: () => ({ text: "A report about ünïcode, and \0 too." }),
  });
  const alice = open();
  await ask(alice, "save_fact", { fact: "Alice's boat is called Möwe ⛵.", tags: ["boat"] });
  await ask(alice, "save_fact", { fact: "Her flight is on Friday.", expires_in_days: 30 });
  const bob = open("bob");
  await ask(bob, "save_fact", { fact: "Bob's boat is called Otter." });
  const { job_id: jobId } = await ask(alice, "schedule_task", {
    prompt: "Write me a report.\nWith a\ttab and 'quotes' and \\u0000.",
    cron: "0 9 * * 1-5",
    timezone: "Europe/Berlin",
  });
  const { run_id: runId } = await ask(alice, "run_job", { job_id: jobId });
  await endedRun(alice, jobId, runId);
  await ask(bob, "schedule_task", { tool: { name: "whoami" }, every_seconds: 3_600 });
  const { key } = await app.keys.create({ userId: "alice", scopes: ["facts:read"], expiresAt: null });
  await app.openWebhooks("alice").set("https://example.com/hook");
  await Promise.all([alice.dispose(), bob.dispose()]);
  await close();
  return { dataDir, jobId, runId, key };
}

/** Adds many more rows, so that a move takes a while. */
export function fill(dataDir: string, rows: number): void {
  const file = new DatabaseSync(join(dataDir, "jobs.sqlite"));
  file.exec(`with recursive n(i) as (select 1 union all select i + 1 from n where i < ${rows})
    insert into daily_usage select 'user' || i, '2026-02-20', i, i * 1000 from n`);
  file.close();
  const facts = new DatabaseSync(join(dataDir, "facts.sqlite"));
  facts.exec(`with recursive n(i) as (select 1 union all select i + 1 from n where i < ${rows})
    insert into keyv select printf('%064x', i % 100) || ':fact_' || i,
      json_object('value', json_object('text', 'fact ' || i)) from n`);
  facts.close();
}

/** A digest of all files of the folder and their bytes. */
export function fingerprint(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [
        name,
        createHash("sha256")
          .update(readFileSync(join(folder, name)))
          .digest("hex"),
      ]),
  );
}

export async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** Reads the rows of a table in Postgres. */
export async function rowsIn(client: Client, table: string): Promise<Record<string, unknown>[]> {
  return (await client.query(`select * from nightshift.${table}`)).rows;
}
