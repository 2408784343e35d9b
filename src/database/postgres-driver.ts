import type { CompiledQuery, DatabaseConnection, Dialect, Driver, QueryResult } from "kysely";
import type { Pool, PoolClient } from "pg";
import { isConnectionLost, toJobsError } from "./db-errors.ts";
import { isPipelined } from "./sql.ts";

/**
 * Kysely's Postgres dialect on a pipelining pool, with our errors. The beginning of a transaction and each query that
 * is marked as pipelined are sent along with the next statement, so that a transaction costs a round trip only where
 * something is read. `afterWrites` is sent along with the commit of each transaction that has written something.
 */
export const createPostgresDialect = (
  kysely: typeof import("kysely"),
  pool: Pool,
  afterWrites: string,
): Dialect => ({
  createAdapter: () => new kysely.PostgresAdapter(),
  createDriver: () => createPostgresDriver(pool, afterWrites, () => new kysely.AbortedTransactionError()),
  createIntrospector: (db) => new kysely.PostgresIntrospector(db),
  createQueryCompiler: () => new kysely.PostgresQueryCompiler(),
});

function createPostgresDriver(pool: Pool, afterWrites: string, abortedError: () => Error): Driver {
  return {
    init: async () => {},
    async acquireConnection() {
      try {
        return createPostgresConnection(await pool.connect(), afterWrites);
      } catch (error) {
        throw toJobsError(error);
      }
    },
    async beginTransaction(connection: PostgresConnection, { isolationLevel, accessMode }) {
      const isolation = isolationLevel ? ` isolation level ${isolationLevel}` : "";
      connection.begin(`start transaction${isolation}${accessMode ? ` ${accessMode}` : ""}`);
    },
    async commitTransaction(connection: PostgresConnection) {
      // Postgres answers ROLLBACK, and no error, to the commit of what has failed already.
      if ((await connection.commit()) === "ROLLBACK") throw abortedError();
    },
    rollbackTransaction: (connection: PostgresConnection) => connection.rollback(),
    releaseConnection: async (connection: PostgresConnection) => connection.release(),
    destroy: () => pool.end(),
  };
}

interface PostgresConnection extends DatabaseConnection {
  /** Sends it and does not wait. */
  begin(sql: string): void;
  /** Resolves to what Postgres did: COMMIT or ROLLBACK. */
  commit(): Promise<string>;
  rollback(): Promise<void>;
  release(): void;
}

/** A client for as long as Kysely has it. */
function createPostgresConnection(client: PoolClient, afterWrites: string): PostgresConnection {
  let hasWritten = false;
  let isBroken = false;
  /** The first failure of what was sent and not waited for. */
  let failure: { readonly error: unknown } | undefined;
  let sent: Promise<unknown> = Promise.resolve();

  const sendAhead = (text: string, values: unknown[] = []) => {
    const query = { text, values, isPipelined: true };
    sent = client.query(query).catch((error: unknown) => {
      failure ??= { error };
    });
  };
  const waitFor = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      await sent;
      // The first failure is the reason for all that come after it.
      const first = failure?.error ?? error;
      isBroken ||= isConnectionLost(first) || isConnectionLost(error);
      throw toJobsError(first);
    }
  };
  const forget = () => {
    failure = undefined;
    hasWritten = false;
  };
  return {
    begin: (sql) => sendAhead(sql),
    commit: () =>
      waitFor(async () => {
        const result = await client.query(hasWritten ? `${afterWrites}; commit` : "commit");
        if (failure) throw failure.error;
        // Two statements in one message have an answer each.
        return [result].flat().at(-1)?.command ?? "";
      }).finally(forget),
    rollback: () =>
      waitFor(async () => void (await client.query("rollback")))
        .catch((error: unknown) => {
          isBroken = true;
          throw error;
        })
        .finally(forget),
    release: () => client.release(isBroken),
    async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
      const values = query.parameters.map(storable);
      if (isPipelined(query)) {
        sendAhead(query.sql, values);
        hasWritten ||= !query.sql.startsWith("select");
        return { rows: [] };
      }
      const { command, rowCount, rows } = await waitFor(() => client.query(query.sql, values));
      if (command !== "SELECT" && (rowCount ?? 0) > 0) hasWritten = true;
      const isWrite = /^(?:INSERT|UPDATE|DELETE|MERGE)$/.test(command);
      return { rows: rows ?? [], ...(isWrite && { numAffectedRows: BigInt(rowCount ?? 0) }) };
    },
    streamQuery: () => {
      throw new Error("streaming is deliberately absent: lists are read page by page");
    },
  };
}

/** Postgres has no NUL in a text. */
const storable = (value: unknown): unknown =>
  typeof value === "string" && value.includes("\0") ? value.replaceAll("\0", "\uFFFD") : value;
