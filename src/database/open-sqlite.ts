import { closeSync, existsSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { NightshiftError } from "../errors.ts";
import { makeDataFolder } from "./data-folder.ts";
import type { Database, UserLocks } from "./database.ts";
import type { Tables } from "./schema.ts";
import { backUpSqlite, openSqlite } from "./sqlite-driver.ts";
import { openWalFlush } from "./wal.ts";

/** A transaction is the only writer of the file, so there is nothing to lock. */
const NO_LOCKS: UserLocks = { take: async () => {}, tryTake: async () => true };

export interface DatabaseFileOptions {
  /** Path of the SQLite file. It and its folder are created for this account only when absent. */
  readonly file: string;
  /** Epoch ms. */
  readonly now: () => number;
  /** How long a query waits for the lock of another process, in ms, before DATA_UNAVAILABLE. Default: 10,000. */
  readonly lockTimeoutMs?: number;
}

/**
 * Opens the jobs database and brings its tables up to date, with a copy of an older file beside it (`….v1.bak`).
 * Rejects with DATA_UNAVAILABLE.
 */
export async function openDatabase({
  file,
  now,
  lockTimeoutMs = 10_000,
}: DatabaseFileOptions): Promise<Database> {
  prepareFile(file);
  // Kysely takes a noticeable part of a cold start, so it is loaded here and imported as types everywhere else.
  const [{ Kysely }, { migrate }] = await Promise.all([import("kysely"), import("./migrations.ts")]);
  const sqlite = await openSqlite(file, lockTimeoutMs);
  const kysely = new Kysely<Tables>({ dialect: sqlite.dialect });
  try {
    await migrate(kysely, now(), {
      backUp: (version) => backUpSqlite(file, `${file}.v${version}.bak`),
    });
    // A database in memory has no log.
    const wal = file === ":memory:" ? undefined : await openWalFlush(file);
    return {
      kysely,
      async transact(work) {
        const result = await kysely.transaction().execute((trx) => work(trx, NO_LOCKS));
        await wal?.flush();
        return result;
      },
      dataVersion: sqlite.dataVersion,
      ping: async () => void sqlite.dataVersion(),
      async close() {
        await kysely.destroy();
        await wal?.close();
      },
    };
  } catch (error) {
    sqlite.close();
    throw error;
  }
}

/** Creates the file before SQLite does, which would let everybody read it. Its write-ahead log gets the same mode. */
function prepareFile(file: string): void {
  if (file === ":memory:") return;
  makeDataFolder(dirname(file));
  try {
    // "wx" does not open an existing file: closing it again would drop the locks that SQLite holds on it in this process.
    closeSync(openSync(file, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST" && existsSync(file)) return;
    throw new NightshiftError(
      "DATA_UNAVAILABLE",
      "The jobs database could not be created; check that the data folder exists and may be written to.",
      { reason: (error as NodeJS.ErrnoException).code ?? "unknown" },
      { cause: error },
    );
  }
}
