import { Client } from "pg";
import { pino } from "pino";
import { expect, it, onTestFinished } from "vitest";
import { MIGRATIONS } from "../../src/database/migrations.ts";
import { openPostgres as openJobs } from "../../src/database/open-postgres.ts";
import { openKeyvFacts } from "../../src/facts/keyv.ts";
import { openPgBoss } from "../../src/scheduler/pg-boss.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { cli, start } from "../child-process.ts";
import { LIMITS } from "../facts/limits.ts";
import { CLI, eventually } from "../harness.ts";
import { openPostgres } from "../postgres.ts";
import { newJob, START } from "../world.ts";

const NEXT = [...MIGRATIONS, ["alter table jobs add column colour text"]];
const now = () => START;

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

it("a migration beside a dump lets everybody else go on, says that it waits, and is done when the dump is", async () => {
  const { url } = await openPostgres();
  const older = await openJobs({ url, now });
  onTestFinished(() => older.close());
  const store = openJobStore(older, { userKey: "a", userId: "alice", now });
  await store.create(newJob());
  const dump = await connect(url);
  await dump.query("begin; lock table nightshift.jobs in access share mode");

  let waits = 0;
  let isOpen = false;
  const opening = openJobs({ url, now, migrations: NEXT, onMigrationWait: () => void waits++ });
  onTestFinished(async () => (await opening).close());
  void opening.then(() => {
    isOpen = true;
  });
  for (let round = 1; round <= 2; round++) {
    await eventually(async () => waits >= round, 20_000);
    // Both a read and a write get through while the dump still holds its lock.
    await store.create(newJob());
    expect((await store.list()).jobs).toHaveLength(round + 1);
  }
  expect(isOpen).toBe(false);
  await dump.query("commit");
  const newer = await opening;
  const { rows } = await dump.query("select max(version)::int as version from nightshift.schema_version");
  expect(rows).toEqual([{ version: NEXT.length }]);
  expect(await newer.kysely.selectFrom("jobs").select("job_id").execute()).toHaveLength(3);
}, 60_000);

it("a migration of the memory waits in the same way for another node's", async () => {
  const { url } = await openPostgres();
  const other = await connect(url);
  await other.query("begin; select pg_advisory_xact_lock(hashtextextended('nightshift tables', 0))");
  let waits = 0;
  const facts = openKeyvFacts({ databaseUrl: url, limits: LIMITS, onMigrationWait: () => void waits++ });
  onTestFinished(() => facts.close());
  const saved = facts.open("a".repeat(64)).save({ text: "There are bees." });
  await eventually(async () => waits > 0, 20_000);
  await other.query("commit");
  expect(await saved).toMatchObject({ kind: "saved" });
}, 60_000);

it.each([
  // pg-boss's own lock, as its `advisoryLockKey` makes it.
  [
    "pg-boss's tables",
    "('x' || encode(sha224((current_database() || '.pgboss.nightshift_boss')::bytea), 'hex'))::bit(64)::bigint",
  ],
  ["the tables beside pg-boss's", "hashtextextended('nightshift upcoming', 0)"],
])(
  "a migration of %s waits in the same way",
  async (_what, lock) => {
    const { url } = await openPostgres();
    const db = await openJobs({ url, now });
    onTestFinished(() => db.close());
    const other = await connect(url);
    await other.query(`begin; select pg_advisory_xact_lock(${lock})`);
    const lines: string[] = [];
    const log = pino({}, { write: (line) => void lines.push(line) });
    const opening = openPgBoss(db, { log });
    onTestFinished(async () => (await opening).close());
    await eventually(
      async () => lines.filter((line) => line.includes("waits for a lock")).length > 1,
      20_000,
    );
    await other.query("commit");
    expect(await (await opening).nextDueAt({ kinds: ["tool"] })).toBeNull();
  },
  60_000,
);

it("nightshift migrate says in its log that it waits", async () => {
  const { url } = await openPostgres();
  const other = await connect(url);
  await other.query("begin; select pg_advisory_xact_lock(hashtextextended('nightshift tables', 0))");
  const migrating = start([CLI, "migrate", "--database-url", url]);
  await eventually(async () => migrating.stderr().includes("waits for a lock"), 20_000);
  await other.query("commit");
  expect((await migrating.exited).code).toBe(0);
  expect((await cli(["migrate", "--database-url", url])).stderr).toBe("");
}, 60_000);
