import type { Row, Table } from "../database/locked-file.ts";
import type { PostgresRows } from "../database/postgres-rows.ts";
import { NightshiftError } from "../errors.ts";
import type { Source } from "./source.ts";
import {
  createChecksum,
  isSameSum,
  readProgress,
  recordBegin,
  recordEnd,
  rowText,
  type Sum,
  type Sums,
} from "./target.ts";

export interface MoveParts {
  readonly source: Source;
  readonly target: PostgresRows;
  /** Creates the tables in an empty database. */
  readonly makeTables: () => Promise<void>;
  readonly now: () => number;
  /** Called after each batch with the number of rows so far. */
  readonly onProgress: (table: string, rows: number) => void;
}

interface MovedTable extends Sum {
  readonly table: string;
  /** Rows that an earlier try had already copied. */
  readonly found: number;
  /** True when count and checksum are the same on both sides. Null where nothing was compared. */
  readonly isVerified: boolean | null;
}

export interface Moved {
  /** `unfinished`: the two sides differ, and no node will start on it. */
  readonly status: "moved" | "already_moved" | "dry_run" | "unfinished";
  readonly tables: readonly MovedTable[];
}

const MAX_BATCH_ROWS = 500;
const MAX_BATCH_CHARS = 1_000_000;

/**
 * Copies the source's rows to the target and compares both sides. It may be stopped at any moment and run again: it
 * skips rows that are there. Rejects with DATA_UNAVAILABLE when the target holds other data.
 */
export async function move({ source, target, makeTables, now, onProgress }: MoveParts): Promise<Moved> {
  const progress = await readProgress(target, source);
  if (progress.kind === "finished") return compareWithEarlierMove(source, progress.sums);
  if (progress.kind === "empty") {
    await makeTables();
    await recordBegin(target, source, now());
  }
  const tables: MovedTable[] = [];
  for (const table of source.tables) {
    const copied = await copyTable(table, { source, target, onProgress });
    const arrived = createChecksum();
    for await (const row of target.all(table)) arrived.add(row);
    tables.push({ ...copied, isVerified: isSameSum(copied, arrived.sum()) });
  }
  if (tables.some(({ isVerified }) => !isVerified)) return { status: "unfinished", tables };
  const sums = Object.fromEntries(tables.map(({ table, rows, checksum }) => [table, { rows, checksum }]));
  await recordEnd(target, source, sums, now());
  return { status: "moved", tables };
}

/** Counts the rows that `move` would copy. Writes nothing, and rejects when `move` would. */
export async function dryRunMove({ source, target }: Pick<MoveParts, "source" | "target">): Promise<Moved> {
  const progress = await readProgress(target, source);
  if (progress.kind === "finished") return compareWithEarlierMove(source, progress.sums);
  return { status: "dry_run", tables: source.tables.map((table) => sumOf(source, table)) };
}

/** A database in use is not written to again: facts that its users have forgotten since would come back. */
function compareWithEarlierMove(source: Source, earlier: Sums): Moved {
  const tables = source.tables.map((table) => sumOf(source, table));
  for (const { table, ...sum } of tables) {
    const before = earlier[table];
    if (before && isSameSum(before, sum)) continue;
    throw new NightshiftError(
      "DATA_UNAVAILABLE",
      `This folder was moved there before, and its ${table} have changed since; a second move would overwrite what is newer there. Move to an empty database instead. Nothing was written.`,
      { table },
    );
  }
  return { status: "already_moved", tables };
}

function sumOf(source: Source, table: Table): MovedTable {
  const checksum = createChecksum();
  for (const row of source.rows(table)) checksum.add(row);
  return { table: table.name, ...checksum.sum(), found: 0, isVerified: null };
}

async function copyTable(
  table: Table,
  { source, target, onProgress }: Pick<MoveParts, "source" | "target" | "onProgress">,
): Promise<Omit<MovedTable, "isVerified">> {
  const checksum = createChecksum();
  let found = 0;
  for (const batch of batchesOf(source.rows(table))) {
    for (const row of batch) checksum.add(row);
    const added = await target.add(table, batch);
    if (added < batch.length) await assertSameRows(table, batch, target);
    found += batch.length - added;
    onProgress(table.name, checksum.sum().rows);
  }
  return { table: table.name, ...checksum.sum(), found };
}

async function assertSameRows(table: Table, batch: readonly Row[], target: PostgresRows): Promise<void> {
  const there = new Set((await target.find(table, batch)).map(rowText));
  const other = batch.find((row) => !there.has(rowText(row)));
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
    if (batch.length < MAX_BATCH_ROWS && characters < MAX_BATCH_CHARS) continue;
    yield batch;
    batch = [];
    characters = 0;
  }
  if (batch.length > 0) yield batch;
}
