import type { DatabaseSync } from "node:sqlite";
import { assertKnown, type TablesVersion } from "./migrations.ts";
import type { JobRow } from "./schema.ts";

/**
 * Checks the whole jobs file for `doctor`. Resolves to a summary and rejects with an error that names the damage, or the
 * first job that `problemOf` finds something wrong with. Rejects with DATA_UNAVAILABLE for a file of a newer Nightshift.
 */
export async function checkDatabase(
  file: string,
  problemOf: (row: JobRow) => string | undefined = () => undefined,
): Promise<string> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(file, { readOnly: true, timeout: 2_000 });
  try {
    const problems = findProblems(database);
    if (problems.length > 0) throw new Error(problems.map(({ found }) => found).join("; "));
    const versions = "SELECT version, compatible_from FROM schema_version ORDER BY version DESC LIMIT 1";
    const version = database.prepare(versions).get();
    if (version) assertKnown(version as unknown as TablesVersion);
    const count = (sql: string) => Number(Object.values(database.prepare(sql).get() ?? {})[0]);
    const idle = count(
      "SELECT count(*) FROM jobs WHERE status = 'active' AND next_run_at IS NULL AND after_job IS NULL",
    );
    if (idle > 0) throw new Error(`${idle} active jobs have no next run`);
    const active = database.prepare("SELECT * FROM jobs WHERE status = 'active'");
    const wrong: string[] = [];
    for (const row of active.iterate()) {
      const problem = problemOf(row as unknown as JobRow);
      if (problem !== undefined) wrong.push(problem);
    }
    if (wrong.length > 0)
      throw new Error(`${wrong[0]}${wrong.length > 1 ? ` (and ${wrong.length - 1} more)` : ""}`);
    const jobs = count("SELECT count(*) FROM jobs");
    const due = count("SELECT count(*) FROM jobs WHERE next_run_at IS NOT NULL");
    return `${jobs} jobs (${due} with a next run), ${count("SELECT count(*) FROM runs")} runs, intact`;
  } finally {
    database.close();
  }
}

/** A problem that was found, and whether it is repaired now. */
export interface RepairedProblem {
  readonly found: string;
  readonly repaired: boolean;
}

/** Repairs the problems of the file that can be repaired, after `backUp`. Resolves to all that it found. */
export async function repairDatabase(file: string, backUp: () => Promise<void>): Promise<RepairedProblem[]> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(file, { timeout: 2_000, enableForeignKeyConstraints: false });
  try {
    const before = findProblems(database);
    if (before.some(({ repair }) => repair)) await backUp();
    for (const { repair } of before) await repair?.();
    // Repaired indices may show rows that could not be found before.
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

/** The leases of running runs. Does not use the indices, which may be what needs repair. */
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

/** A problem of the jobs file, and its repair where that can lose nothing. */
export interface Problem {
  readonly found: string;
  readonly repair?: () => unknown;
}

/** Finds damaged pages and indices, and rows whose parent is gone. */
function findProblems(database: DatabaseSync): Problem[] {
  const damage = textsOf(database, "PRAGMA integrity_check(100)").filter((text) => text !== "ok");
  if (damage.length === 0) return findOrphans(database);
  const found = `the file is damaged: ${damage[0]}${damage.length > 1 ? ` (and ${damage.length - 1} more)` : ""}`;
  // An index holds nothing that its table does not have, so it can be built again. Other damage needs a backup.
  return [isInIndices(database, damage) ? { found, repair: () => database.exec("REINDEX") } : { found }];
}

/** The check names an index, or a tree by its root page (https://sqlite.org/pragma.html#pragma_integrity_check). */
function isInIndices(database: DatabaseSync, damage: readonly string[]): boolean {
  const roots = new Set(textsOf(database, "SELECT rootpage FROM sqlite_master WHERE type = 'index'"));
  return damage.every((text) => / index \w+$/.test(text) || roots.has(/^Tree (\d+) /.exec(text)?.[1] ?? ""));
}

/** Finds rows whose parent is gone. Those that are deleted with their parent may go; a run without its job is kept. */
function findOrphans(database: DatabaseSync): Problem[] {
  const orphans = database.prepare("PRAGMA foreign_key_check").all() as {
    table: string;
    rowid: number;
    parent: string;
    fkid: number;
  }[];
  return [...Map.groupBy(orphans, ({ table, parent, fkid }) => `${table} ${parent} ${fkid}`).values()].map(
    (rows) => {
      const [{ table = "", parent = "", fkid = 0 } = {}] = rows;
      const keys = database.prepare(`PRAGMA foreign_key_list(${table})`).all();
      const found = `${rows.length} rows of ${table} that belong to no row of ${parent}`;
      if (!keys.some(({ id, on_delete }) => id === fkid && on_delete === "CASCADE")) return { found };
      const drop = database.prepare(`DELETE FROM ${table} WHERE rowid = ?`);
      const repair = () => {
        for (const { rowid } of rows) drop.run(rowid);
      };
      return { found, repair };
    },
  );
}

const textsOf = (database: DatabaseSync, sql: string): string[] =>
  database
    .prepare(sql)
    .all()
    .map((row) => String(Object.values(row)[0]));
