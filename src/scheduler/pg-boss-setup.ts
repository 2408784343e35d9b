import type { Transaction } from "kysely";
import type { PgBoss } from "pg-boss";
import type { Database } from "../database/database.ts";
import { MIGRATION_TIMEOUTS, MIGRATION_WAITS, retryMigration } from "../database/migration-lock.ts";
import type { Tables } from "../database/schema.ts";
import { runSql, runSqlPipelined } from "../database/sql.ts";
import { ACTION_KINDS } from "../jobs/job.ts";
import type { Log } from "../log.ts";
import { type BossOutbox, openOutbox } from "./pg-boss-outbox.ts";

/** The queue of items whose node fell silent. Besides it there is one for each kind, so a node fetches what it can run. */
export const DEAD = "dead";
const HOUR_S = 3_600;
const QUEUE_OPTIONS = {
  // An item waits at most once. While it runs, its job may be given the same time again.
  policy: "short",
  // A retry is a run of its own.
  retryLimit: 0,
  deadLetter: DEAD,
  // A run ends by its own limits; this is for one whose node sends heartbeats and never ends it.
  expireInSeconds: 24 * HOUR_S,
  // Items that no node can run are kept: one that can may start later.
  retentionSeconds: 50 * 365 * 24 * HOUR_S,
  deleteAfterSeconds: HOUR_S,
  warningQueueSize: 1_000_000,
} as const;
/** How often one of the nodes looks for silent nodes. */
const MONITOR_S = 5;

/** Starts pg-boss in a schema of its own, which is made when absent, over the connections of `db`. */
export async function startBoss(db: Database, log: Log): Promise<{ boss: PgBoss; outbox: BossOutbox }> {
  const { PgBoss } = await import("pg-boss");
  const [here] = await runSql<{ schema: string }>(db.kysely, "select current_schema() as schema");
  const schema = here?.schema ?? "nightshift";
  const onWait = () => log.warn(MIGRATION_WAITS);
  let isStarting = true;
  const boss = new PgBoss({
    db: ownConnection(db, (execute) => (isStarting ? retryMigration(execute, onWait) : execute())),
    schema: `${schema}_boss`,
    createSchema: false,
    schedule: false,
    flowIntervalSeconds: HOUR_S,
    superviseIntervalSeconds: MONITOR_S,
    monitorIntervalSeconds: MONITOR_S,
    maintenanceIntervalSeconds: HOUR_S,
  });
  boss.on("error", (error) =>
    log.warn({ err: error }, "pg-boss could not do its maintenance; it tries again"),
  );
  boss.on("warning", ({ message }) => log.warn({ reason: message }, "pg-boss has a warning"));
  const outbox = openOutbox(schema, `${schema}_boss.job`);
  await retryMigration(() => outbox.install(db.kysely, `${schema}_boss`), onWait);
  try {
    await boss.start();
    await createBossQueues(boss);
    isStarting = false;
  } catch (error) {
    await boss.stop({ graceful: false });
    throw error;
  }
  return { boss, outbox };
}

async function createBossQueues(boss: PgBoss): Promise<void> {
  const made = new Set((await boss.getQueues()).map(({ name }) => name));
  if (!made.has(DEAD))
    await boss.createQueue(DEAD, { retryLimit: 100, expireInSeconds: 60, deleteAfterSeconds: HOUR_S });
  for (const kind of ACTION_KINDS) if (!made.has(kind)) await boss.createQueue(kind, QUEUE_OPTIONS);
}

/** How long pg-boss waits for a lock in its migrations. Everybody who comes to the table later waits behind it. */
const BOSS_LOCK_TIMEOUT = /set local lock_timeout = \d+/i;

/**
 * Runs pg-boss's own statements. Some are whole transactions, so after a failure an open one is rolled back. `migrate`
 * runs those that wait for locks.
 */
const ownConnection = (db: Database, migrate: <T>(execute: () => Promise<T>) => Promise<T>) => {
  const execute = (sql: string, values?: unknown[]) =>
    db.kysely.connection().execute(async (connection) => {
      try {
        return { rows: await runSql(connection, sql, values) };
      } catch (error) {
        await runSql(connection, "rollback").catch(() => {});
        throw error;
      }
    });
  return {
    executeSql: (sql: string, values?: unknown[]) =>
      BOSS_LOCK_TIMEOUT.test(sql)
        ? migrate(() => execute(sql.replace(BOSS_LOCK_TIMEOUT, MIGRATION_TIMEOUTS), values))
        : execute(sql, values),
  };
};

/** Runs statements of pg-boss in a transaction of ours. */
export const inTransaction = (trx: Transaction<Tables>) => ({
  executeSql: async (sql: string, values?: unknown[]) => ({ rows: await runSql(trx, sql, values) }),
});

/** The same for statements whose result nobody needs. */
export const pipelined = (trx: Transaction<Tables>) => ({
  async executeSql(sql: string, values: unknown[] = []) {
    await runSqlPipelined(trx, sql, values);
    return { rows: [{ count: "0", ids: [] }] };
  },
});
