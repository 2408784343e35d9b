import { Kysely } from "kysely";
import { describe, expect, it, onTestFinished } from "vitest";
import { MIGRATIONS, migrate, SCHEMA_VERSION } from "../../src/database/migrations.ts";
import { openPostgres as open, type PostgresOptions } from "../../src/database/open-postgres.ts";
import type { Tables } from "../../src/database/schema.ts";
import { openSqlite } from "../../src/database/sqlite-driver.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { openRunQueue } from "../../src/store/open-run-queue.ts";
import { openRunStore } from "../../src/store/run-store.ts";
import { newFile } from "../facts/fact-backends.ts";
import { openPostgres } from "../postgres.ts";
import { ALL_KINDS, newJob, START, worker } from "../world.ts";

const NEXT = SCHEMA_VERSION + 1;
/** A migration as a next version might add it. */
const ADDITIVE = [
  ...MIGRATIONS,
  [
    "alter table jobs add column colour text",
    "alter table runs add column tries integer not null default 0",
    "create table colours (colour text not null primary key)",
    "create index jobs_colour on jobs (user_key, colour) where colour is not null",
  ],
];

/** A node: what it schedules, runs and reads, as its version of the program does. */
async function openNode(options: Pick<PostgresOptions, "url" | "migrations">) {
  let now = START;
  const db = await open({ ...options, now: () => now, poolSize: 2 });
  onTestFinished(() => db.close());
  const owner = { userKey: "a", userId: "alice", now: () => now };
  const [store, runs, runQueue] = [openJobStore(db, owner), openRunStore(db, owner), openRunQueue(db)];
  return {
    db,
    store,
    async workOneJob(name: string) {
      const { jobId } = await store.create(
        newJob({ name, nextRunAt: now, schedule: { kind: "at", at: now } }),
      );
      const [occurrence] = await runQueue.claimDue({
        now,
        limit: 8,
        filter: { kinds: ALL_KINDS },
        worker: worker(name),
        leaseMs: 1_000,
        maxRunsPerDay: 1_000,
      });
      now += 1;
      return { jobId, runs, occurrence };
    },
  };
}

describe("two versions side by side", () => {
  it("work on one Postgres: an older node goes on, and starts again, beside a newer one", async () => {
    const { url } = await openPostgres();
    const older = await openNode({ url });
    await older.workOneJob("before");
    const newer = await openNode({ url, migrations: ADDITIVE });
    const restarted = await openNode({ url });
    for (const [name, node] of Object.entries({ older, newer, restarted })) {
      const { jobId, occurrence } = await node.workOneJob(name);
      expect(occurrence, name).toMatchObject({ job: { jobId } });
      for (const reader of [older, newer, restarted])
        expect(await reader.store.get(jobId), name).toMatchObject({ name });
    }
    await newer.db.kysely.executeQuery({
      ...newer.db.kysely.selectFrom("jobs").select("job_id").compile(),
      sql: "update jobs set colour = 'blue'",
    });
    expect((await older.store.list()).jobs).toHaveLength(4);
    const versions = await older.db.kysely.selectFrom("schema_version").select("version").execute();
    expect(versions.map(({ version }) => version).sort()).toEqual([...ADDITIVE.keys()].map((i) => i + 1));
  });

  it("refuse each other where the newer one says that an older one must not go on", async () => {
    const { url } = await openPostgres();
    const older = await openNode({ url });
    await migrate(older.db.kysely, START, { migrations: ADDITIVE, compatibleFrom: NEXT });
    await expect(openNode({ url })).rejects.toMatchObject({
      code: "DATA_UNAVAILABLE",
      message: expect.stringContaining("newer Nightshift"),
    });
    await openNode({ url, migrations: ADDITIVE });
    // A further migration that only adds lets in nodes that know the breaking one.
    await migrate(older.db.kysely, START, { migrations: [...ADDITIVE, []], compatibleFrom: NEXT });
    await openNode({ url, migrations: ADDITIVE });
    await expect(openNode({ url })).rejects.toMatchObject({ data: { found: NEXT + 1 } });
  });

  it("keep to the same rule on a file", async () => {
    const file = await newFile();
    const bring = async (...[migrations, compatibleFrom]: [typeof MIGRATIONS, number?]) => {
      const { dialect } = await openSqlite(file, 1_000);
      const db = new Kysely<Tables>({ dialect });
      await migrate(db, START, { migrations, ...(compatibleFrom && { compatibleFrom }) }).finally(() =>
        db.destroy(),
      );
    };
    await bring(ADDITIVE);
    await bring(MIGRATIONS);
    await bring([...ADDITIVE, []], NEXT);
    await bring(ADDITIVE);
    await expect(bring(MIGRATIONS)).rejects.toThrow(/newer Nightshift/);
  });
});
