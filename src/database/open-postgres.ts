import { randomUUID } from "node:crypto";
import type { Transaction } from "kysely";
import { createKeyedLocks, retry } from "../async.ts";
import { NightshiftError } from "../errors.ts";
import { once } from "../lifecycle.ts";
import type { Database, TransactOptions, UserLocks } from "./database.ts";
import { isConnectionLost, isRolledBack, toJobsError } from "./db-errors.ts";
import { makeSchema, migrationLock, retryMigration } from "./migration-lock.ts";
import type { Migrations } from "./migrations.ts";
import { watchClock } from "./postgres-clock.ts";
import { createPostgresDialect } from "./postgres-driver.ts";
import { createNotifyChannel, type HeldName, openListener } from "./postgres-notify.ts";
import { connectionConfig, jobsTimeouts, openPool, SCHEMA_NAME } from "./postgres-pool.ts";
import { servingName } from "./postgres-serving.ts";
import type { Tables } from "./schema.ts";
import { runSql, runSqlPipelined } from "./sql.ts";

export interface PostgresOptions {
  /** postgres://user:password@host:port/database, with sslmode and the like as libpq has them. */
  readonly url: string;
  /** Epoch ms. */
  readonly now: () => number;
  /** The schema that holds the tables, created when absent. Default: nightshift. */
  readonly schema?: string;
  /** Connections at once, besides one that listens. Default: 10. */
  readonly poolSize?: number;
  /** How long to wait for a connection, and for each statement, in ms, before DATA_UNAVAILABLE. Default: 10,000. */
  readonly timeoutMs?: number;
  /** Default: this Nightshift's own. */
  readonly migrations?: Migrations;
  /** Called when Postgres's clock differs noticeably from `now`, at the start and later, with the ms that it is ahead. */
  readonly onSkew?: (aheadMs: number) => void;
  /** Called each time the migration of the tables has to wait for a lock. */
  readonly onMigrationWait?: () => void;
  /** The name of this node: while another one has it, opening rejects with CONFIG_INVALID. Default: none. */
  readonly node?: string | undefined;
  /** The kinds of jobs that this process runs while it is connected, for others to read. Default: it tells nothing. */
  readonly serves?: readonly string[] | undefined;
}

/** Tries for a transaction that Postgres undid because of another one. */
const MAX_TRANSACTION_TRIES = 8;
/** A connection that was cut while idle fails at once, and a new one helps. A server that is away fails late. */
const CUT_RETRY_MS = 5_000;
/** `dataVersion` changes at least this often: a notification of another process's write may have been lost. */
const SLOW_LOOK_MS = 30_000;
/** After so long without a connection for notifications, `dataVersion` changes with every call. */
const DISCONNECTED_LOOK_MS = 1_000;

/** Opens the jobs database in Postgres and brings its tables up to date. Rejects with DATA_UNAVAILABLE. */
export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const { url, now, schema = SCHEMA_NAME, poolSize = 10, timeoutMs = 10_000, onSkew } = options;
  const [kyselyPackage, { migrate }] = await Promise.all([import("kysely"), import("./migrations.ts")]);
  const connection = { url, timeouts: jobsTimeouts(timeoutMs) };
  const channels = { writes: `${schema}_writes`, notifyChannel: `${schema}_wire` };
  const self = randomUUID();
  const afterWrites = `notify "${channels.writes}", '${self}'`;
  const pool = await openPool({ ...connection, schema, size: poolSize, pipeline: true });
  const dialect = createPostgresDialect(kyselyPackage, pool, afterWrites);
  const kysely = new kyselyPackage.Kysely<Tables>({ dialect });
  const notifyChannel = createNotifyChannel(self, async (messages) => {
    const sql = "select pg_notify($1, message) from unnest($2::text[]) message";
    await runSql(kysely, sql, [channels.notifyChannel, messages]);
  });
  let version = 0;
  const listeners = new Set<() => void>();
  const changed = () => {
    version++;
    for (const listener of listeners) listener();
  };
  let disconnectedAt = 0;
  let unwatchClock = () => {};
  const openedAt = performance.now();
  try {
    if (onSkew)
      unwatchClock = await watchClock({
        readPostgresTime: () => readTime(kysely),
        now,
        onSkew,
      });
    const lock = async (trx: Transaction<Tables>) => {
      for (const sql of [...migrationLock(schema), makeSchema(schema)]) await runSql(trx, sql);
    };
    const { migrations, onMigrationWait } = options;
    await retryMigration(
      () => migrate(kysely, now(), { ...(migrations && { migrations }), lock }),
      onMigrationWait,
    );
    await refuseHalfMoved(kysely);
    const listening = await openListener({
      config: connectionConfig({
        ...connection,
        ...(options.serves && { applicationName: servingName(options.serves) }),
      }),
      channels: Object.values(channels),
      onMessage: (channel, message) => {
        if (channel === channels.notifyChannel) notifyChannel.onMessage(message);
        else if (message !== self) changed();
      },
      onDisconnect: () => {
        version++;
        disconnectedAt = now();
      },
      onReconnect: () => {
        changed();
        notifyChannel.onReconnect(disconnectedAt);
      },
      name: options.node === undefined ? undefined : nodeName(schema, options.node),
    }).catch((error: unknown) => {
      throw toJobsError(error);
    });
    return {
      kysely,
      transact: transactions(kysely, schema),
      dataVersion: () => {
        const at = performance.now();
        const disconnectedMs = listening.disconnectedSince === null ? 0 : at - listening.disconnectedSince;
        if (disconnectedMs > DISCONNECTED_LOOK_MS) version++;
        return version + Math.floor((at - openedAt) / SLOW_LOOK_MS);
      },
      onWrite: (listener) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
      // Not by the pool, whose connections may all wait for a lock.
      ping: () =>
        listening.ping().catch((error: unknown) => {
          throw toJobsError(error);
        }),
      unreachableSince: () => listening.disconnectedSince,
      notifyChannel,
      close: once(async () => {
        unwatchClock();
        await notifyChannel.close();
        await listening.close();
        await kysely.destroy();
      }),
    };
  } catch (error) {
    unwatchClock();
    await kysely.destroy();
    throw error;
  }
}

/** Sessions are routed by the names of nodes, so no two may have the same one. */
const nodeName = (schema: string, node: string): HeldName => ({
  lock: `${schema} node ${node}`,
  takenError: () =>
    new NightshiftError(
      "CONFIG_INVALID",
      `Another node with the name ${node} uses this Postgres; give each node a NIGHTSHIFT_NODE of its own. After its machine has failed, the name is free within half a minute.`,
    ),
});

/** Users would take half of a moved folder for all of it. */
async function refuseHalfMoved(kysely: Database["kysely"]): Promise<void> {
  const half = await kysely.selectFrom("moves").select("source").where("finished_at", "is", null).execute();
  if (half.length === 0) return;
  throw new NightshiftError(
    "DATA_UNAVAILABLE",
    "A move into this Postgres is not finished: run the same `nightshift move` again, which goes on where it ended.",
  );
}

const SELECT_TIME = "select (extract(epoch from clock_timestamp()) * 1000)::bigint as now";

async function readTime(kysely: Database["kysely"]): Promise<number> {
  const [row] = await runSql<{ now: number }>(kysely, SELECT_TIME);
  return row?.now ?? 0;
}

/** Advisory locks are numbers that the whole database shares. Ours are hashes of names that contain our schema. */
const lockNumber = (name: string): string => `hashtextextended(${name}, 0)`;

/**
 * READ COMMITTED, with a lock for each user that is held until the transaction ends. A transaction for no single user
 * keeps all others off. Transactions cannot deadlock on these locks: the lock of everybody comes first, then that of a
 * user, and further users are locked only if they are free, or all of them in the order of their keys.
 */
function transactions(kysely: Database["kysely"], schema: string): Database["transact"] {
  const locks = createKeyedLocks();
  const nameOf = (userKey: string) => `${schema} user ${userKey}`;
  const everybody = `${schema} everybody`;
  const lockRows = (trx: Transaction<Tables>, { of }: TransactOptions) => {
    if (of === undefined)
      return runSqlPipelined(trx, `select pg_advisory_xact_lock(${lockNumber("$1")})`, [everybody]);
    const shared = `select pg_advisory_xact_lock_shared(${lockNumber("$1")})`;
    return of === null
      ? runSqlPipelined(trx, shared, [everybody])
      : runSqlPipelined(trx, `${shared}, pg_advisory_xact_lock(${lockNumber("$2")})`, [
          everybody,
          nameOf(of),
        ]);
  };
  const locksOf = (trx: Transaction<Tables>): UserLocks => ({
    take: (userKey) =>
      runSqlPipelined(trx, `select pg_advisory_xact_lock(${lockNumber("$1")})`, [nameOf(userKey)]),
    async tryTake(userKey) {
      const sql = `select pg_try_advisory_xact_lock(${lockNumber("$1")}) as taken`;
      const [row] = await runSql<{ taken: boolean }>(trx, sql, [nameOf(userKey)]);
      return row?.taken === true;
    },
  });
  return (work, options = {}) => {
    const attempt = (onWorked: () => void) =>
      kysely
        .transaction()
        .setIsolationLevel("read committed")
        .execute(async (trx) => {
          await lockRows(trx, options);
          const result = await work(trx, locksOf(trx));
          onWorked();
          return result;
        });
    const { of } = options;
    if (of === null) return again(attempt);
    // At most one connection for each user who waits: the calls of other users need connections, too.
    return locks.run(of ?? everybody, () => again(attempt));
  };
}

/**
 * Does a transaction again that Postgres undid because of another one, or whose connection was lost soon and before
 * there was anything to commit.
 */
function again<T>(attempt: (onWorked: () => void) => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  let isCommitting = false;
  const transaction = () => {
    isCommitting = false;
    return attempt(() => {
      isCommitting = true;
    });
  };
  return retry(transaction, {
    delayMs: (tries) => (tries < MAX_TRANSACTION_TRIES ? Math.random() * 10 * tries : undefined),
    isWorthIt: (error) => {
      const cause = (error as Error | null)?.cause;
      const isEarly = !isCommitting && performance.now() - startedAt < CUT_RETRY_MS;
      return isRolledBack(cause) || (isEarly && isConnectionLost(cause));
    },
  });
}
