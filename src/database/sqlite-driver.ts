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
import { writeBackup } from "./backup.ts";
import { toDataError } from "./db-errors.ts";
import { whileLocked } from "./retry.ts";

/** node:sqlite waits for a lock with the event loop stopped: this long at most, then we wait outside of it. */
const BUSY_TIMEOUT_MS = 2;
const MAX_STATEMENTS = 200;

// NORMAL and not FULL: SQLite would flush the log within each commit, with the event loop stopped. `transact` flushes it
// outside of the loop before it resolves, so that a power cut cannot take back what somebody was told. A larger log
// before a checkpoint, which does stop the loop, makes checkpoints rare.
const PRAGMAS = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA wal_autocheckpoint = 4000;
  PRAGMA foreign_keys = ON;
  PRAGMA journal_size_limit = 67108864;
`;

export interface SqliteFile {
  readonly dialect: Dialect;
  /** A number that changes when anybody else commits to the file (https://sqlite.org/pragma.html#pragma_data_version). */
  dataVersion(): number;
  close(): void;
}

/** Opens a SQLite file for Kysely on node:sqlite. Rejects with DATA_UNAVAILABLE. */
export async function openSqlite(file: string, lockTimeoutMs: number): Promise<SqliteFile> {
  const [{ DatabaseSync }, kysely] = await Promise.all([import("node:sqlite"), import("kysely")]);
  const closing = new AbortController();
  const retry = { timeoutMs: lockTimeoutMs, signal: closing.signal };
  const database = await whileLocked(() => openFile(DatabaseSync, file), retry);
  const connection = createConnection(database, (work) => whileLocked(work, retry));
  const version = database.prepare("PRAGMA data_version");
  const close = () => {
    closing.abort();
    if (database.isOpen) database.close();
  };
  return {
    dialect: {
      createAdapter: () => new kysely.SqliteAdapter(),
      createDriver: () => createDriver(database, connection, kysely.CompiledQuery.raw, close),
      createIntrospector: (db) => new kysely.SqliteIntrospector(db),
      createQueryCompiler: () => new (withoutRowLocks(kysely.SqliteQueryCompiler))(),
    },
    dataVersion: () => Number(version.get()?.data_version),
    close,
  };
}

/** A transaction is the only writer here: `for update` has nothing to add, and SQLite no word for it. */
const withoutRowLocks = (Compiler: typeof SqliteQueryCompiler) =>
  class extends Compiler {
    protected override visitSelectModifier(node: SelectModifierNode): void {
      if (node.modifier !== "ForUpdate" && node.modifier !== "SkipLocked") super.visitSelectModifier(node);
    }
  };

/** Copies the file as last committed to `target`, whoever has it open. Rejects with DATA_UNAVAILABLE. */
export async function backUpSqlite(file: string, target: string): Promise<void> {
  const { backup, DatabaseSync } = await import("node:sqlite");
  const source = new DatabaseSync(file, { readOnly: true });
  try {
    await writeBackup(target, (path) => backup(source, path));
  } catch (error) {
    throw toDataError(error);
  } finally {
    source.close();
  }
}

function openFile(Database: typeof DatabaseSync, file: string): DatabaseSync {
  const database = new Database(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    database.exec(PRAGMAS);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Kysely hands the one connection out to one query or transaction at a time (its adapter says so). */
function createDriver(
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
    // IMMEDIATE: a writer waits for the lock here, before it has read anything, and never fails half-way.
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

interface Prepared {
  readonly statement: StatementSync;
  readonly returnsRows: boolean;
}

function createConnection(
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
        throw toDataError(error);
      }
    },
    streamQuery: () => {
      throw new Error("streaming is deliberately absent: a stream would hold the only connection");
    },
  };
}

/** Statements by their text, the least recently used dropped: preparing costs more than most of our queries. */
function cachePrepared(database: DatabaseSync): (sql: string) => Prepared {
  const statements = new Map<string, Prepared>();
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
