import { Kysely } from "kysely";
import { migrate } from "../../src/database/migrations.ts";
import type { Tables } from "../../src/database/schema.ts";
import { backUpSqlite, openSqlite } from "../../src/database/sqlite-driver.ts";

/** Brings the file to the last of `migrations`, as an older or a newer Nightshift that has just these would. */
export async function migrateTo(
  file: string,
  migrations: readonly (readonly string[])[],
  now: number,
): Promise<void> {
  const { dialect } = await openSqlite(file, 20_000);
  const db = new Kysely<Tables>({ dialect });
  try {
    await migrate(db, now, {
      migrations,
      backUp: (version) => backUpSqlite(file, `${file}.v${version}.bak`),
    });
  } finally {
    await db.destroy();
  }
}
