import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import type {
  CompiledQuery,
  DatabaseConnection,
  Dialect,
  Driver,
  QueryResult,
  SelectModifierNode,
  SqliteQueryCompiler,
  TransactionSettings,
} from "kysely";
import { backoff, retry } from "../async.ts";
import { writeBackup } from "./backup.ts";
import { isFileLocked, toJobsError } from "./db-errors.ts";
import { LOOP_BUSY_TIMEOUT_MS, WAL_PRAGMAS } from "./wal.ts";

const FIRST_LOCK_WAIT_MS = 2;
const LONGEST_LOCK_WAIT_MS = 20;
const MAX_STATEMENTS = 200;

export interface SqliteFile {
  readonly dialect: Dialect;
  /** A number that changes when another connection commits to the file (https://sqlite.org/pragma.html#pragma_data_version). */
  dataVersion(): number;
  close(): void;
}

/** Opens a SQLite file for Kysely on node:sqlite. Rejects with DATA_UNAVAILABLE. */
export async function openSqlite(file: string, lockTimeoutMs: number): Promise<SqliteFile> {
  const [{ DatabaseSync }, kysely] = await Promise.all([import("node:sqlite"), import("kysely")]);
  const closing = new AbortController();
  const retrying = { timeoutMs: lockTimeoutMs, signal: closing.signal };
  const database = await whileLocked(() => openFile(DatabaseSync, file), retrying);
  const connection = createSqliteConnection(database, (work) => whileLocked(work, retrying));
  const version = database.prepare("PRAGMA data_version");
  const close = () => {
    closing.abort();
    if (database.isOpen) database.close();
  };
  return {
    dialect: {
      createAdapter: () => new kysely.SqliteAdapter(),
      createDriver: () => createSqliteDriver(database, connection, kysely.CompiledQuery.raw, close),
      createIntrospector: (db) => new kysely.SqliteIntrospector(db),
      createQueryCompiler: () => new (withoutRowLocks(kysely.SqliteQueryCompiler))(),
    },
    dataVersion: () => Number(version.get()?.data_version),
    close,
  };
}

/** A transaction is the only writer here, so `for update` adds nothing, and SQLite does not know it. */
const withoutRowLocks = (Compiler: typeof SqliteQueryCompiler) =>
  class extends Compiler {
    protected override visitSelectModifier(node: SelectModifierNode): void {
      if (node.modifier !== "ForUpdate" && node.modifier !== "SkipLocked") super.visitSelectModifier(node);
    }
  };

/** Copies the file as last committed to `target`, also while others have it open. Rejects with DATA_UNAVAILABLE. */
export async function backUpSqlite(file: string, target: string): Promise<void> {
  const { backup, DatabaseSync } = await import("node:sqlite");
  const source = new DatabaseSync(file, { readOnly: true });
  try {
    await writeBackup(target, (path) => backup(source, path));
  } catch (error) {
    throw toJobsError(error);
  } finally {
    source.close();
  }
}

/**
 * Does `work` again while the file is locked. Only for work that leaves nothing behind when it is refused. Rejects
 * with DATA_UNAVAILABLE after waits of `timeoutMs` in all. Only waits count: a process that stood still for so long
 * has not tried.
 */
async function whileLocked<T>(
  work: () => T,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<T> {
  let leftMs = timeoutMs;
  const delayMs = (tries: number) => {
    if (leftMs <= 0) return undefined;
    const waitMs = Math.ceil(lockBackoff(tries));
    leftMs -= waitMs;
    return waitMs;
  };
  try {
    return await retry(work, { delayMs, isWorthIt: isFileLocked, signal });
  } catch (error) {
    throw toJobsError(error);
  }
}

const lockBackoff = backoff(FIRST_LOCK_WAIT_MS, LONGEST_LOCK_WAIT_MS);

function openFile(Database: typeof DatabaseSync, file: string): DatabaseSync {
  const database = new Database(file, { timeout: LOOP_BUSY_TIMEOUT_MS });
  try {
    for (const pragma of WAL_PRAGMAS) database.exec(pragma);
    database.exec("PRAGMA foreign_keys = ON");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Kysely gives the one connection to one query or transaction at a time, as the adapter asks for. */
function createSqliteDriver(
  database: DatabaseSync,
  connection: DatabaseConnection,
  raw: (sql: string) => CompiledQuery,
  close: () => void,
): Driver {
  const execute = async (sql: string): Promise<void> => {
    await connection.executeQuery(raw(sql));
  };
  return {
    init: async () => {},
    acquireConnection: async () => connection,
    // IMMEDIATE: a writer waits for the lock here, before it has read anything, and never fails halfway.
    beginTransaction: (_connection, { accessMode }: TransactionSettings) =>
      execute(accessMode === "read only" ? "begin" : "begin immediate"),
    commitTransaction: () => execute("commit"),
    rollbackTransaction: async () => {
      // A full disk makes SQLite roll back by itself; a second rollback would hide the first error.
      if (database.isTransaction) await execute("rollback");
    },
    releaseConnection: async () => {},
    destroy: async () => close(),
  };
}

interface PreparedStatement {
  readonly statement: StatementSync;
  readonly returnsRows: boolean;
}

function createSqliteConnection(
  database: DatabaseSync,
  outsideTransaction: <T>(work: () => T) => Promise<T>,
): DatabaseConnection {
  const prepare = cachePrepared(database);
  const run = <R>(query: CompiledQuery): QueryResult<R> => {
    const { statement, returnsRows } = prepare(query.sql);
    const parameters = query.parameters as SQLInputValue[];
    if (returnsRows) return { rows: statement.all(...parameters) as R[] };
    const { changes } = statement.run(...parameters);
    return { rows: [], numAffectedRows: BigInt(changes) };
  };
  return {
    executeQuery: async <R>(query: CompiledQuery) => {
      if (!database.isTransaction) return outsideTransaction(() => run<R>(query));
      try {
        return run<R>(query);
      } catch (error) {
        throw toJobsError(error);
      }
    },
    streamQuery: () => {
      throw new Error("streaming is deliberately absent: a stream would hold the only connection");
    },
  };
}

/** Keeps prepared statements by their text, the most recently used: preparing costs more than most of our queries. */
function cachePrepared(database: DatabaseSync): (sql: string) => PreparedStatement {
  const statements = new Map<string, PreparedStatement>();
  return (sql) => {
    let prepared = statements.get(sql);
    if (prepared) {
      statements.delete(sql);
    } else {
      const statement = database.prepare(sql);
      prepared = { statement, returnsRows: statement.columns().length > 0 };
      const oldest = statements.keys().next();
      if (statements.size >= MAX_STATEMENTS && !oldest.done) statements.delete(oldest.value);
    }
    statements.set(sql, prepared);
    return prepared;
  };
}
