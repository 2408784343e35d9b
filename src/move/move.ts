import type { Row, Table } from "../database/locked-file.ts";
import type { PostgresRows } from "../database/postgres-rows.ts";
import { NightshiftError } from "../errors.ts";
import type { Source } from "./source.ts";
import { createChecksum, isSame, lookAt, noteBegin, noteEnd, type Sum, type Sums, textOf } from "./target.ts";

export interface MoveParts {
  readonly source: Source;
  readonly target: PostgresRows;
  /** Makes the tables of an empty database. */
  readonly makeTables: () => Promise<void>;
  readonly now: () => number;
  /** Told after each batch. */
  readonly onProgress: (table: string, rows: number) => void;
}

export interface MovedTable extends Sum {
  readonly table: string;
  /** Of the rows, those that an earlier try had brought already. */
  readonly found: number;
  /** The same number and checksum on both sides; null where nothing was compared. */
  readonly isVerified: boolean | null;
}

export interface Moved {
  /** `unfinished`: the two sides differ, and no node will start on it. */
  readonly status: "moved" | "already_moved" | "dry_run" | "unfinished";
  readonly tables: readonly MovedTable[];
}

const MAX_ROWS = 500;
const MAX_CHARACTERS = 1_000_000;

/**
 * Carries the source's rows to the target, and compares both sides. It may be ended at any moment and begun again:
 * the rows themselves say what is done. Rejects with DATA_UNAVAILABLE when the target holds anything else.
 */
export async function move({ source, target, makeTables, now, onProgress }: MoveParts): Promise<Moved> {
  const progress = await lookAt(target, source);
  if (progress.kind === "finished") return compareWithThen(source, progress.sums);
  if (progress.kind === "empty") {
    await makeTables();
    await noteBegin(target, source, now());
  }
  const tables: MovedTable[] = [];
  for (const table of source.tables) {
    const carried = await carry(table, { source, target, onProgress });
    const arrived = createChecksum();
    for await (const row of target.all(table)) arrived.add(row);
    tables.push({ ...carried, isVerified: isSame(carried, arrived.sum()) });
  }
  if (tables.some(({ isVerified }) => !isVerified)) return { status: "unfinished", tables };
  const sums = Object.fromEntries(tables.map(({ table, rows, checksum }) => [table, { rows, checksum }]));
  await noteEnd(target, source, sums, now());
  return { status: "moved", tables };
}

/** What `move` would carry. Writes nothing, and rejects as it would. */
export async function dryRunMove({ source, target }: Pick<MoveParts, "source" | "target">): Promise<Moved> {
  const progress = await lookAt(target, source);
  if (progress.kind === "finished") return compareWithThen(source, progress.sums);
  return { status: "dry_run", tables: source.tables.map((table) => sumOf(source, table)) };
}

/** A database in use is written to no more: what its users have forgotten since would come back. */
function compareWithThen(source: Source, then: Sums): Moved {
  const tables = source.tables.map((table) => sumOf(source, table));
  for (const { table, ...sum } of tables) {
    const before = then[table];
    if (before && isSame(before, sum)) continue;
    throw new NightshiftError(
      "DATA_UNAVAILABLE",
      `This folder was moved there before, and its ${table} have changed since; a second move would overwrite what is newer there. Move to an empty database instead. Nothing was written.`,
      { table },
    );
  }
  return { status: "already_moved", tables };
}

function sumOf(source: Source, table: Table): MovedTable {
  const summer = createChecksum();
  for (const row of source.rows(table)) summer.add(row);
  return { table: table.name, ...summer.sum(), found: 0, isVerified: null };
}

async function carry(
  table: Table,
  { source, target, onProgress }: Pick<MoveParts, "source" | "target" | "onProgress">,
): Promise<Omit<MovedTable, "isVerified">> {
  const summer = createChecksum();
  let found = 0;
  for (const batch of batchesOf(source.rows(table))) {
    for (const row of batch) summer.add(row);
    const added = await target.add(table, batch);
    if (added < batch.length) await refuseOthers(table, batch, target);
    found += batch.length - added;
    onProgress(table.name, summer.sum().rows);
  }
  return { table: table.name, ...summer.sum(), found };
}

async function refuseOthers(table: Table, batch: readonly Row[], target: PostgresRows): Promise<void> {
  const there = new Set((await target.find(table, batch)).map(textOf));
  const other = batch.find((row) => !there.has(textOf(row)));
  if (other === undefined) return;
  const key = table.key.map((column) => other[table.columns.indexOf(column)]).join(" ");
  throw new NightshiftError(
    "DATA_UNAVAILABLE",
    `The row ${key} of ${table.name} is another one in Postgres; something else has written there. Empty that database (drop schema nightshift cascade), and move again.`,
    { table: table.name, key },
  );
}

function* batchesOf(rows: Iterable<Row>): Iterable<Row[]> {
  let batch: Row[] = [];
  let characters = 0;
  for (const row of rows) {
    batch.push(row);
    for (const cell of row) characters += cell?.length ?? 0;
    if (batch.length < MAX_ROWS && characters < MAX_CHARACTERS) continue;
    yield batch;
    batch = [];
    characters = 0;
  }
  if (batch.length > 0) yield batch;
}
