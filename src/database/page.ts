import { type SelectQueryBuilder, sql } from "kysely";
import { type CursorScope, decodeCursor, encodeCursor } from "./ids.ts";

/** A page of a list whose ids sort by the time they were made, newest first. */
export interface PageRequest {
  /** The owner, the list and its filters: a cursor of another scope is refused. */
  readonly scope: CursorScope;
  /** Rows of the page: at least 1, at most `maxLimit`. */
  readonly limit: number;
  readonly maxLimit: number;
  /** Default: the first page. */
  readonly cursor?: string | undefined;
}

/**
 * Reads one page of `query`, ordered by the column `id` (`item_id` or `inbox.item_id`). Rejects with CURSOR_INVALID.
 */
export async function readPage<DB, TB extends keyof DB, Row extends object>(
  query: SelectQueryBuilder<DB, TB, Row>,
  id: string,
  { scope, limit, maxLimit, cursor }: PageRequest,
): Promise<{ rows: Row[]; nextCursor?: string }> {
  const column = sql.ref<string>(id);
  const size = Math.min(Math.max(1, limit), maxLimit);
  const rest = cursor === undefined ? query : query.where(column, "<", decodeCursor(scope, cursor));
  // One row more than asked for tells whether there is another page.
  const found = await rest
    .orderBy(column, "desc")
    .limit(size + 1)
    .execute();
  const rows = found.slice(0, size) as Row[];
  const last = rows.at(-1);
  if (found.length <= size || last === undefined) return { rows };
  const lastId: unknown = last[id.slice(id.indexOf(".") + 1) as keyof Row];
  return { rows, nextCursor: encodeCursor(scope, String(lastId)) };
}
