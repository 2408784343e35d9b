import type { FactsDatabase, Query } from "./database.ts";
import { createMemory, type Memory } from "./memory.ts";

/** A copy of a user's facts and how far it has followed the database. `changes` is -1 before the first load. */
export interface Copy {
  readonly memory: Memory;
  changes: number;
  removals: number;
  /** The highest row that was seen. */
  rowId: number;
}

interface Changes {
  readonly changes: number;
  readonly removals: number;
}
interface Row {
  readonly id: string;
  readonly rowId: number;
}
interface FullRow extends Row {
  readonly value: string;
}

/** A user's rows: from `<userKey>:` up to the next character after the colon. No pattern, so nothing is a wildcard. */
const RANGE = "key >= $1 || ':' AND key < $1 || ';'";
const COLUMNS = 'substr(key, 66) AS id, rowid AS "rowId"';

const ALL_ROWS = `SELECT ${COLUMNS}, value FROM keyv WHERE ${RANGE}`;

const NOT_LOADED = { changes: -1, removals: 0, rowId: 0 };

export function createCopy(): Copy {
  return { memory: createMemory(), ...NOT_LOADED };
}

/** For a copy that may hold what was undone: the next look loads it anew. */
export function resetCopy(copy: Copy): void {
  copy.memory.clear();
  Object.assign(copy, NOT_LOADED);
}

/**
 * Brings a copy up to date with the least work: nothing when its user's counter has not moved, the new rows when
 * there are only new rows, else the difference of the ids. Facts never change, so an id says it all.
 */
export async function syncCopy(
  userKey: string,
  copy: Copy,
  { query, parse, now }: { query: Query; parse: FactsDatabase["parse"]; now: number },
): Promise<void> {
  // Read before the rows: they may be newer than it, which costs a second look, but never older.
  const current = await readChanges(userKey, query);
  if (current.changes === copy.changes) return;
  const take = (rows: readonly FullRow[]) => {
    copy.memory.add(
      rows.map(({ id, value }) => ({ ...parse(value), factId: id })),
      now,
    );
    for (const { rowId } of rows) copy.rowId = Math.max(copy.rowId, rowId);
  };
  if (copy.changes === -1) {
    take(await query<FullRow>(ALL_ROWS, userKey));
  } else {
    // The plus keeps SQLite on the index of keys: by row number it would read everybody's new rows.
    const newRows = `SELECT ${COLUMNS}, value FROM keyv WHERE ${RANGE} AND +rowid > $2`;
    const added = await query<FullRow>(newRows, userKey, copy.rowId);
    take(added);
    const isComplete = current.removals === copy.removals && added.length >= current.changes - copy.changes;
    if (!isComplete) take(await reconcile(userKey, copy.memory, query));
  }
  Object.assign(copy, current);
}

/** After a write inside its transaction: what it changed is known, and need not be looked for. */
export async function noteOwnWrite(userKey: string, copy: Copy, query: Query, factId = ""): Promise<void> {
  const [row] = await query<Changes & { rowId: number | null }>(
    `SELECT changes, removals, (SELECT rowid FROM keyv WHERE key = $1) AS "rowId" FROM fact_changes WHERE user_key = $2`,
    `${userKey}:${factId}`,
    userKey,
  );
  if (row === undefined) return;
  Object.assign(copy, {
    changes: row.changes,
    removals: row.removals,
    rowId: Math.max(copy.rowId, row.rowId ?? 0),
  });
}

async function readChanges(userKey: string, query: Query): Promise<Changes> {
  const [row] = await query<Changes>(
    "SELECT changes, removals FROM fact_changes WHERE user_key = $1",
    userKey,
  );
  return { changes: row?.changes ?? 0, removals: row?.removals ?? 0 };
}

/**
 * Removes what the database no longer has. Resolves to all rows when the memory lacks one, which is rare: its number
 * was not above the highest seen, as SQLite may use one again.
 */
async function reconcile(userKey: string, memory: Memory, query: Query): Promise<FullRow[]> {
  const rows = await query<Row>(`SELECT ${COLUMNS} FROM keyv WHERE ${RANGE}`, userKey);
  const present = new Set(rows.map(({ id }) => id));
  memory.remove(
    memory.facts
      .keys()
      .filter((id) => !present.has(id))
      .toArray(),
  );
  const isWhole = rows.every(({ id }) => memory.facts.has(id) || memory.expired.has(id));
  return isWhole ? [] : query<FullRow>(ALL_ROWS, userKey);
}
