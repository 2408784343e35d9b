import { createHash } from "node:crypto";
import type { Row } from "../database/locked-file.ts";
import type { PostgresRows } from "../database/postgres-rows.ts";
import { NightshiftError } from "../errors.ts";
import type { Source } from "./source.ts";

export type Sums = Readonly<Record<string, Sum>>;

/** The state of the target before a move. A move that was interrupted finds the rows of the earlier try. */
export type MoveProgress =
  | { readonly kind: "empty" | "begun" }
  /** `sums`: of the folder's tables at that time. */
  | { readonly kind: "finished"; readonly sums: Sums };

/** Reads the state of the target. Rejects with DATA_UNAVAILABLE when it holds data that is not from this folder. */
export async function readProgress(target: PostgresRows, source: Source): Promise<MoveProgress> {
  const names = await target.names();
  const moves = names.has("moves") ? await target.query(SELECT_MOVES) : [];
  const own = moves.find(([id]) => id === source.id);
  if (own) return toMoveProgress(own);
  const isEmpty = async () => {
    for (const { name } of source.tables) if (names.has(name) && (await target.hasRows(name))) return false;
    return true;
  };
  if (moves.length === 0 && (await isEmpty())) return { kind: "empty" };
  throw new NightshiftError(
    "DATA_UNAVAILABLE",
    "This Postgres holds data that is not of this folder; name an empty database with --to. Nothing was written.",
  );
}

const SELECT_MOVES = "select source, finished_at::text, sums from nightshift.moves";

const toMoveProgress = ([, finishedAt, sums]: Row): MoveProgress =>
  finishedAt == null ? { kind: "begun" } : { kind: "finished", sums: JSON.parse(sums ?? "{}") as Sums };

export const recordBegin = (target: PostgresRows, { id }: Source, now: number): Promise<unknown> =>
  target.query("insert into nightshift.moves (source, began_at) values ($1, $2)", [id, now]);

export const recordEnd = (target: PostgresRows, { id }: Source, sums: Sums, now: number): Promise<unknown> =>
  target.query("update nightshift.moves set finished_at = $2, sums = $3 where source = $1", [
    id,
    now,
    JSON.stringify(sums),
  ]);

/** The count and checksum of a table's rows. They do not depend on the order of the rows. */
export interface Sum {
  readonly rows: number;
  /** 32 hex digits: the sum of the digests of all rows. */
  readonly checksum: string;
}

const MASK = (1n << 128n) - 1n;

/** A text for a row. Different rows have different texts. */
export const rowText = (row: Row): string => JSON.stringify(row);

export function createChecksum(): { add(row: Row): void; sum(): Sum } {
  let rows = 0;
  let total = 0n;
  return {
    add(row) {
      rows++;
      const digest = createHash("sha256").update(rowText(row)).digest("hex").slice(0, 32);
      total = (total + BigInt(`0x${digest}`)) & MASK;
    },
    sum: () => ({ rows, checksum: total.toString(16).padStart(32, "0") }),
  };
}

export const isSameSum = (one: Sum, other: Sum): boolean =>
  one.rows === other.rows && one.checksum === other.checksum;
