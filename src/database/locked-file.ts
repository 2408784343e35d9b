import { existsSync, statSync } from "node:fs";
import { basename } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { NightshiftError } from "../errors.ts";
import { isFileLocked, toJobsError } from "./db-errors.ts";

/** The value of a column as text, whatever its type. */
export type Cell = string | null;
export type Row = readonly Cell[];

export interface Table {
  readonly name: string;
  readonly columns: readonly string[];
  /** The columns of its primary key. */
  readonly key: readonly string[];
}

/** A SQLite file that no other process can open until it is closed, and that does not change meanwhile. */
export interface LockedFile {
  /** A table comes after those that it refers to. */
  readonly tables: readonly Table[];
  /** In the order in which they were written. */
  rows(table: Table): Iterable<Row>;
  /** The first value of the first row of a query. */
  value(sql: string): Cell;
  close(): void;
}

/** Resolves to undefined where there is no such file. Rejects with DATA_UNAVAILABLE, also when another process has it open. */
export async function lockFile(file: string): Promise<LockedFile | undefined> {
  if (!existsSync(file)) return undefined;
  // A killed process leaves its log. SQLite would work it into the file when the last connection that may write closes.
  const hasLog = (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
  const { DatabaseSync } = await import("node:sqlite");
  const open = (readOnly: boolean) =>
    new DatabaseSync(exclusiveUri(file, readOnly), { readOnly, timeout: 2_000 });
  const opened: DatabaseSync[] = [];
  const close = () => {
    for (const database of opened) database.close();
  };
  const begin = (readOnly: boolean) => {
    const database = open(readOnly);
    opened.push(database);
    database.exec("PRAGMA query_only = ON; BEGIN; SELECT 1 FROM sqlite_master");
    return database;
  };
  try {
    const database = begin(false);
    // A second connection, closed last: it may not write, so the log stays as it is.
    if (hasLog) begin(true);
    const tables = tablesOf(database);
    return {
      tables,
      rows: (table) => rowsOf(database, table),
      value: (sql) => firstOf(database, sql),
      close,
    };
  } catch (error) {
    close();
    if (!isFileLocked(error)) throw toJobsError(error);
    throw new NightshiftError(
      "DATA_UNAVAILABLE",
      `${basename(file)} is in use; stop every Nightshift on this folder, desktop clients' own too, and try again.`,
      {},
      { cause: error },
    );
  }
}

/** With this VFS, SQLite's locks keep other processes off even while it only reads (https://sqlite.org/vfs.html). */
function exclusiveUri(file: string, readOnly: boolean): URL {
  const url = pathToFileURL(file);
  url.searchParams.set("mode", readOnly ? "ro" : "rw");
  if (process.platform !== "win32") url.searchParams.set("vfs", "unix-excl");
  return url;
}

function tablesOf(database: DatabaseSync): Table[] {
  const made = database
    .prepare(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY rowid",
    )
    .all();
  return made.map(({ name }) => {
    const columns = database.prepare("SELECT name, pk FROM pragma_table_info(?)").all(String(name));
    return {
      name: String(name),
      columns: columns.map((column) => String(column.name)),
      key: columns.filter(({ pk }) => Number(pk) > 0).map((column) => String(column.name)),
    };
  });
}

function* rowsOf(database: DatabaseSync, { name, columns }: Table): Iterable<Row> {
  const list = columns.map((column) => `"${column}"`).join(", ");
  const statement = database.prepare(`SELECT ${list} FROM "${name}" ORDER BY rowid`);
  statement.setReadBigInts(true);
  for (const row of statement.iterate()) yield Object.values(row).map(toCell);
}

const firstOf = (database: DatabaseSync, sql: string): Cell =>
  toCell(Object.values(database.prepare(sql).get() ?? {})[0] ?? null);

/** Postgres takes no NUL in a text, so it is replaced. */
const toCell = (value: unknown): Cell =>
  value === null || value === undefined ? null : String(value).replaceAll("\0", "\uFFFD");
