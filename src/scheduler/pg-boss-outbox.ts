import type { Kysely, Transaction } from "kysely";
import { MIGRATION_TIMEOUTS } from "../database/migration-lock.ts";
import type { Tables } from "../database/schema.ts";
import { runSql, runSqlPipelined } from "../database/sql.ts";

/*
 * The outbox to pg-boss: a row for each job and each queued run that has a due time, kept by triggers. So whoever sets a
 * time (a tool, the command line, a claim, a retry, an import) puts it here in the same transaction, and needs to know
 * of no queue. Rows are sent shortly before their time: pg-boss reads past everything it holds to find what is due, so
 * an occurrence that is a year ahead must not be in it.
 */

/** The data of a pg-boss job. `item` is the id of a job, or of a queued run. */
export interface Sent {
  readonly item: string;
  readonly jobId: string;
  readonly userKey: string;
  readonly kind: string;
  /** Epoch ms. */
  readonly dueAt: number;
  /** Fair order of users: lower ranks come first. */
  readonly rank: number;
}

/** Rows sent in one transaction. */
export const SEND_BATCH = 1_000;
/** How long after its due time an item that is neither here nor in pg-boss is sent again. */
const LOST_AFTER_MS = 60_000;

export type BossOutbox = ReturnType<typeof openOutbox>;

/** `jobs` is pg-boss's own table. */
export function openOutbox(schema: string, jobs: string) {
  /** One sender at a time, because each ranks its items behind those of the one before. */
  const lock = `select pg_advisory_xact_lock(hashtextextended('${schema} upcoming', 0))`;
  return {
    /** Makes the tables, the triggers and pg-boss's schema where they are missing. Other processes wait meanwhile. */
    async install(db: Kysely<Tables>, queueSchema: string): Promise<void> {
      const [found] = await runSql<{ is: boolean }>(
        db,
        `select to_regclass('${schema}.upcoming_ranks') is not null
          and to_regnamespace('${queueSchema}') is not null as is`,
      );
      if (found?.is) return;
      await db.transaction().execute(async (trx) => {
        await runSql(trx, MIGRATION_TIMEOUTS);
        await runSql(trx, lock);
        await runSql(trx, tables(schema));
        await runSql(
          trx,
          `do $$ begin if to_regnamespace('${queueSchema}') is null then create schema ${queueSchema}; end if; end $$`,
        );
      });
    },
    /** `waits`: something due by `dueBy` is to be sent. `ready`: the kinds of which pg-boss holds something due. */
    async look(db: Kysely<Tables>, kinds: readonly string[], dueBy: number) {
      const [row] = await runSql<{ waits: boolean; ready: string[] }>(
        db,
        `select exists (select from ${schema}.upcoming where due_at <= $1) as waits,
          array(select kind from unnest($2::text[]) kind where exists (
            select from ${jobs} where name = kind and state < 'active' and not blocked and start_after <= now()
          )) as ready`,
        [dueBy, kinds],
      );
      return row ?? { waits: false, ready: [] };
    },
    /** Takes a batch of what is due by `dueBy`, the earliest first, with its ranks. The caller sends it. */
    async take(trx: Transaction<Tables>, dueBy: number): Promise<Sent[]> {
      await runSqlPipelined(trx, lock, []);
      return runSql<Sent>(trx, takeSql(schema, jobs), [dueBy]);
    },
    /** Resets the ranks while nothing waits in pg-boss, and sends again what it has lost (its table was emptied). */
    async repair(trx: Transaction<Tables>, kinds: readonly string[], now: number): Promise<void> {
      await runSqlPipelined(trx, lock, []);
      const idle = `not exists (select from ${jobs} where state < 'active' and not blocked)`;
      await runSqlPipelined(trx, `delete from ${schema}.upcoming_ranks where ${idle}`, []);
      await runSqlPipelined(trx, repairSql(schema, jobs), [now - LOST_AFTER_MS, kinds]);
    },
  };
}

/**
 * Each user's items get consecutive ranks that begin at the rank pg-boss serves now, or behind the user's last. So users
 * are served in turn, however much one of them has due.
 */
const takeSql = (schema: string, jobs: string): string => `with taken as (
    delete from ${schema}.upcoming where item in (
      select item from ${schema}.upcoming where due_at <= $1
      order by due_at limit ${SEND_BATCH} for update skip locked
    ) returning *
  ), first_rank as (
    select kind, coalesce(
      (select -priority from ${jobs} where name = kinds.kind and state < 'active' and not blocked
        and start_after <= now() order by priority desc, created_on limit 1),
      (select max(rank) from ${schema}.upcoming_ranks ranks where ranks.kind = kinds.kind),
      0) as rank
    from (select distinct kind from taken) kinds
  ), ranked as (
    select taken.*, greatest(first_rank.rank, coalesce(ranks.rank + 1, 0)) - 1
      + row_number() over (partition by kind, user_key order by taken.due_at, taken.item) as rank
    from taken join first_rank using (kind) left join ${schema}.upcoming_ranks ranks using (kind, user_key)
  ), saved as (
    insert into ${schema}.upcoming_ranks select kind, user_key, max(rank) from ranked group by kind, user_key
    on conflict (kind, user_key) do update set rank = excluded.rank
  )
  select item, job_id as "jobId", user_key as "userKey", kind, due_at as "dueAt", rank
  from ranked order by due_at, item`;

function repairSql(schema: string, jobs: string): string {
  const lost = (table: string, item: string, at: string) =>
    `select ${item}, job_id, user_key, kind, ${at} from ${schema}.${table}
      where kind = any($2::text[]) and ${at} <= $1 and not exists (
        select from ${jobs} q where q.name = ${table}.kind and q.state = 'created' and q.policy = 'short'
          and coalesce(q.singleton_key, '') = ${table}.${item} || '@' || ${table}.${at}
      )`;
  return `insert into ${schema}.upcoming (item, job_id, user_key, kind, due_at)
    ${lost("jobs", "job_id", "next_run_at")} union all ${lost("runs", "run_id", "due_at")}
    limit ${SEND_BATCH} on conflict do nothing`;
}

/** The singleton key, under which pg-boss takes an item at a time only once. */
export const singletonKey = ({ item, dueAt }: Pick<Sent, "item" | "dueAt">): string => `${item}@${dueAt}`;

const tables = (schema: string): string => `
  create table if not exists ${schema}.upcoming (
    item text not null primary key,
    job_id text not null,
    user_key text not null,
    kind text not null,
    due_at bigint not null
  );
  create index if not exists upcoming_due on ${schema}.upcoming (due_at);
  create table if not exists ${schema}.upcoming_ranks (
    kind text not null,
    user_key text not null,
    rank bigint not null,
    primary key (kind, user_key)
  );
  create index if not exists upcoming_ranks_last on ${schema}.upcoming_ranks (kind, rank);
  ${trigger(schema, "jobs", "job_id", "next_run_at")}
  ${trigger(schema, "runs", "run_id", "due_at")}
`;

const trigger = (schema: string, table: string, item: string, at: string): string => `
  create or replace function ${schema}.${table}_upcoming() returns trigger language plpgsql as $$
  begin
    if new.${at} is null then
      delete from ${schema}.upcoming where item = new.${item};
    else
      insert into ${schema}.upcoming (item, job_id, user_key, kind, due_at)
      values (new.${item}, new.job_id, new.user_key, new.kind, new.${at})
      on conflict (item) do update set kind = excluded.kind, due_at = excluded.due_at;
    end if;
    return null;
  end $$;
  create or replace trigger ${table}_upcoming_new after insert on ${schema}.${table}
    for each row when (new.${at} is not null) execute function ${schema}.${table}_upcoming();
  create or replace trigger ${table}_upcoming_changed after update of ${at}, kind on ${schema}.${table}
    for each row when (old.${at} is distinct from new.${at} or old.kind is distinct from new.kind)
    execute function ${schema}.${table}_upcoming();
  insert into ${schema}.upcoming (item, job_id, user_key, kind, due_at)
    select ${item}, job_id, user_key, kind, ${at} from ${schema}.${table} where ${at} is not null
    on conflict do nothing;
`;
