import { open } from "node:fs/promises";
import type { KeyvSqlite } from "@keyv/sqlite";
import { writeBackup } from "../database/backup.ts";
import type { Migrations } from "../database/migrations.ts";
import { LOOP_BUSY_TIMEOUT_MS, openWalFlush, WAL_PRAGMAS } from "../database/wal.ts";
import { NightshiftError } from "../errors.ts";
import { type FactsDatabase, KEYV_OPTIONS, parseRow, type Query, whileBusy } from "./database.ts";
import type { StoredFact } from "./rules.ts";

/**
 * Each entry brings the file from its index to the next version, which SQLite keeps as `user_version`. Never edit one
 * that was released: add another.
 *
 * They add the counts of each user's changes to Keyv's table: SQLite's data_version says only that somebody wrote.
 */
export const FACTS_MIGRATIONS: Migrations = [
  [
    `CREATE TABLE fact_changes (
       user_key TEXT PRIMARY KEY, changes INTEGER NOT NULL, removals INTEGER NOT NULL) WITHOUT ROWID`,
    ...(["INSERT", "UPDATE", "DELETE"] as const).map((event) => {
      const removals = event === "INSERT" ? 0 : 1;
      return `CREATE TRIGGER fact_${event.toLowerCase()} AFTER ${event} ON keyv BEGIN
        INSERT INTO fact_changes VALUES (substr(${event === "DELETE" ? "old" : "new"}.key, 1, 64), 1, ${removals})
        ON CONFLICT (user_key) DO UPDATE SET changes = changes + 1, removals = removals + ${removals}; END`;
    }),
    "CREATE TABLE fact_secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "INSERT INTO fact_secrets VALUES ('cursor', lower(hex(randomblob(32))))",
  ],
  // Vectors go with their facts, whoever deletes these.
  [
    "CREATE TABLE fact_vectors (key TEXT PRIMARY KEY, model TEXT NOT NULL, value TEXT NOT NULL)",
    `CREATE TRIGGER fact_vector_delete AFTER DELETE ON keyv BEGIN
       DELETE FROM fact_vectors WHERE key = old.key; END`,
  ],
];

/**
 * Opens or creates the file and brings its tables up to date, with a copy of an older file beside it (`….v1.bak`).
 * Rejects with DATA_UNAVAILABLE; a later call may succeed.
 */
export function openFactsFile(
  file: string,
  lockTimeoutMs: number,
  migrations: Migrations = FACTS_MIGRATIONS,
): Promise<FactsDatabase> {
  return whileBusy(lockTimeoutMs, async () => {
    // Loaded on first use, to keep the start short.
    const [{ Keyv }, { KeyvSqlite }] = await Promise.all([import("keyv"), import("@keyv/sqlite")]);
    const connect = () =>
      connectTo(new KeyvSqlite({ uri: `sqlite://${file}`, busyTimeout: LOOP_BUSY_TIMEOUT_MS }));
    await makePrivate(file);
    const writer = await connect();
    let reader: KeyvSqlite | undefined;
    try {
      const write = sqliteQuery(writer);
      for (const pragma of WAL_PRAGMAS) await write(pragma);
      // Overwrites the bytes of a deleted fact.
      await write("PRAGMA secure_delete = ON");
      reader = await connect();
      const read = sqliteQuery(reader);
      await migrateFacts({ file, read, write, migrations });
      const [secret] = await write<{ value: string }>("SELECT value FROM fact_secrets WHERE name = 'cursor'");
      const keyv = new Keyv<StoredFact>(writer, KEYV_OPTIONS);
      const wal = await openWalFlush(file);
      return {
        read,
        // SQLite has one writer at a time: the writes of all users share a lock key, and so a flush to the disk.
        lockKey: () => "",
        async transact(_lockKey, work) {
          await runTransaction(write, lockTimeoutMs, () => work({ query: write, keyv }));
          await wal.flush();
        },
        cursorSecret: secret?.value ?? "",
        parse: (value) => parseRow(keyv, value),
        // One after the other: the last connection to close empties the log. Closed at once, neither would be last.
        close: async () => {
          await reader?.close();
          await writer.close();
          await wal.close();
        },
      };
    } catch (error) {
      await reader?.close();
      await writer.close();
      throw error;
    }
  });
}

/**
 * Creates the file before SQLite does, which would let everybody read it. Does not open an existing file: closing it
 * again would drop the locks that SQLite holds on it in this process. Errors are left to SQLite, which meets them too.
 */
async function makePrivate(file: string): Promise<void> {
  const made = await open(file, "wx", 0o600).catch(() => undefined);
  await made?.close();
}

/** Waits for the adapter to connect. It begins in its constructor and fails at the first query. */
async function connectTo(adapter: KeyvSqlite): Promise<KeyvSqlite> {
  // It also emits the failure, which would be thrown elsewhere if nobody listened.
  adapter.on("error", () => {});
  await adapter.query("SELECT 1");
  return adapter;
}

const sqliteQuery =
  (adapter: KeyvSqlite): Query =>
  (sql, ...parameters) =>
    adapter.query(sql, ...parameters);

async function runTransaction(query: Query, lockTimeoutMs: number, work: () => Promise<void>): Promise<void> {
  await whileBusy(lockTimeoutMs, () => query("BEGIN IMMEDIATE"));
  try {
    await work();
    await query("COMMIT");
  } catch (error) {
    // It fails when SQLite has rolled back by itself, which is fine.
    await query("ROLLBACK").catch(() => {});
    throw error;
  }
}

interface MigrateFactsOptions {
  readonly file: string;
  readonly read: Query;
  readonly write: Query;
  readonly migrations: Migrations;
}

/**
 * Brings the file to the last version in one transaction, and copies it before the first step unless it is new. Rejects
 * with DATA_UNAVAILABLE when a newer Nightshift wrote it.
 */
async function migrateFacts({ file, read, write, migrations }: MigrateFactsOptions): Promise<void> {
  const known = migrations.length;
  // The usual start: one read, no lock.
  if ((await readUserVersion(read)) === known) return;
  await write("BEGIN IMMEDIATE");
  try {
    const found = await readUserVersion(write);
    assertKnownFacts(found, known);
    // Copied over the other connection, which sees the committed state: while the lock is held, that cannot change.
    if (found > 0 && found < known)
      await writeBackup(`${file}.v${found}.bak`, (path) => read("VACUUM INTO ?", path));
    for (const statement of migrations.slice(found).flat()) await write(statement);
    await write(`PRAGMA user_version = ${known}`);
    await write("COMMIT");
  } catch (error) {
    // It fails when SQLite has rolled back by itself, which is fine.
    await write("ROLLBACK").catch(() => {});
    throw error;
  }
}

async function readUserVersion(query: Query): Promise<number> {
  const [row] = await query<{ user_version: number }>("PRAGMA user_version");
  return row?.user_version ?? 0;
}

/** Throws DATA_UNAVAILABLE for a file of a newer Nightshift. `found` is its version. */
export function assertKnownFacts(found: number, known = FACTS_MIGRATIONS.length): void {
  if (found <= known) return;
  throw new NightshiftError(
    "DATA_UNAVAILABLE",
    `The memory file was written by a newer Nightshift (version ${found} of its tables; this one knows ${known}). ` +
      "Update Nightshift, or use another data folder.",
    { found, known },
  );
}
