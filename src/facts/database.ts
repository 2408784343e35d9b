import type { Keyv } from "keyv";
import { backoff, retry } from "../async.ts";
import { isTransient, toFactsError } from "../database/db-errors.ts";
import { NightshiftError } from "../errors.ts";
import type { StoredFact } from "./rules.ts";

/**
 * Runs one statement. Parameters are bound, never pasted in; `$1` is first named before `$2`, as SQLite numbers them
 * by their first place. Every table is named without a schema.
 */
export type Query = <Row>(sql: string, ...parameters: unknown[]) => Promise<Row[]>;

/** Inside a transaction: both see what it has written so far. */
export interface Writing {
  readonly query: Query;
  /** For `set` and `delete`. Never `clear` or `iterator`: they match by LIKE. */
  readonly keyv: Keyv<StoredFact>;
}

/**
 * Where facts are. Beside Keyv's table, whose rows are numbered upwards by `rowid`, it keeps a count of changes for
 * each user by triggers, so that whoever writes, in whichever process, every reader can tell by one small query
 * whether its copy of a user's facts is still good.
 */
export interface FactsDatabase {
  /** Sees what is committed, and nothing of a transaction that is still open. */
  readonly read: Query;
  /** Writes of users who share a lane go one after the other, and may share a transaction. */
  lockKey(userKey: string): string;
  /**
   * Runs `work` in a transaction in which nobody else, of this process or of another, writes facts of that lane.
   * Resolves once it is committed; undoes everything and rejects when `work` or the database fails.
   */
  transact(lockKey: string, work: (writing: Writing) => Promise<void>): Promise<void>;
  /** Signs cursors. */
  readonly cursorSecret: string;
  /** Parses a row's value as Keyv wrote it. Its ttl counts as the fact's expiry. */
  parse(value: string): StoredFact;
  close(): Promise<void>;
}

/** How every database here is used by Keyv: whole keys, and failures that are thrown. */
export const KEYV_OPTIONS = {
  namespace: "",
  useKeyPrefix: false,
  throwOnErrors: true,
  emitErrors: false,
} as const;

export function parseRow(keyv: Keyv<StoredFact>, value: string): StoredFact {
  const row = keyv.deserialize?.<StoredFact>(value);
  if (row === undefined || row instanceof Promise || typeof row.value?.text !== "string") {
    throw new NightshiftError("DATA_UNAVAILABLE", "A stored fact cannot be read; run `nightshift doctor`.");
  }
  const expiresAt = Math.min(
    row.expires ?? Number.POSITIVE_INFINITY,
    row.value.expiresAt ?? Number.POSITIVE_INFINITY,
  );
  return Number.isFinite(expiresAt) ? { ...row.value, expiresAt } : row.value;
}

const busyBackoff = backoff(2, 40);

/**
 * Does `work` again while the database is locked or comes back. Only for work that leaves nothing behind when it is
 * refused. Rejects with DATA_UNAVAILABLE once `lockTimeoutMs` is over.
 */
export async function whileBusy<T>(lockTimeoutMs: number, work: () => Promise<T>): Promise<T> {
  try {
    return await retry(work, { delayMs: busyBackoff, timeoutMs: lockTimeoutMs, isWorthIt: isTransient });
  } catch (error) {
    throw toFactsError(error);
  }
}
