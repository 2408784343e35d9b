import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it, onTestFinished } from "vitest";
import { localPrincipal } from "../../src/connection/connection.ts";
import { userKeyOf } from "../../src/context/user-context.ts";
import { openPostgres as openJobs } from "../../src/database/open-postgres.ts";
import { openDatabase } from "../../src/database/open-sqlite.ts";
import { openKeyvFacts } from "../../src/facts/keyv.ts";
import { TABLES_NOT_MOVED } from "../../src/move/source.ts";
import { openKeyRing } from "../../src/store/api-keys.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { openRunStore } from "../../src/store/run-store.ts";
import { cli } from "../child-process.ts";
import { LIMITS } from "../facts/limits.ts";
import { tempDir } from "../harness.ts";
import { openPostgres } from "../postgres.ts";
import { connect, fingerprint, makeFolder, rowsIn } from "./folder.ts";

const move = (from: string, to: string, ...more: string[]) =>
  cli(["move", "--from", from, "--to", to, "--json", ...more]);
const keyOf = (user: string) => userKeyOf(localPrincipal(user));

describe("nightshift move", () => {
  it("carries facts, jobs, runs and keys over, compares them, and leaves the folder as it was", async () => {
    const [{ dataDir, jobId, runId, key }, { url }] = await Promise.all([makeFolder(), openPostgres()]);
    const before = fingerprint(dataDir);
    const facts = await listFacts({ file: join(dataDir, "facts.sqlite") });
    expect(fingerprint(dataDir)).toEqual(before);

    const { code, stdout, stderr } = await move(dataDir, url);
    expect(stderr).toMatch(/^moving jobs: \d+ rows$/m);
    expect(code).toBe(0);
    const { status, tables } = JSON.parse(stdout);
    expect(status).toBe("moved");
    const rowsOf = Object.fromEntries(
      tables.map((table: { table: string; rows: number }) => [table.table, table.rows]),
    );
    expect(rowsOf).toMatchObject({ keyv: 3, jobs: 2, runs: 1, transcripts: 1, api_keys: 1, webhooks: 1 });
    expect(rowsOf.daily_usage).toBeGreaterThan(0);
    for (const table of tables) {
      expect(table).toMatchObject({ verified: true, already_there: 0 });
      expect(table.checksum).toMatch(/^[0-9a-f]{32}$/);
    }
    expect(fingerprint(dataDir)).toEqual(before);

    expect(await listFacts({ databaseUrl: url })).toEqual(facts);
    const db = await openJobs({ url, now: Date.now });
    onTestFinished(() => db.close());
    const alice = { userKey: keyOf("alice"), userId: "alice", now: Date.now };
    expect(await openJobStore(db, alice).get(jobId)).toMatchObject({
      status: "active",
      timezone: "Europe/Berlin",
    });
    const run = await openRunStore(db, alice).get(runId);
    expect(run).toMatchObject({ status: "succeeded", output: expect.stringContaining("ünïcode") });
    expect(run.transcript.length).toBeGreaterThan(0);
    expect(await openKeyRing(db, Date.now).verify(key)).toMatchObject({ userId: "alice" });

    const client = await connect(url);
    const changes = await rowsIn(client, "fact_changes");
    expect(changes.find(({ user_key }) => user_key === keyOf("alice"))).toMatchObject({
      changes: "2",
      removals: "0",
    });
  });

  it("takes every table there is, but for those that are named to stay", async () => {
    const [{ dataDir }, { url }] = await Promise.all([makeFolder(), openPostgres()]);
    const { tables } = JSON.parse((await move(dataDir, url)).stdout);
    const moved: string[] = tables.map(({ table }: { table: string }) => table);
    const client = await connect(url);
    const there = (
      await client.query("select tablename as name from pg_tables where schemaname = 'nightshift'")
    ).rows;
    const left = there
      .map(({ name }) => name)
      .filter((name) => !moved.includes(name) && !TABLES_NOT_MOVED.has(name));
    // Triggers of the database fill these tables from the jobs and runs that arrive.
    expect(left.toSorted()).toEqual(["fact_version", "upcoming", "upcoming_ranks"]);
    const names = ["jobs.sqlite", "facts.sqlite"].flatMap((file) => tablesIn(join(dataDir, file)));
    expect(moved).toEqual(names.filter((name) => !TABLES_NOT_MOVED.has(name)));
  });

  it("shows beforehand what it would do, and writes nothing", async () => {
    const [{ dataDir }, { url }] = await Promise.all([makeFolder(), openPostgres()]);
    const before = fingerprint(dataDir);
    const { code, stdout } = await move(dataDir, url, "--dry-run");
    expect(code).toBe(0);
    const rehearsed = JSON.parse(stdout);
    expect(rehearsed.status).toBe("dry_run");
    const client = await connect(url);
    expect((await client.query("select from pg_namespace where nspname = 'nightshift'")).rowCount).toBe(0);
    expect(fingerprint(dataDir)).toEqual(before);
    const moved = JSON.parse((await move(dataDir, url)).stdout);
    const sums = (tables: { table: string; checksum: string }[]) =>
      tables.map(({ table, checksum }) => [table, checksum]);
    expect(sums(moved.tables)).toEqual(sums(rehearsed.tables));
  });

  it("does nothing a second time, and says so when the folder has changed since", async () => {
    const [{ dataDir }, { url }] = await Promise.all([makeFolder(), openPostgres()]);
    await move(dataDir, url);
    const client = await connect(url);
    await client.query("delete from nightshift.keyv");
    const again = await move(dataDir, url);
    expect(again.code).toBe(0);
    expect(JSON.parse(again.stdout).status).toBe("already_moved");
    expect(await rowsIn(client, "keyv")).toEqual([]);

    const db = await openDatabase({ file: join(dataDir, "jobs.sqlite"), now: Date.now });
    await db.kysely.updateTable("jobs").set({ name: "changed" }).execute();
    await db.close();
    const changed = await move(dataDir, url);
    expect(changed).toMatchObject({ code: 1, stdout: "" });
    expect(changed.stderr).toMatch(/its jobs have changed since/);
  });

  it("refuses a folder that another process has open, facts or jobs", async () => {
    const [{ dataDir }, { url }] = await Promise.all([makeFolder(), openPostgres()]);
    const db = await openDatabase({ file: join(dataDir, "jobs.sqlite"), now: Date.now });
    const busy = await move(dataDir, url);
    await db.close();
    expect(busy).toMatchObject({ code: 1, stdout: "" });
    expect(busy.stderr).toMatch(/jobs\.sqlite is in use; stop every Nightshift/);

    const facts = openKeyvFacts({ file: join(dataDir, "facts.sqlite"), limits: LIMITS });
    await facts.open(keyOf("alice")).list();
    const busyToo = await move(dataDir, url);
    await facts.close();
    expect(busyToo.stderr).toMatch(/facts\.sqlite is in use/);
    expect((await move(dataDir, url)).code).toBe(0);
  });

  it("takes no tables whose names are no names", async () => {
    const [dataDir, { url }] = await Promise.all([tempDir(), openPostgres()]);
    const raw = new DatabaseSync(join(dataDir, "jobs.sqlite"));
    raw.exec(`create table "a""; drop schema public; --" (b text)`);
    raw.close();
    const { code, stderr } = await move(dataDir, url);
    expect(code).toBe(1);
    expect(stderr).toMatch(/not Nightshift's/);
  });

  it.each([
    ["a folder without data", async () => [await tempDir(), (await openPostgres()).url], /no jobs\.sqlite/],
    [
      "a Postgres that isn't there",
      async () => [(await makeFolder()).dataDir, "postgres://u:owl@127.0.0.1:1/x"],
      /could not be reached/,
    ],
    ["no URL", async () => [(await makeFolder()).dataDir, ""], /databaseUrl \(NIGHTSHIFT_DATABASE_URL\)/],
  ])("says what to do about %s", async (_what, make, message) => {
    const [from = "", to = ""] = await make();
    const { code, stdout, stderr } = await move(from, to);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain("owl");
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });
});

async function listFacts(place: { file: string } | { databaseUrl: string }) {
  const backend = openKeyvFacts({ ...place, limits: LIMITS });
  try {
    return await Promise.all(["alice", "bob", "nobody"].map((user) => backend.open(keyOf(user)).list()));
  } finally {
    await backend.close();
  }
}

function tablesIn(file: string): string[] {
  const raw = new DatabaseSync(file);
  try {
    const sql = "select name from sqlite_master where type = 'table' order by rowid";
    return raw
      .prepare(sql)
      .all()
      .map(({ name }) => String(name));
  } finally {
    raw.close();
  }
}
