/** Checks the jobs file as a whole, for `doctor`: resolves to what was found, rejects with what is broken. */
export async function checkDatabase(file: string): Promise<string> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(file, { readOnly: true, timeout: 2_000 });
  try {
    const check = Object.values(database.prepare("PRAGMA quick_check(1)").get() ?? {})[0];
    if (check !== "ok") throw new Error(`the file is damaged: ${String(check)}`);
    const count = (sql: string) => Number(Object.values(database.prepare(sql).get() ?? {})[0]);
    const jobs = count("SELECT count(*) FROM jobs");
    const due = count("SELECT count(*) FROM jobs WHERE next_run_at IS NOT NULL");
    return `${jobs} jobs (${due} with a next run), ${count("SELECT count(*) FROM runs")} runs, intact`;
  } finally {
    database.close();
  }
}
