import { findProblems } from "./flaws.ts";

/** Checks the jobs file as a whole, for `doctor`: resolves to what was found, rejects with what is broken. */
export async function checkDatabase(file: string): Promise<string> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(file, { readOnly: true, timeout: 2_000 });
  try {
    const problems = findProblems(database);
    if (problems.length > 0) throw new Error(problems.map(({ found }) => found).join("; "));
    const count = (sql: string) => Number(Object.values(database.prepare(sql).get() ?? {})[0]);
    const idle = count(
      "SELECT count(*) FROM jobs WHERE status = 'active' AND next_run_at IS NULL AND after_job IS NULL",
    );
    if (idle > 0) throw new Error(`${idle} active jobs have no next run`);
    const jobs = count("SELECT count(*) FROM jobs");
    const due = count("SELECT count(*) FROM jobs WHERE next_run_at IS NOT NULL");
    return `${jobs} jobs (${due} with a next run), ${count("SELECT count(*) FROM runs")} runs, intact`;
  } finally {
    database.close();
  }
}

export interface Repaired {
  readonly found: string;
  readonly repaired: boolean;
}

/** Mends what can be mended of the file itself, after `backUp`. What cannot stays as it is, and is told. */
export async function repairDatabase(file: string, backUp: () => Promise<void>): Promise<Repaired[]> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(file, { timeout: 2_000, enableForeignKeyConstraints: false });
  try {
    const before = findProblems(database);
    if (before.some(({ repair }) => repair)) await backUp();
    for (const { repair } of before) await repair?.();
    // Sound indices may let rows be seen that were not before.
    const after = findProblems(database);
    for (const { repair } of after) await repair?.();
    const left = new Set(findProblems(database).map(({ found }) => found));
    const all = new Set([...before, ...after].map(({ found }) => found));
    return [...all].map((found) => ({ found, repaired: !left.has(found) }));
  } finally {
    database.close();
  }
}

export interface Lease {
  readonly host: string;
  readonly pid: number;
  /** Epoch ms. */
  readonly until: number;
}

/** The leases of runs at work, whoever holds them. Reads past the indices: they may be what is to be mended. */
export async function readLeases(file: string): Promise<readonly Lease[]> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(file, { readOnly: true, timeout: 2_000 });
  try {
    return database
      .prepare("SELECT host, pid, lease_until AS until FROM runs NOT INDEXED WHERE +lease_until IS NOT NULL")
      .all() as unknown as Lease[];
  } finally {
    database.close();
  }
}
