import type { KeyvPostgres } from "@keyv/postgres";
import { type FactsDatabase, KEYV_OPTIONS, parseRow, type Query } from "./database.ts";
import { toDataError, whileBusy } from "./failures.ts";
import { beginOn, finish, openPool, queryOf, SCHEMA_NAME } from "./pg-pool.ts";
import { migrate } from "./pg-tables.ts";
import type { StoredFact } from "./rules.ts";

const DEFAULT_POOL_SIZE = 10;
const DEFAULT_STATEMENT_TIMEOUT_MS = 10_000;

export interface PostgresLocation {
  /** `postgres://user:password@host/database`, with what else Postgres takes in a URL. */
  readonly databaseUrl: string;
  /** Connections at most, half of them for reading. Default 10, at least 2. */
  readonly poolSize?: number;
  /** Default 10,000 ms. */
  readonly statementTimeoutMs?: number;
}

/** Connects, and makes the tables where there are none. Rejects with DATA_UNAVAILABLE; a later try starts afresh. */
export async function openFactsPostgres(
  location: PostgresLocation,
  lockTimeoutMs: number,
): Promise<FactsDatabase> {
  const { databaseUrl, poolSize = DEFAULT_POOL_SIZE } = location;
  const { statementTimeoutMs = DEFAULT_STATEMENT_TIMEOUT_MS } = location;
  // Loaded on first use, like SQLite.
  const [{ Keyv }, adapterOn] = await Promise.all([import("keyv"), loadAdapter()]);
  const open = (share: number) =>
    openPool({ databaseUrl, size: Math.max(1, Math.floor(share)), statementTimeoutMs, lockTimeoutMs });
  // Apart, because a writer may wait for a reader of the same user, who must not wait for the writer's connection.
  const [readers, writers] = await Promise.all([open(poolSize / 2), open((poolSize + 1) / 2)]);
  const close = async () => void (await Promise.all([readers.end(), writers.end()]));
  try {
    await whileBusy(lockTimeoutMs, () => migrate(writers));
    const read = queryOf(readers);
    const [secret] = await read<{ value: string }>("SELECT value FROM fact_secrets WHERE name = 'cursor'");
    const parser = new Keyv<StoredFact>(KEYV_OPTIONS);
    return {
      read,
      lockKey: (userKey) => userKey,
      async transact(userKey, work) {
        const begin = `BEGIN; SELECT pg_advisory_xact_lock(${lockOf(userKey)})`;
        const client = await whileBusy(lockTimeoutMs, () => beginOn(writers, begin));
        const query = queryOf(client);
        await finish(client, () =>
          work({ query, keyv: new Keyv<StoredFact>(adapterOn(query), KEYV_OPTIONS) }),
        );
      },
      cursorSecret: secret?.value ?? "",
      parse: (value) => parseRow(parser, value),
      close,
    };
  } catch (error) {
    await close();
    throw toDataError(error);
  }
}

/** A number of 64 bits with a sign, as Postgres names a lock. */
const lockOf = (userKey: string): bigint => BigInt.asIntN(64, BigInt(`0x${userKey.slice(0, 16)}`));

/**
 * Keyv's adapter on a connection of ours, so that it takes part in our transactions. Its own pool is one for the
 * whole process, whatever the options, and a cut connection of it ends the process: it is never made.
 */
async function loadAdapter(): Promise<(query: Query) => KeyvPostgres> {
  const { KeyvPostgres } = await import("@keyv/postgres");
  class Adapter extends KeyvPostgres {
    constructor(query: Query) {
      super({ schema: SCHEMA_NAME });
      this.query = (sql, values = []) => query(sql, ...values);
    }
    override async connect() {
      return async () => [];
    }
  }
  return (query) => new Adapter(query);
}
