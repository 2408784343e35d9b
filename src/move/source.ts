import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { type LockedFile, lockFile, type Row, type Table } from "../database/locked-file.ts";
import { SCHEMA_VERSION } from "../database/migrations.ts";
import { NightshiftError } from "../errors.ts";

/**
 * What stays behind, of all tables: which version each database has; which moves it took in; and of the facts, the
 * counts of changes, which Postgres counts itself, and the secret of cursors that are good for a minute.
 */
export const STAYS: ReadonlySet<string> = new Set([
  "schema_version",
  "moves",
  "fact_changes",
  "fact_secrets",
]);

/** A data folder that nobody else can open until it is closed. */
export interface Source {
  /** The same for the same folder, and for a copy of it. */
  readonly id: string;
  /** All that are to move, those that others refer to first. */
  readonly tables: readonly Table[];
  rows(table: Table): Iterable<Row>;
  close(): void;
}

/** Rejects with DATA_UNAVAILABLE, for one when another process has the folder open. */
export async function openSource(folder: string): Promise<Source> {
  const held: LockedFile[] = [];
  const close = () => {
    for (const file of held) file.close();
  };
  try {
    for (const name of ["jobs.sqlite", "facts.sqlite"]) {
      const file = await lockFile(join(resolve(folder), name));
      if (file) held.push(file);
    }
    if (held.length === 0)
      throw new NightshiftError(
        "DATA_UNAVAILABLE",
        "There is no jobs.sqlite and no facts.sqlite in this folder; name the data folder with --from.",
      );
    if (!held.every(({ tables }) => tables.every(isPlain))) throw notOurs();
    const homes = new Map<string, LockedFile>();
    const tables = held.flatMap((file) => {
      for (const { name } of file.tables) homes.set(name, file);
      return file.tables.filter(({ name }) => !STAYS.has(name));
    });
    const value = (table: string, sql: string) => homes.get(table)?.value(sql) ?? null;
    const version = value("schema_version", "SELECT max(version) FROM schema_version");
    if (version !== null && Number(version) !== SCHEMA_VERSION) throw wrongVersion(Number(version));
    const marks = [
      value("schema_version", "SELECT min(applied_at) FROM schema_version"),
      value("fact_secrets", "SELECT value FROM fact_secrets WHERE name = 'cursor'"),
    ];
    return {
      id: createHash("sha256").update(JSON.stringify(marks)).digest("hex"),
      tables,
      rows: (table) => homes.get(table.name)?.rows(table) ?? [],
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** Names become SQL on the other side. */
const isPlain = ({ name, columns }: Table): boolean =>
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
