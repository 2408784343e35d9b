import { writeBackup } from "../database/backup.ts";
import { FACTS_MIGRATIONS, newerFactsFile } from "./sqlite.ts";

/**
 * Checks the whole facts file for `doctor`. Resolves to a summary and rejects with an error that names the damage. Uses
 * the same SQLite library as the store: two libraries must never open the same file in one process.
 */
export async function checkFacts(file: string): Promise<string> {
  const { KeyvSqlite } = await import("@keyv/sqlite");
  const adapter = new KeyvSqlite({ uri: `sqlite://${file}`, busyTimeout: 2_000 });
  try {
    const [check] = (await adapter.query("PRAGMA quick_check(1)")) as { quick_check: string }[];
    if (check?.quick_check !== "ok") throw new Error(`the file is damaged: ${check?.quick_check}`);
    const [tables] = (await adapter.query("PRAGMA user_version")) as { user_version: number }[];
    const found = tables?.user_version ?? 0;
    if (found > FACTS_MIGRATIONS.length) throw newerFactsFile(found, FACTS_MIGRATIONS.length);
    const [facts] = (await adapter.query(
      "SELECT count(*) AS facts, count(DISTINCT substr(key, 1, 64)) AS users FROM keyv",
    )) as { facts: number; users: number }[];
    return `${facts?.facts} facts of ${facts?.users} users, intact`;
  } finally {
    await adapter.disconnect();
  }
}

/** Repairs the facts file, after a copy of it to `backup`. Resolves to the problems and whether each is repaired. */
export async function repairFacts(
  file: string,
  backup: string,
): Promise<readonly { found: string; repaired: boolean }[]> {
  const { KeyvSqlite } = await import("@keyv/sqlite");
  const adapter = new KeyvSqlite({ uri: `sqlite://${file}`, busyTimeout: 2_000 });
  const findDamage = async () =>
    ((await adapter.query("PRAGMA integrity_check(100)")) as { integrity_check: string }[])
      .map(({ integrity_check: text }) => text)
      .filter((text) => text !== "ok");
  try {
    const damage = await findDamage();
    if (damage.length === 0) return [];
    const found = `the file is damaged: ${damage[0]}`;
    // An index holds nothing that its table does not have, so it can be built again. Other damage needs a backup.
    if (!damage.every((text) => / index \w+$/.test(text))) return [{ found, repaired: false }];
    await writeBackup(backup, (path) => adapter.query("VACUUM INTO ?", path));
    await adapter.query("REINDEX");
    return [{ found, repaired: (await findDamage()).length === 0 }];
  } finally {
    await adapter.disconnect();
  }
}
