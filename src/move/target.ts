import { createHash } from "node:crypto";
import type { Row } from "../database/locked-file.ts";
import type { PostgresRows } from "../database/postgres-rows.ts";
import { NightshiftError } from "../errors.ts";
import type { Source } from "./source.ts";

export type Sums = Readonly<Record<string, Sum>>;

/** How far a database has come: a continued move finds rows that an earlier try has carried. */
export type Progress =
  | { readonly kind: "empty" | "begun" }
  /** What the folder came to then. */
  | { readonly kind: "finished"; readonly at: number; readonly sums: Sums };

/** Changes nothing. Rejects with DATA_UNAVAILABLE when there is anything that isn't of this folder. */
export async function lookAt(target: PostgresRows, source: Source): Promise<Progress> {
  const names = await target.names();
  const moves = names.has("moves") ? await target.query(SELECT_MOVES) : [];
  const own = moves.find(([id]) => id === source.id);
  if (own) return progressOf(own);
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

const progressOf = ([, finishedAt, sums]: Row): Progress =>
  finishedAt == null
    ? { kind: "begun" }
    : { kind: "finished", at: Number(finishedAt), sums: JSON.parse(sums ?? "{}") as Sums };

export const noteBegin = (target: PostgresRows, { id }: Source, now: number): Promise<unknown> =>
  target.query("insert into nightshift.moves (source, began_at) values ($1, $2)", [id, now]);

export const noteEnd = (target: PostgresRows, { id }: Source, sums: Sums, now: number): Promise<unknown> =>
  target.query("update nightshift.moves set finished_at = $2, sums = $3 where source = $1", [
    id,
    now,
    JSON.stringify(sums),
  ]);

/** What a table comes to: the same for the same rows, in whichever order they are read. */
export interface Sum {
  readonly rows: number;
  /** 32 hex digits: the sum of the rows' digests. */
  readonly checksum: string;
}

const MASK = (1n << 128n) - 1n;

/** One text for each row: columns in their order, and no two rows alike in it. */
export const textOf = (row: Row): string => JSON.stringify(row);

export function createChecksum(): { add(row: Row): void; sum(): Sum } {
  let rows = 0;
  let total = 0n;
  return {
    add(row) {
      rows++;
      const digest = createHash("sha256").update(textOf(row)).digest("hex").slice(0, 32);
      total = (total + BigInt(`0x${digest}`)) & MASK;
    },
    sum: () => ({ rows, checksum: total.toString(16).padStart(32, "0") }),
  };
}

export const isSame = (one: Sum, other: Sum): boolean =>
  one.rows === other.rows && one.checksum === other.checksum;
