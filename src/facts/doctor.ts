import { writeBackup } from "../database/backup.ts";
import { openKeyvFacts } from "./keyv.ts";
import { assertKnownFacts } from "./sqlite.ts";

const ONE_FACT = { maxFacts: 1, maxBytes: 1_000, maxFactBytes: 1_000 };

/** Makes a memory in `file`, and writes and finds a fact in it. Rejects with DATA_UNAVAILABLE. */
export async function tryFacts(file: string): Promise<void> {
  const backend = openKeyvFacts({ file, limits: ONE_FACT });
  const facts = backend.open("0".repeat(64));
  try {
    await facts.save({ text: "This fact was saved for a trial." });
    const found = await facts.recall("trial");
    if (found.length !== 1) throw new Error("a fact that was saved could not be found");
  } finally {
    await backend.close();
  }
}

/**
 * Checks the whole facts file for `doctor`. Resolves to a summary and rejects with an error that names the damage.
 * Rejects with DATA_UNAVAILABLE for a file of a newer Nightshift.
 */
export async function checkFacts(file: string): Promise<string> {
  const { KeyvSqlite } = await import("@keyv/sqlite");
  const adapter = new KeyvSqlite({ uri: `sqlite://${file}`, busyTimeout: 2_000 });
  try {
    const [check] = (await adapter.query("PRAGMA quick_check(1)")) as { quick_check: string }[];
    if (check?.quick_check !== "ok") throw new Error(`the file is damaged: ${check?.quick_check}`);
    const [version] = (await adapter.query("PRAGMA user_version")) as { user_version: number }[];
    assertKnownFacts(version?.user_version ?? 0);
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
