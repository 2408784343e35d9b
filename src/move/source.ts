import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { type LockedFile, lockFile, type Row, type Table } from "../database/locked-file.ts";
import { SCHEMA_VERSION } from "../database/migrations.ts";
import { NightshiftError } from "../errors.ts";

/**
 * Tables that are not moved: each database has a version and a list of moves of its own, Postgres counts the changes of
 * facts itself, the cursors that the secret signs are used within minutes, and vectors are made again.
 */
export const TABLES_NOT_MOVED: ReadonlySet<string> = new Set([
  "schema_version",
  "moves",
  "fact_changes",
  "fact_secrets",
  "fact_vectors",
]);

/** A data folder that no other process can open until it is closed. */
export interface Source {
  /** Identifies the folder. A copy of it has the same id. */
  readonly id: string;
  /** The tables to move. A table comes after those that it refers to. */
  readonly tables: readonly Table[];
  rows(table: Table): Iterable<Row>;
  close(): void;
}

/** Rejects with DATA_UNAVAILABLE, for example when another process has the folder open. */
export async function openSource(folder: string): Promise<Source> {
  const files: LockedFile[] = [];
  const close = () => {
    for (const file of files) file.close();
  };
  try {
    for (const name of ["jobs.sqlite", "facts.sqlite"]) {
      const file = await lockFile(join(resolve(folder), name));
      if (file) files.push(file);
    }
    if (files.length === 0)
      throw new NightshiftError(
        "DATA_UNAVAILABLE",
        "There is no jobs.sqlite and no facts.sqlite in this folder; name the data folder with --from.",
      );
    if (!files.every(({ tables }) => tables.every(hasPlainNames))) throw notOurs();
    const fileOf = new Map<string, LockedFile>();
    const tables = files.flatMap((file) => {
      for (const { name } of file.tables) fileOf.set(name, file);
      return file.tables.filter(({ name }) => !TABLES_NOT_MOVED.has(name));
    });
    const value = (table: string, sql: string) => fileOf.get(table)?.value(sql) ?? null;
    const version = value("schema_version", "SELECT max(version) FROM schema_version");
    if (version !== null && Number(version) !== SCHEMA_VERSION) throw wrongVersion(Number(version));
    const identity = [
      value("schema_version", "SELECT min(applied_at) FROM schema_version"),
      value("fact_secrets", "SELECT value FROM fact_secrets WHERE name = 'cursor'"),
    ];
    return {
      id: createHash("sha256").update(JSON.stringify(identity)).digest("hex"),
      tables,
      rows: (table) => fileOf.get(table.name)?.rows(table) ?? [],
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** Names of tables and columns become SQL for Postgres, so they must need no quoting. */
const hasPlainNames = ({ name, columns }: Table): boolean =>
  [name, ...columns].every((word) => /^[a-z][a-z0-9_]*$/.test(word));

const notOurs = (): NightshiftError =>
  new NightshiftError(
    "DATA_UNAVAILABLE",
    "The files of this folder hold tables that are not Nightshift's; name another with --from.",
  );

const wrongVersion = (found: number): NightshiftError =>
  new NightshiftError(
    "DATA_UNAVAILABLE",
    `The folder's tables are of version ${found} and this Nightshift moves version ${SCHEMA_VERSION}. ` +
      (found > SCHEMA_VERSION
        ? "Update Nightshift first."
        : "Let `nightshift jobs list --data DIR` bring them up to date first."),
    { found, known: SCHEMA_VERSION },
  );
