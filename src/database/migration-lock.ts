import { backoff, retry } from "../async.ts";
import { SCHEMA_NAME } from "./postgres-pool.ts";

/**
 * How long a migration waits for a lock at a time, in ms. Short, because everybody who comes to the table later waits
 * behind it. A dump or a long query may hold the lock for minutes.
 */
const LOCK_MS = 1_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;
/** After so long the migration is given up, and nothing was changed. */
const TIMEOUT_MS = 5 * 60_000;

/** In a transaction that migrates: no time limit but for locks. */
export const MIGRATION_TIMEOUTS = `set local statement_timeout = 0; set local lock_timeout = ${LOCK_MS}`;

/**
 * The first statements of each transaction that migrates, of jobs and of facts: nodes that start together make the tables
 * once.
 */
export const migrationLock = (schema: string = SCHEMA_NAME): string[] => [
  ...MIGRATION_TIMEOUTS.split("; "),
  `select pg_advisory_xact_lock(hashtextextended('${schema} tables', 0))`,
];

/** Creates the schema only when it is absent: a user without the right to create one can be given it. */
export const makeSchema = (schema: string = SCHEMA_NAME): string => `do $$ begin
    if to_regnamespace('${schema}') is null then create schema ${schema}; end if;
  end $$`;

/** Runs a transaction that migrates, again while a lock is held by others. `onWait` is called before each pause. */
export const retryMigration = <T>(work: () => Promise<T>, onWait: () => void = () => {}): Promise<T> =>
  retry(work, {
    delayMs: backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS),
    timeoutMs: TIMEOUT_MS,
    isWorthIt: isLockTimeout,
    onFailure: onWait,
  });

/** What `onWait` writes into the log. */
export const MIGRATION_WAITS =
  "the migration waits for a lock that a dump, a long query or another migration holds; it tries again, and lets others go first";

const LOCK_NOT_AVAILABLE = "55P03";

function isLockTimeout(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  return (cause?.code ?? code) === LOCK_NOT_AVAILABLE;
}
