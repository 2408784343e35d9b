import { open } from "node:fs/promises";
import type { KeyvSqlite } from "@keyv/sqlite";
import { writeBackup } from "../database/backup.ts";
import { NightshiftError } from "../errors.ts";
import { type FactsDatabase, KEYV_OPTIONS, parseRow, type Query, whileBusy } from "./database.ts";
import type { StoredFact } from "./rules.ts";

/** SQLite's own wait, kept short: it holds a thread of the pool, and `whileBusy` waits without one. */
const BUSY_TIMEOUT_MS = 100;

/**
 * Each entry brings the file from its index to the next version, which SQLite keeps as `user_version`. Never edit one
 * that was released: add another.
 *
 * Beside Keyv's table: the counts of changes (SQLite's data_version says only that somebody wrote something).
 */
export const MIGRATIONS: Migrations = [
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
];

/**
 * Opens or makes the file and brings its tables up to date, with a copy of an older file beside it (`….v1.bak`).
 * Rejects with DATA_UNAVAILABLE; a later try starts afresh.
 */
export function openFactsFile(
  file: string,
  lockTimeoutMs: number,
  migrations: Migrations = MIGRATIONS,
): Promise<FactsDatabase> {
  return whileBusy(lockTimeoutMs, async () => {
    // Loaded on first use: together they cost a start about 20 ms and a native library.
    const [{ Keyv }, { KeyvSqlite }] = await Promise.all([import("keyv"), import("@keyv/sqlite")]);
    const connect = () =>
      connectTo(new KeyvSqlite({ uri: `sqlite://${file}`, busyTimeout: BUSY_TIMEOUT_MS }));
    await makePrivate(file);
    const writer = await connect();
    let reader: KeyvSqlite | undefined;
    try {
      const write = queryOf(writer);
      // In WAL mode readers never wait for a writer; FULL makes a commit survive a power cut, as `save` promises.
      await write("PRAGMA journal_mode = WAL");
      await write("PRAGMA synchronous = FULL");
      // What a user forgets is overwritten, not only unlinked.
      await write("PRAGMA secure_delete = ON");
      reader = await connect();
      const read = queryOf(reader);
      await migrateFacts({ file, read, write, migrations });
      const [secret] = await write<{ value: string }>("SELECT value FROM fact_secrets WHERE name = 'cursor'");
      const keyv = new Keyv<StoredFact>(writer, KEYV_OPTIONS);
      return {
        read,
        // SQLite has one writer at a time: everybody's writes share a lane, and so a flush to the disk.
        lockKey: () => "",
        transact: (_lane, work) => transact(write, lockTimeoutMs, () => work({ query: write, keyv })),
        cursorSecret: secret?.value ?? "",
        parse: (value) => parseRow(keyv, value),
        // One after the other: the last to close empties the write-ahead log, and of two at once neither is last.
        close: async () => {
          await reader?.close();
          await writer.close();
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
 * Made before SQLite does, which would let everybody read it. Never opened when it is there: closing it again would
 * take SQLite's locks on it from the rest of this process. What is wrong with the folder, SQLite will say.
 */
async function makePrivate(file: string): Promise<void> {
  const made = await open(file, "wx", 0o600).catch(() => undefined);
  await made?.close();
}

/** The adapter connects in its constructor; a failure then shows at the first query. */
async function connectTo(adapter: KeyvSqlite): Promise<KeyvSqlite> {
  // It also emits the failure, which without a listener would be thrown in the wrong place.
  adapter.on("error", () => {});
  await adapter.query("SELECT 1");
  return adapter;
}

const queryOf =
  (adapter: KeyvSqlite): Query =>
  (sql, ...parameters) =>
    adapter.query(sql, ...parameters);

async function transact(query: Query, lockTimeoutMs: number, work: () => Promise<void>): Promise<void> {
  await whileBusy(lockTimeoutMs, () => query("BEGIN IMMEDIATE"));
  try {
    await work();
    await query("COMMIT");
  } catch (error) {
    // Fails when SQLite has undone it already, which is what is wanted.
    await query("ROLLBACK").catch(() => {});
    throw error;
  }
}

export type Migrations = readonly (readonly string[])[];

export interface MigrateOptions {
  readonly file: string;
  readonly read: Query;
  readonly write: Query;
  readonly migrations: Migrations;
}

/**
 * Brings the file to the last version in one transaction, with a copy of it kept before the first step unless it is
 * new. Rejects with DATA_UNAVAILABLE when a newer Nightshift wrote it.
 */
export async function migrateFacts({ file, read, write, migrations }: MigrateOptions): Promise<void> {
  const known = migrations.length;
  // The usual start: one read, no lock.
  if ((await versionBy(read)) === known) return;
  await write("BEGIN IMMEDIATE");
  try {
    const found = await versionBy(write);
    if (found > known) throw newerFile(found, known);
    // By the other connection, which sees what is committed: with the lock in hand, what the steps begin with.
    if (found > 0 && found < known)
      await writeBackup(`${file}.v${found}.bak`, (path) => read("VACUUM INTO ?", path));
    for (const statement of migrations.slice(found).flat()) await write(statement);
    await write(`PRAGMA user_version = ${known}`);
    await write("COMMIT");
  } catch (error) {
    // Fails when SQLite has undone it already, which is what is wanted.
    await write("ROLLBACK").catch(() => {});
    throw error;
  }
}

async function versionBy(query: Query): Promise<number> {
  const [row] = await query<{ user_version: number }>("PRAGMA user_version");
  return row?.user_version ?? 0;
}

const newerFile = (found: number, known: number): NightshiftError =>
  new NightshiftError(
    "DATA_UNAVAILABLE",
    `The memory file was written by a newer Nightshift (version ${found} of its tables; this one knows ${known}). ` +
      "Update Nightshift, or use another data folder.",
    { found, known },
  );
