import { readFileSync, statSync, writeFileSync } from "node:fs";
import * as files from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { SCHEMA_VERSION } from "../../src/database/migrations.ts";
import { openDatabase } from "../../src/database/open-sqlite.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { tempDir } from "../harness.ts";
import { newJob, START } from "../world.ts";

const clock = () => START;

describe("the jobs database", () => {
  let dir: string;
  let file: string;
  let opened: Database[];
  let holders: DatabaseSync[];
  const open = async (lockTimeoutMs?: number) => {
    const db = await openDatabase({
      file,
      now: clock,
      ...(lockTimeoutMs === undefined ? {} : { lockTimeoutMs }),
    });
    opened.push(db);
    return db;
  };
  /** Takes the write lock as another process would. */
  const holdLock = () => {
    const holder = new DatabaseSync(file);
    holders.push(holder);
    holder.exec("begin immediate");
    return () => holder.exec("commit");
  };
  const store = (db: Database) => openJobStore(db, { userKey: "a", userId: "alice", now: clock });

  beforeEach(async () => {
    dir = await tempDir();
    file = join(dir, "data", "jobs.sqlite");
    opened = [];
    holders = [];
  });
  afterEach(async () => {
    for (const db of opened) await db.close();
    for (const holder of holders) holder.close();
  });

  it("is made with its folder, readable by nobody else", async () => {
    await open();
    expect(statSync(file).mode & 0o077).toBe(0);
    expect(statSync(`${file}-wal`).mode & 0o077).toBe(0);
    expect(statSync(join(dir, "data")).mode & 0o077).toBe(0);
  });

  it("survives being closed twice, and refuses work afterwards", async () => {
    const db = await open();
    await db.close();
    await db.close();
    await expect(store(db).list()).rejects.toThrow();
  });

  it("refuses a file that a newer Nightshift wrote, and leaves it as it is", async () => {
    await (await open()).close();
    const raw = new DatabaseSync(file);
    raw.exec(
      `insert into schema_version values (${SCHEMA_VERSION + 1}, ${SCHEMA_VERSION + 1}, 0); pragma wal_checkpoint(truncate)`,
    );
    raw.close();
    const before = readFileSync(file);
    await expect(open()).rejects.toMatchObject({
      code: "DATA_UNAVAILABLE",
      message: expect.stringContaining("newer Nightshift"),
      data: { found: SCHEMA_VERSION + 1, known: SCHEMA_VERSION },
    });
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  it("refuses a file that is something else, without naming its path", async () => {
    await (await open()).close();
    writeFileSync(file, "dear diary, ".repeat(500));
    const error = await open().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "DATA_UNAVAILABLE" });
    expect(String(error)).not.toContain(dir);
  });

  it("refuses a folder that can't be made", async () => {
    writeFileSync(join(dir, "data"), "a file");
    await expect(open()).rejects.toMatchObject({ code: "DATA_UNAVAILABLE" });
  });

  it("waits for another process's lock without holding up the event loop", async () => {
    const db = await open();
    const release = holdLock();
    let turns = 0;
    const timer = setInterval(() => {
      turns++;
      if (turns === 30) release();
    }, 5);
    await store(db).create(newJob());
    clearInterval(timer);
    // If SQLite itself had waited, it would have blocked the event loop, and with it the timer that frees the lock.
    expect(turns).toBeGreaterThanOrEqual(30);
  });

  it("reads while another process holds the lock", async () => {
    const db = await open();
    const { jobId } = await store(db).create(newJob());
    holdLock();
    expect((await store(db).get(jobId)).jobId).toBe(jobId);
  });

  it("gives up on a lock that is never released, with nothing written", async () => {
    const db = await open(50);
    const release = holdLock();
    await expect(store(db).create(newJob())).rejects.toMatchObject({
      code: "DATA_UNAVAILABLE",
      message: expect.stringContaining("locked"),
    });
    release();
    expect((await store(db).list()).jobs).toEqual([]);
    await store(db).create(newJob());
  });

  it("takes back everything a failed transaction wrote, and goes on", async () => {
    const db = await open();
    const failing = db.transact(async (trx) => {
      await trx
        .insertInto("schema_version")
        .values({ version: 1000, compatible_from: 1000, applied_at: 0 })
        .execute();
      throw new Error("half-way");
    });
    await expect(failing).rejects.toThrow("half-way");
    const versions = await db.kysely.selectFrom("schema_version").selectAll().execute();
    expect(versions.map((row) => row.version)).not.toContain(1000);
  });

  it("keeps a query of one caller out of the transaction of another", async () => {
    const db = await open();
    const order: string[] = [];
    const writing = db.transact(async (trx) => {
      for (let i = 0; i < 5; i++) await trx.selectFrom("jobs").select("job_id").execute();
      order.push("transaction");
    });
    const reading = store(db)
      .list()
      .then(() => order.push("query"));
    await Promise.all([writing, reading]);
    expect(order).toEqual(["transaction", "query"]);
  });

  it("tells nobody of a write before the disk has confirmed it, nor when it does not", async () => {
    const db = await open();
    const handle = await files.open(file, "r");
    const { promise: confirmed, resolve: confirm } = Promise.withResolvers<void>();
    const datasync = vi.spyOn(Object.getPrototypeOf(handle), "datasync");
    await handle.close();
    try {
      datasync.mockReturnValueOnce(confirmed);
      let isTold = false;
      const created = store(db)
        .create(newJob())
        .then(() => {
          isTold = true;
        });
      await vi.waitFor(() => expect(datasync).toHaveBeenCalledTimes(1));
      expect((await store(db).list()).jobs).toHaveLength(1);
      expect(isTold).toBe(false);
      confirm();
      await created;
      datasync.mockRejectedValueOnce(new Error("EIO"));
      await expect(store(db).create(newJob())).rejects.toMatchObject({
        code: "DATA_UNAVAILABLE",
        message: expect.stringContaining("did not confirm"),
      });
    } finally {
      datasync.mockRestore();
    }
  });

  it("keeps a log, which transactions flush outside of the event loop", async () => {
    const db = await open();
    const pragma = async (name: string) => {
      const { CompiledQuery } = await import("kysely");
      const { rows } = await db.kysely.executeQuery(CompiledQuery.raw(`pragma ${name}`));
      return Object.values(rows[0] ?? {})[0];
    };
    expect(await pragma("journal_mode")).toBe("wal");
    expect(await pragma("synchronous")).toBe(1);
    expect(await pragma("foreign_keys")).toBe(1);
  });
});
