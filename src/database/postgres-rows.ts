import type { Client } from "pg";
import { NightshiftError } from "../errors.ts";
import { toJobsError } from "./db-errors.ts";
import type { Cell, Row, Table } from "./locked-file.ts";
import { connectionConfig, jobsTimeouts } from "./postgres-pool.ts";

/** Rows that are read from Postgres at a time. */
const FETCH_ROWS = 1_000;

/** Our tables in a Postgres, row by row, over one connection. Only one process has such a connection at a time. */
export interface PostgresRows {
  /** Names of the tables that exist. */
  names(): Promise<ReadonlySet<string>>;
  hasRows(table: string): Promise<boolean>;
  /** Inserts the rows whose key is not in the table, durably. Resolves to how many it inserted. */
  add(table: Table, rows: readonly Row[]): Promise<number>;
  /** Resolves to the rows of the table that have the key of one of `rows`. */
  find(table: Table, rows: readonly Row[]): Promise<Row[]>;
  /** All rows of the table, in one snapshot. */
  all(table: Table): AsyncIterable<Row>;
  query(sql: string, parameters?: readonly unknown[]): Promise<Row[]>;
  close(): Promise<void>;
}

export interface RowsOptions {
  /** postgres://user:password@host:port/database, with sslmode and the like as libpq has them. */
  readonly url: string;
  /** The schema that holds our tables. */
  readonly schema: string;
  /** How long to wait for each statement, and for a lock, in ms. */
  readonly timeoutMs: number;
}

/** Rejects with DATA_UNAVAILABLE, for example when a Nightshift works with these tables. */
export async function openPostgresRows(options: RowsOptions): Promise<PostgresRows> {
  const { url, schema, timeoutMs } = options;
  const { Client } = (await import("pg")).default;
  const client = new Client(connectionConfig({ url, timeouts: jobsTimeouts(timeoutMs) }));
  client.on("error", () => {});
  const query = rowsQuery(client);
  const close = () => client.end().catch(() => {});
  const qualified = (name: string) => `${schema}."${name}"`;
  const listOf = (names: readonly string[], as = (column: string) => column) =>
    names.map((name) => as(`"${name}"`)).join(", ");
  const texts = ({ columns }: Table) => listOf(columns, (column) => `${column}::text`);
  const given = ({ name }: Table) => `json_populate_recordset(null::${qualified(name)}, $1::json)`;
  const toJson = ({ columns }: Table, rows: readonly Row[]) =>
    JSON.stringify(rows.map((row) => Object.fromEntries(columns.map((column, i) => [column, row[i]]))));
  try {
    await client.connect().catch((error: unknown) => {
      throw toJobsError(error);
    });
    await query(`set application_name = 'move to ${schema}'`);
    await query(`set statement_timeout = ${timeoutMs}`);
    await query(`set lock_timeout = ${timeoutMs}`);
    await keepOthersOff(query, schema);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    async names() {
      const rows = await query("select tablename from pg_tables where schemaname = $1", [schema]);
      return new Set(rows.map(([name]) => String(name)));
    },
    hasRows: async (table) => (await query(`select 1 from ${qualified(table)} limit 1`)).length > 0,
    async add(table, rows) {
      const columns = listOf(table.columns);
      const added = await query(
        `insert into ${qualified(table.name)} (${columns}) select ${columns} from ${given(table)}
         on conflict do nothing returning 1`,
        [toJson(table, rows)],
      );
      return added.length;
    },
    find: (table, rows) => {
      const key = listOf(table.key);
      return query(
        `select ${texts(table)} from ${qualified(table.name)} where (${key}) in (select ${key} from ${given(table)})`,
        [toJson(table, rows)],
      );
    },
    async *all(table) {
      await query("begin isolation level repeatable read, read only");
      try {
        await query(`declare page no scroll cursor for select ${texts(table)} from ${qualified(table.name)}`);
        for (;;) {
          const rows = await query(`fetch ${FETCH_ROWS} from page`);
          if (rows.length === 0) break;
          yield* rows;
        }
      } finally {
        await query("rollback");
      }
    },
    query,
    close,
  };
}

const rowsQuery =
  (client: Client) =>
  async (text: string, parameters: readonly unknown[] = []): Promise<Row[]> => {
    try {
      const { rows } = await client.query({ text, values: [...parameters], rowMode: "array" });
      return rows as Cell[][];
    } catch (error) {
      throw toJobsError(error);
    }
  };

type RowsQuery = ReturnType<typeof rowsQuery>;

async function keepOthersOff(query: RowsQuery, schema: string): Promise<void> {
  await query("select pg_advisory_lock(hashtextextended($1, 0))", [`${schema} move`]);
  const busy = await query(
    `select 1 from pg_stat_activity
     where datname = current_database() and application_name like 'nightshift%' limit 1`,
  );
  if (busy.length > 0)
    throw new NightshiftError(
      "DATA_UNAVAILABLE",
      "A Nightshift works with this Postgres; stop all its nodes, and try again.",
    );
}
