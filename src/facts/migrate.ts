import { writeBackup } from "../database/backup.ts";
import { NightshiftError } from "../errors.ts";
import type { Query } from "./database.ts";

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
