import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { pino } from "pino";
import { describe, expect, it, onTestFinished } from "vitest";
import { openPostgres as openJobs } from "../../src/database/open-postgres.ts";
import { openKeyvFacts } from "../../src/facts/keyv.ts";
import { openPgBoss } from "../../src/scheduler/pg-boss.ts";
import { openKeyRing } from "../../src/store/api-keys.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { openRunStore } from "../../src/store/run-store.ts";
import { cli } from "../child-process.ts";
import { LIMITS } from "../facts/limits.ts";
import { ROOT } from "../harness.ts";
import { openPostgres } from "../postgres.ts";
import { ALL_KINDS, newJob, START, worker } from "../world.ts";

const OPERATIONS = readFileSync(join(ROOT, ".github/OPERATIONS.md"), "utf8");
const SQL = /^```sql\n([\s\S]*?)^```$/m.exec(OPERATIONS)?.[1] ?? "";
const CONNECT = "\\connect nightshift\n";

/** Does what the operations page says, under names of the test's own. */
async function setUp(): Promise<{ owner: string; runner: string }> {
  const name = `nightshift_${randomBytes(6).toString("hex")}`;
  const own = (sql: string) => sql.replaceAll(/\bnightshift(_owner)?\b/g, `${name}$1`);
  const { url } = await openPostgres();
  const at = (change: (url: URL) => void) => {
    const changed = new URL(url);
    change(changed);
    return changed.href;
  };
  const database = (to: URL) => {
    to.pathname = name;
  };
  const as = async (where: string, ...statements: string[]) => {
    const client = new Client({ connectionString: where });
    await client.connect();
    for (const sql of statements) await client.query(sql);
    await client.end();
  };
  onTestFinished(() =>
    as(
      url,
      `drop database if exists "${name}" with (force)`,
      `drop owned by ${name}_owner, ${name}`,
      `drop role if exists ${name}_owner, ${name}`,
    ),
  );
  const [first = "", second = ""] = SQL.split(CONNECT).map(own);
  // One by one: a database cannot be made along with anything else.
  await as(url, ...first.split(";\n").filter(Boolean));
  await as(at(database), second);
  const login = (username: string) => {
    const password = new RegExp(`role ${username} login password '(.*?)'`).exec(own(SQL))?.[1] ?? "";
    return at((to) => Object.assign(to, { username, password, pathname: name }));
  };
  return { owner: login(`${name}_owner`), runner: login(name) };
}

describe("the two roles of the operations page", () => {
  it("are one that makes the tables, and one that runs on them and may do no more", async () => {
    expect(SQL.split(CONNECT)).toHaveLength(2);
    const { owner, runner } = await setUp();
    const tooSoon = await cli(["migrate", "--database-url", runner]);
    expect(tooSoon).toMatchObject({ code: 1, stdout: "" });
    expect(tooSoon.stderr).toMatch(
      /does not let this user do that; give it the rights that \.github\/OPERATIONS\.md lists under Roles/,
    );
    expect(await cli(["migrate", "--database-url", owner, "--json"])).toMatchObject({ code: 0, stderr: "" });
    // Migrates again, and then as a node: nothing is left to create.
    expect((await cli(["migrate", "--database-url", owner])).code).toBe(0);
    expect((await cli(["migrate", "--database-url", runner])).code).toBe(0);
    expect((await cli(["doctor", "--database-url", runner])).stdout).toMatch(/ok +postgres .*0 jobs/);

    await workAs(runner);
    const client = new Client({ connectionString: runner });
    await client.connect();
    onTestFinished(() => client.end());
    for (const sql of [
      "create table nightshift.mine (a int)",
      "create schema mine",
      "create temporary table mine (a int)",
      "drop table nightshift.jobs",
      "alter table nightshift.jobs add column mine text",
      "truncate nightshift.keyv",
      "alter table nightshift.keyv disable trigger all",
    ])
      await expect(client.query(sql), sql).rejects.toThrow(/permission denied|must be owner/);
  }, 60_000);
});

/** Does everything that a node does: schedules, claims, finishes, remembers, forgets, checks keys, listens. */
async function workAs(url: string): Promise<void> {
  const clock = () => START;
  const db = await openJobs({ url, now: clock });
  onTestFinished(() => db.close());
  const owner = { userKey: "a".repeat(64), userId: "alice", now: clock };
  const { jobId } = await openJobStore(db, owner).create(
    newJob({ nextRunAt: START, schedule: { kind: "at", at: START } }),
  );
  const runQueue = await openPgBoss(db, { log: pino({ level: "silent" }) });
  onTestFinished(() => runQueue.close());
  const [claimed] = await runQueue.claimDue({
    now: START,
    limit: 1,
    filter: { kinds: ALL_KINDS },
    worker: worker("w1"),
    leaseMs: 1_000,
  });
  expect(claimed).toMatchObject({ job: { jobId } });
  expect((await openRunStore(db, owner).list({ jobId })).runs).toHaveLength(1);
  const ring = openKeyRing(db, clock);
  const { key, apiKey } = await ring.create({ userId: "alice", scopes: ["facts:read"], expiresAt: null });
  expect(await ring.verify(key)).toMatchObject({ userId: "alice" });
  await ring.revoke(apiKey.keyId);

  const facts = openKeyvFacts({ databaseUrl: url, limits: LIMITS });
  onTestFinished(() => facts.close());
  const store = facts.open(owner.userKey);
  const { factId } = await store.save({ text: "The boat is green." });
  expect(await store.recall("boat")).toHaveLength(1);
  await store.forget(factId);
  expect((await store.list()).facts).toEqual([]);
}
