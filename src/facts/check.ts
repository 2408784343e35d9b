/**
 * Checks the facts file as a whole, for `doctor`: resolves to what was found, rejects with what is broken. Through the
 * same SQLite library as the store: two libraries must never share a file in one process.
 */
export async function checkFacts(file: string): Promise<string> {
  const { KeyvSqlite } = await import("@keyv/sqlite");
  const adapter = new KeyvSqlite({ uri: `sqlite://${file}`, busyTimeout: 2_000 });
  try {
    const [check] = (await adapter.query("PRAGMA quick_check(1)")) as { quick_check: string }[];
    if (check?.quick_check !== "ok") throw new Error(`the file is damaged: ${check?.quick_check}`);
    const [facts] = (await adapter.query(
      "SELECT count(*) AS facts, count(DISTINCT substr(key, 1, 64)) AS users FROM keyv",
    )) as { facts: number; users: number }[];
    return `${facts?.facts} facts of ${facts?.users} users, intact`;
  } finally {
    await adapter.disconnect();
  }
}
