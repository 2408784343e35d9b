import type { Keyv } from "keyv";
import { backoff, retry } from "../async.ts";
import { isTransient, toFactsError } from "../database/db-errors.ts";
import { NightshiftError } from "../errors.ts";
import type { StoredFact } from "./rules.ts";

/**
 * Runs one statement. Parameters are bound. `$1` must appear before `$2`, because SQLite numbers parameters in the order
 * in which they first appear. Tables are named without a schema.
 */
export type Query = <Row>(sql: string, ...parameters: unknown[]) => Promise<Row[]>;

/** Access inside a transaction. Both see what the transaction has written so far. */
export interface TransactionAccess {
  readonly query: Query;
  /** For `set` and `delete`. Never `clear` or `iterator`: they match by LIKE. */
  readonly keyv: Keyv<StoredFact>;
}

/**
 * The database that holds the facts. Keyv's table numbers its rows upwards by `rowid`. Triggers count the changes of
 * each user, so that any reader can tell by one small query whether its copy of a user's facts is current, whichever
 * process has written.
 */
export interface FactsDatabase {
  /** Sees committed rows only, and none of a transaction that is still open. */
  readonly read: Query;
  /** Writes of users with the same lock key run one after the other, and may share a transaction. */
  lockKey(userKey: string): string;
  /**
   * Runs `work` in a transaction. Meanwhile nobody else writes facts with that lock key, in this process or another.
   * Resolves once it is committed. Undoes everything and rejects when `work` or the database fails.
   */
  transact(lockKey: string, work: (access: TransactionAccess) => Promise<void>): Promise<void>;
  /** The secret that signs cursors. */
  readonly cursorSecret: string;
  /** Parses a row's value as Keyv wrote it. Keyv's ttl counts as the fact's expiry. */
  parse(value: string): StoredFact;
  close(): Promise<void>;
}

/** Options for Keyv on both databases: keys without a prefix, and failures that are thrown. */
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

const FIRST_BUSY_WAIT_MS = 2;
const LONGEST_BUSY_WAIT_MS = 40;
const busyBackoff = backoff(FIRST_BUSY_WAIT_MS, LONGEST_BUSY_WAIT_MS);

/**
 * Does `work` again while the database is locked or restarts. Only for work that leaves nothing behind when it fails.
 * Rejects with DATA_UNAVAILABLE once `lockTimeoutMs` is over.
 */
export async function whileBusy<T>(lockTimeoutMs: number, work: () => Promise<T>): Promise<T> {
  try {
    return await retry(work, { delayMs: busyBackoff, timeoutMs: lockTimeoutMs, isWorthIt: isTransient });
  } catch (error) {
    throw toFactsError(error);
  }
}
