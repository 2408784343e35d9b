import type { Transaction } from "kysely";
import type { PgBoss } from "pg-boss";
import type { Database } from "../database/database.ts";
import type { Tables } from "../database/schema.ts";
import { runSql, runSqlPipelined } from "../database/sql.ts";
import type { Action } from "../jobs/job.ts";
import type { Log } from "../log.ts";
import { type BossOutbox, openOutbox } from "./pg-boss-outbox.ts";

/** A queue for each kind of action: a node fetches only what it is able to run. */
export const KINDS = ["tool", "prompt", "code"] as const satisfies readonly Action["kind"][];
/** Of the occurrences whose node fell silent. */
export const DEAD = "dead";
const HOUR_S = 3_600;
const QUEUE = {
  // An occurrence waits once; one that is at work doesn't keep its job from being given the same time again.
  policy: "short",
  // Retries are runs of their own.
  retryLimit: 0,
  deadLetter: DEAD,
  // A run's own limits end it; this is for one that beats and never ends.
  expireInSeconds: 24 * HOUR_S,
  // What nobody could run is not forgotten: there may be no node yet that is able to.
  retentionSeconds: 50 * 365 * 24 * HOUR_S,
  deleteAfterSeconds: HOUR_S,
  warningQueueSize: 1_000_000,
} as const;
/** How often one of the nodes looks for silent ones. */
const MONITOR_S = 5;

/** Starts pg-boss in a schema of its own, made when absent, over the connections of `db`. */
export async function startBoss(db: Database, log: Log): Promise<{ boss: PgBoss; outbox: BossOutbox }> {
  const { PgBoss } = await import("pg-boss");
  const [here] = await runSql<{ schema: string }>(db.kysely, "select current_schema() as schema");
  const schema = here?.schema ?? "nightshift";
  const boss = new PgBoss({
    db: ownConnection(db),
    schema: `${schema}_boss`,
    createSchema: false,
    schedule: false,
    flowIntervalSeconds: HOUR_S,
    superviseIntervalSeconds: MONITOR_S,
    monitorIntervalSeconds: MONITOR_S,
    maintenanceIntervalSeconds: HOUR_S,
  });
  boss.on("error", (error) => log.warn({ err: error }, "pg-boss could not do its upkeep; it tries again"));
  boss.on("warning", ({ message }) => log.warn({ reason: message }, "pg-boss has a warning"));
  const outbox = openOutbox(schema, `${schema}_boss.job`);
  await outbox.install(db.kysely, `${schema}_boss`);
  try {
    await boss.start();
    await createQueues(boss);
  } catch (error) {
    await boss.stop({ graceful: false });
    throw error;
  }
  return { boss, outbox };
}

async function createQueues(boss: PgBoss): Promise<void> {
  const made = new Set((await boss.getQueues()).map(({ name }) => name));
  if (!made.has(DEAD))
    await boss.createQueue(DEAD, { retryLimit: 100, expireInSeconds: 60, deleteAfterSeconds: HOUR_S });
  for (const kind of KINDS) if (!made.has(kind)) await boss.createQueue(kind, QUEUE);
}

/** pg-boss's own statements, some of which are whole transactions: one that fails leaves none of it open. */
const ownConnection = (db: Database) => ({
  executeSql: (sql: string, values?: unknown[]) =>
    db.kysely.connection().execute(async (connection) => {
      try {
        return { rows: await runSql(connection, sql, values) };
      } catch (error) {
        await runSql(connection, "rollback").catch(() => {});
        throw error;
      }
    }),
});

/** Statements of pg-boss in a transaction of ours. */
export const inTransaction = (trx: Transaction<Tables>) => ({
  executeSql: async (sql: string, values?: unknown[]) => ({ rows: await runSql(trx, sql, values) }),
});

/** Those whose answer nobody needs. */
export const pipelined = (trx: Transaction<Tables>) => ({
  async executeSql(sql: string, values: unknown[] = []) {
    await runSqlPipelined(trx, sql, values);
    return { rows: [{ count: "0", ids: [] }] };
  },
});
