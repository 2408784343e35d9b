import type { DatabaseSync } from "node:sqlite";

/** Something wrong in the jobs file, and what puts it right where that can lose nothing. */
export interface Problem {
  readonly found: string;
  readonly repair?: () => unknown;
}

/** What is wrong with the file itself: its pages, its indices, rows whose parent is gone. Empty when nothing is. */
export function findProblems(database: DatabaseSync): Problem[] {
  const damage = textsOf(database, "PRAGMA integrity_check(100)").filter((text) => text !== "ok");
  if (damage.length === 0) return findOrphans(database);
  const found = `the file is damaged: ${damage[0]}${damage.length > 1 ? ` (and ${damage.length - 1} more)` : ""}`;
  // An index holds nothing that its table does not: it can be made anew. What else is lost, only a copy can give back.
  return [isInIndices(database, damage) ? { found, repair: () => database.exec("REINDEX") } : { found }];
}

/** See https://sqlite.org/pragma.html#pragma_integrity_check: an index by name, or a tree by its root page. */
function isInIndices(database: DatabaseSync, damage: readonly string[]): boolean {
  const roots = new Set(textsOf(database, "SELECT rootpage FROM sqlite_master WHERE type = 'index'"));
  return damage.every((text) => / index \w+$/.test(text) || roots.has(/^Tree (\d+) /.exec(text)?.[1] ?? ""));
}

/** Rows whose parent is gone. What would have gone with it may go; a run without its job is kept for whoever looks. */
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
