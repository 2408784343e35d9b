import type { Transaction } from "kysely";
import { Client } from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { SCHEMA_VERSION } from "../../src/database/migrations.ts";
import { openPostgres as open, type PostgresOptions } from "../../src/database/open-postgres.ts";
import type { Tables } from "../../src/database/schema.ts";
import { sendPipelined } from "../../src/database/sql.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { openRunQueue } from "../../src/store/open-run-queue.ts";
import { openRunStore } from "../../src/store/run-store.ts";
import { eventually } from "../harness.ts";
import { startPostgres } from "../postgres/start.ts";
import { openPostgres } from "../postgres.ts";
import { ALL_KINDS, newJob, START, worker } from "../world.ts";

const clock = () => START;

async function openOne(options: Partial<PostgresOptions> & { url: string }): Promise<Database> {
  const db = await open({ now: clock, ...options });
  onTestFinished(() => db.close());
  return db;
}

async function raw(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

const store = (db: Database, userKey = "a") => openJobStore(db, { userKey, userId: userKey, now: clock });
const DATA_UNAVAILABLE = { code: "DATA_UNAVAILABLE" };

describe("the jobs database in Postgres", () => {
  it("has its tables made once when several nodes start at the same moment", async () => {
    const { url } = await openPostgres();
    const nodes = await Promise.all(Array.from({ length: 5 }, () => openOne({ url, poolSize: 2 })));
    for (const node of nodes) expect((await store(node).list()).jobs).toEqual([]);
    const client = await raw(url);
    const { rows } = await client.query("select version from nightshift.schema_version");
    expect(rows).toHaveLength(SCHEMA_VERSION);
  });

  it("keeps to its schema: another beside it, and what else is there, are not touched", async () => {
    const { url } = await openPostgres();
    const client = await raw(url);
    await client.query("create table public.jobs (mine text)");
    const [one, two] = [await openOne({ url }), await openOne({ url, schema: "second" })];
    await store(one).create(newJob());
    expect((await store(two).list()).jobs).toEqual([]);
    expect((await client.query("select * from public.jobs")).rows).toEqual([]);
    const version = two.dataVersion();
    await store(one).create(newJob());
    await store(two).create(newJob());
    expect(two.dataVersion()).toBe(version);
  });

  it("needs no right to make schemas where it is given one", async () => {
    const { url } = await openPostgres();
    const client = await raw(url);
    const role = `night_${process.pid}_${Math.random().toString(36).slice(2)}`;
    await client.query(
      `create role ${role} login password 'owl'; create schema nightshift authorization ${role}`,
    );
    onTestFinished(async () => {
      await client.query(`drop owned by ${role}; drop role ${role}`);
    });
    const own = new URL(url);
    [own.username, own.password] = [role, "owl"];
    const db = await openOne({ url: own.href });
    await store(db).create(newJob());
    await db.close();
  });

  it("refuses tables that a newer Nightshift made", async () => {
    const { url } = await openPostgres();
    await (await openOne({ url })).close();
    const client = await raw(url);
    await client.query("insert into nightshift.schema_version values ($1, $1, 0)", [SCHEMA_VERSION + 1]);
    await expect(open({ url, now: clock })).rejects.toMatchObject({
      code: "DATA_UNAVAILABLE",
      message: expect.stringContaining("newer Nightshift"),
    });
  });

  it("says what is wrong with the URL, and never the password", async () => {
    const { url } = await openPostgres();
    const changed = (change: (to: URL) => void) => {
      const to = new URL(url);
      change(to);
      return to.href;
    };
    const failures: [string, RegExp][] = [
      [changed((to) => Object.assign(to, { password: "owl-secret" })), /user or password/],
      [changed((to) => Object.assign(to, { pathname: "/nowhere" })), /no database of this name/],
      [changed((to) => Object.assign(to, { port: "1" })), /could not be reached/],
      [changed((to) => to.searchParams.set("sslmode", "verify-full")), /TLS/],
    ];
    for (const [bad, message] of failures) {
      const error = await open({ url: bad, now: clock, timeoutMs: 5_000 }).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ ...DATA_UNAVAILABLE, message: expect.stringMatching(message) });
      expect(String(error)).not.toContain("owl-secret");
    }
  });

  it("reads large numbers as numbers, and leaves other users of pg alone", async () => {
    const { url } = await openPostgres();
    const db = await openOne({ url });
    const { createdAt } = await store(db).create(newJob());
    expect(createdAt).toBe(START);
    expect((await store(db).list()).jobs[0]?.nextRunAt).toBe(START + 60_000);
    expect((await (await raw(url)).query("select 7::int8 as n")).rows).toEqual([{ n: "7" }]);
  });

  it("stores what Postgres has no character for", async () => {
    const { url } = await openPostgres();
    const db = await openOne({ url });
    const { jobId } = await store(db).create(newJob({ name: "a\0b" }));
    expect((await store(db).get(jobId)).name).toBe("a\uFFFDb");
    const runs = openRunStore(db, { userKey: "a", now: clock });
    const { runId } = await runs.enqueue(jobId);
    const runQueue = openRunQueue(db);
    const filter = { kinds: ALL_KINDS };
    await runQueue.claimDue({ now: START, limit: 1, filter, worker: worker("w"), leaseMs: 1_000 });
    const transcript = [{ step: 1, type: "note", text: "x\0y" }] as const;
    const outcome = { status: "succeeded", output: "a\0b", error: null, transcript } as const;
    await runQueue.finish(runId, { ...outcome, usage: { input_tokens: 0, output_tokens: 0 } }, START);
    expect(await runs.get(runId)).toMatchObject({ status: "succeeded", output: "a\uFFFDb", transcript });
  });

  it("gives up on a lock that is never released, with nothing written", async () => {
    const { url } = await openPostgres();
    const db = await openOne({ url, timeoutMs: 400 });
    const held = Promise.withResolvers<void>();
    const isHeld = Promise.withResolvers<void>();
    const other = await openOne({ url });
    const holding = other.transact(
      async (trx) => {
        await trx.selectFrom("jobs").select("job_id").execute();
        isHeld.resolve();
        await held.promise;
      },
      { of: "a" },
    );
    await isHeld.promise;
    await expect(store(db).create(newJob())).rejects.toMatchObject(DATA_UNAVAILABLE);
    // The rows of other users are not locked.
    await store(db, "b").create(newJob());
    held.resolve();
    await holding;
    expect((await store(db).list()).jobs).toEqual([]);
    await store(db).create(newJob());
  });

  it("takes the locks of a node that stands still in the middle of a transaction", async () => {
    const { url } = await openPostgres();
    const stuck = await openOne({ url, timeoutMs: 600 });
    const db = await openOne({ url });
    const { promise, resolve } = Promise.withResolvers<void>();
    const isHeld = Promise.withResolvers<void>();
    let tries = 0;
    const blocked = stuck.transact(async (trx) => {
      tries++;
      const count = (await trx.selectFrom("jobs").select("job_id").execute()).length;
      isHeld.resolve();
      await promise;
      await trx.selectFrom("jobs").select("job_id").execute();
      return count;
    });
    await isHeld.promise;
    await store(db).create(newJob());
    resolve();
    // It lost what it had read, and ran the whole transaction again.
    expect(await blocked).toBe(1);
    expect(tries).toBe(2);
  });

  it("keeps the others' connections free while one user's calls wait for each other", async () => {
    const { url } = await openPostgres();
    const db = await openOne({ url, poolSize: 2 });
    const { promise, resolve } = Promise.withResolvers<void>();
    const holding = db.transact(() => promise, { of: "a" });
    const waiting = Array.from({ length: 20 }, () => store(db, "a").create(newJob()));
    await store(db, "b").create(newJob());
    expect((await store(db, "a").list()).jobs).toEqual([]);
    resolve();
    await Promise.all([holding, ...waiting]);
    expect((await store(db, "a").list()).jobs).toHaveLength(20);
  });

  it("does a transaction again that Postgres took back", async () => {
    const { url } = await openPostgres();
    const db = await openOne({ url });
    const ids = [await store(db).create(newJob()), await store(db).create(newJob())].map(
      ({ jobId }) => jobId,
    );
    let met = 0;
    const both = Promise.withResolvers<void>();
    let tries = 0;
    // Two transactions lock the same two rows in opposite order: Postgres must abort one of them.
    const touch = (order: string[]) =>
      db.transact(
        async (trx) => {
          tries++;
          for (const [i, jobId] of order.entries()) {
            await trx.updateTable("jobs").set({ updated_at: START }).where("job_id", "=", jobId).execute();
            if (i > 0) continue;
            if (++met === 2) both.resolve();
            await both.promise;
          }
        },
        { of: null },
      );
    await Promise.all([touch(ids), touch([...ids].reverse())]);
    expect(tries).toBe(3);
  });

  it("tells the other nodes of what was written, and not of a read", async () => {
    const { url } = await openPostgres();
    const [one, two] = [await openOne({ url }), await openOne({ url })];
    const heard: string[] = [];
    two.notifyChannel?.listen({ onMessage: (message) => heard.push(message), onReconnect: () => {} });
    const before = two.dataVersion();
    const filter = { kinds: ALL_KINDS };
    const runQueue = openRunQueue(one);
    expect(
      await runQueue.claimDue({ now: START, limit: 1, filter, worker: worker("w"), leaseMs: 1_000 }),
    ).toEqual([]);
    await one.transact((trx) => trx.selectFrom("jobs").select("job_id").execute(), { of: "a" });
    // Messages arrive in order.
    one.notifyChannel?.send("looked");
    await eventually(async () => heard.includes("looked"));
    expect(two.dataVersion()).toBe(before);
    await store(one).create(newJob());
    await eventually(async () => two.dataVersion() !== before);
  });

  it("takes everything back when a pipelined write fails", async () => {
    const { url } = await openPostgres();
    const db = await openOne({ url, poolSize: 1 });
    const write = (trx: Transaction<Tables>, version: number) =>
      sendPipelined(
        trx,
        trx.insertInto("schema_version").values({ version, compatible_from: version, applied_at: START }),
      );
    const writeOne = (version: number) => db.transact((trx) => write(trx, version));
    const versions = async () =>
      (await db.kysely.selectFrom("schema_version").select("version").execute()).map((row) => row.version);
    await writeOne(1_000);
    await expect(writeOne(1_000)).rejects.toThrow(/duplicate key/);
    const both = db.transact(async (trx) => {
      await write(trx, 1_001);
      await write(trx, 1_000);
      await trx.selectFrom("schema_version").selectAll().execute();
    });
    // The first failure is reported, not that the statements after it met an aborted transaction.
    await expect(both).rejects.toThrow(/duplicate key/);
    await writeOne(1_002);
    expect((await versions()).filter((version) => version > 999)).toEqual([1_000, 1_002]);
  });

  it("goes on after Postgres was restarted and every connection cut", async () => {
    const server = await startPostgres();
    onTestFinished(() => server.close());
    const db = await openOne({ url: server.url });
    const other = await openOne({ url: server.url });
    await store(db).create(newJob());
    await server.stop();
    await expect(db.ping()).rejects.toMatchObject(DATA_UNAVAILABLE);
    await expect(store(db).create(newJob())).rejects.toMatchObject(DATA_UNAVAILABLE);
    await server.start();
    await eventually(async () =>
      db.ping().then(
        () => true,
        () => false,
      ),
    );
    await store(db).create(newJob());
    expect((await store(db).list()).jobs).toHaveLength(2);
    // Writes in the meantime sent no message: they count as one change, and later ones are announced again.
    const heard = async () => {
      const before = other.dataVersion();
      await store(db).create(newJob());
      return eventually(async () => other.dataVersion() !== before, 500).catch(() => false);
    };
    await eventually(heard, 20_000);
    await Promise.all([db.close(), other.close()]);
  }, 60_000);

  it("is closed twice without harm, and refuses work afterwards", async () => {
    const { url } = await openPostgres();
    const db = await openOne({ url });
    await db.close();
    await db.close();
    await expect(store(db).list()).rejects.toThrow();
  });
});
