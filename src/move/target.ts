import type { Row } from "../database/locked-file.ts";
import type { PostgresRows } from "../database/postgres-rows.ts";
import { NightshiftError } from "../errors.ts";
import type { Source } from "./source.ts";
import type { Sum } from "./sum.ts";

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
