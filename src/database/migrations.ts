import { CompiledQuery, type Kysely, type Transaction } from "kysely";
import { NightshiftError } from "../errors.ts";
import type { Tables } from "./schema.ts";

export type Migrations = readonly (readonly string[])[];

/**
 * Each entry brings the tables from its index to the next version. Never edit one that was released: add another.
 * Only ever add: columns that may be null or have a default, tables, indexes. Nodes of the version before can then work
 * beside new ones, and something that is no longer used is dropped a version later.
 * Plain SQL that SQLite and Postgres both read. Partial indexes say `is not null` because SQLite can match that
 * to a query whose values are bound.
 */
export const MIGRATIONS: Migrations = [
  [
    `create table jobs (
      job_id text not null primary key,
      user_key text not null,
      user_id text not null,
      name text,
      kind text not null,
      status text not null,
      status_reason text,
      next_run_at bigint,
      after_job text,
      file text,
      digest text,
      created_at bigint not null,
      updated_at bigint not null,
      detail text not null,
      forgotten_until bigint,
      check (next_run_at is null or status = 'active')
    )`,
    "create index jobs_of_user on jobs (user_key, job_id)",
    "create index jobs_by_status on jobs (user_key, status, job_id)",
    "create index jobs_due on jobs (kind, next_run_at) where next_run_at is not null",
    "create index jobs_due_of_user on jobs (user_key, kind, next_run_at) where next_run_at is not null",
    "create index jobs_after on jobs (user_key, after_job) where after_job is not null",
    "create unique index jobs_file on jobs (user_key, file) where file is not null",
    `create table runs (
      run_id text not null primary key,
      job_id text not null references jobs (job_id),
      user_key text not null,
      kind text not null,
      triggered_by text not null,
      status text not null,
      occurrence bigint,
      scheduled_for bigint not null,
      due_at bigint,
      held_for bigint,
      lease_until bigint,
      worker_id text,
      host text,
      pid integer,
      attempt integer not null,
      coalesced integer not null,
      created_at bigint not null,
      started_at bigint,
      finished_at bigint,
      cancel_requested_at bigint,
      input_tokens bigint not null,
      output_tokens bigint not null,
      prompt text not null,
      output text,
      detail text not null,
      ticket text,
      check ((status = 'queued') = (due_at is not null or held_for is not null)),
      check ((status = 'running') = (lease_until is not null))
    )`,
    "create unique index runs_occurrence on runs (job_id, occurrence)",
    "create index runs_of_user on runs (user_key, run_id)",
    "create index runs_by_status on runs (user_key, status, run_id)",
    "create index runs_of_job on runs (user_key, job_id, run_id)",
    "create index runs_queued on runs (kind, due_at, run_id) where due_at is not null",
    "create index runs_queued_of_user on runs (user_key, kind, due_at, run_id) where due_at is not null",
    "create index runs_held on runs (job_id, held_for) where held_for is not null",
    "create index runs_open on runs (job_id, status) where finished_at is null",
    "create index runs_ended on runs (finished_at, run_id) where finished_at is not null",
    "create index runs_leased on runs (lease_until) where lease_until is not null",
    `create table transcripts (
      run_id text not null primary key references runs (run_id) on delete cascade,
      steps text not null
    )`,
    `create table job_counters (
      job_id text not null primary key references jobs (job_id) on delete cascade,
      user_key text not null,
      runs_started bigint not null,
      runs_succeeded bigint not null,
      runs_failed bigint not null,
      skipped bigint not null,
      missed bigint not null,
      dropped bigint not null,
      denied_calls bigint not null,
      consecutive_failures bigint not null,
      scheduled_runs bigint not null,
      last_run_id text
    )`,
    `create table turns (
      user_key text not null,
      kind text not null,
      turn_at bigint,
      turn_no bigint not null,
      primary key (user_key, kind)
    )`,
    "create index turns_due on turns (kind, turn_at, turn_no) where turn_at is not null",
    `create table api_keys (
      key_id text not null primary key,
      user_id text not null,
      hash text not null,
      scopes text not null,
      created_at bigint not null,
      expires_at bigint,
      revoked_at bigint
    )`,
    `create table daily_usage (
      user_key text not null,
      day text not null,
      runs bigint not null,
      tokens bigint not null,
      primary key (user_key, day)
    )`,
    `create table job_usage (
      job_id text not null primary key references jobs (job_id),
      user_key text not null,
      tokens bigint not null
    )`,
    "alter table jobs add column webhook_url text",
    `create table webhooks (
      user_key text not null primary key,
      url text,
      secret text not null,
      old_secret text,
      old_until bigint,
      turn_at bigint
    )`,
    "create index webhooks_turns on webhooks (turn_at) where turn_at is not null",
    `create table deliveries (
      delivery_id text not null primary key,
      run_id text not null references runs (run_id) on delete cascade,
      job_id text not null,
      user_key text not null,
      target text not null,
      status text not null,
      attempts integer not null,
      next_attempt_at bigint,
      host text,
      last_status integer,
      last_error text,
      created_at bigint not null,
      ended_at bigint,
      check ((status = 'pending') = (next_attempt_at is not null))
    )`,
    "create index deliveries_of_run on deliveries (run_id)",
    "create index deliveries_of_user on deliveries (user_key, status, delivery_id)",
    "create index deliveries_due on deliveries (user_key, next_attempt_at) where next_attempt_at is not null",
    `create table inbox (
      item_id text not null primary key,
      user_key text not null,
      kind text not null,
      run_id text references runs (run_id) on delete set null,
      job_id text not null,
      status text not null,
      note text,
      created_at bigint not null,
      read_at bigint
    )`,
    "create index inbox_of_user on inbox (user_key, item_id)",
    "create index inbox_unread on inbox (user_key, item_id) where read_at is null",
    "create unique index inbox_of_run on inbox (run_id) where run_id is not null",
    `create table moves (
      source text not null primary key,
      began_at bigint not null,
      finished_at bigint,
      sums text
    )`,
  ],
  [
    `create table user_settings (
      user_key text not null primary key,
      timezone text,
      updated_at bigint not null
    )`,
    "alter table jobs add column idempotency_key text",
    "create unique index jobs_of_key on jobs (user_key, idempotency_key) where idempotency_key is not null",
    "alter table runs add column resumed integer not null default 0",
    "alter table runs add column worked_ms bigint not null default 0",
    "alter table runs add column waiting_for text",
    "create index runs_waiting on runs (user_key, run_id) where waiting_for is not null",
    `create table run_steps (
      run_id text not null references runs (run_id) on delete cascade,
      step integer not null,
      key text not null,
      is_done integer not null,
      shown text,
      value text,
      at bigint not null,
      primary key (run_id, step)
    )`,
    "alter table deliveries add column waiting_for text",
    `create table approvals (
      job_id text not null references jobs (job_id) on delete cascade,
      user_key text not null,
      tool text not null,
      arguments_hash text not null,
      primary key (job_id, tool, arguments_hash)
    )`,
  ],
];

export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * The oldest version whose program may still work with these tables. Raise it with an entry that drops something or
 * gives it another meaning: older nodes must then be stopped before the first new one starts.
 */
const COMPATIBLE_FROM = 2;

export interface MigrateOptions {
  /** Default: this Nightshift's own. */
  readonly migrations?: Migrations;
  /** See COMPATIBLE_FROM. */
  readonly compatibleFrom?: number;
  /** Copies the file, which is of this version. Called before the first step, and not for an empty file. */
  readonly backUp?: (version: number) => Promise<void>;
  /** Keeps other processes from migrating until the transaction ends, where `begin` alone does not. */
  readonly lock?: (trx: Transaction<Tables>) => Promise<void>;
}

/**
 * Brings the database to the last version in one transaction: all of it or nothing, and a second process that starts
 * at the same time waits and finds it done. Leaves a newer one as it is. Rejects with DATA_UNAVAILABLE when a newer
 * Nightshift wrote it that an older one may not work beside.
 */
export async function migrate(
  db: Kysely<Tables>,
  now: number,
  { migrations = MIGRATIONS, compatibleFrom = COMPATIBLE_FROM, backUp, lock }: MigrateOptions = {},
): Promise<void> {
  const known = migrations.length;
  const isCurrent = ({ version, compatible_from }: TablesVersion) =>
    version === known || (version > known && compatible_from <= known);
  // The usual start: one read, no lock.
  if (isCurrent(await readVersion(db).catch(() => NO_TABLES))) return;
  await db.transaction().execute(async (trx) => {
    await lock?.(trx);
    const run = (sql: string) => trx.executeQuery(CompiledQuery.raw(sql));
    await run(
      `create table if not exists schema_version (
        version integer not null primary key, compatible_from integer not null, applied_at bigint not null)`,
    );
    const found = await readVersion(trx);
    if (isCurrent(found)) return;
    if (found.version > known) throw newerFile(found.version, known);
    // With the lock held, so that the copy is exactly the file that the steps begin with.
    if (found.version > 0) await backUp?.(found.version);
    for (let version = found.version; version < known; version++) {
      for (const sql of migrations[version] ?? []) await run(sql);
      await trx
        .insertInto("schema_version")
        .values({ version: version + 1, compatible_from: compatibleFrom, applied_at: now })
        .execute();
    }
  });
}

/** Throws DATA_UNAVAILABLE for tables of a newer Nightshift that this one may not work beside. */
export function assertKnown({ version, compatible_from }: TablesVersion): void {
  const known = MIGRATIONS.length;
  if (version > known && compatible_from > known) throw newerFile(version, known);
}

export type TablesVersion = Pick<Tables["schema_version"], "version" | "compatible_from">;
const NO_TABLES: TablesVersion = { version: 0, compatible_from: 0 };

async function readVersion(db: Kysely<Tables>): Promise<TablesVersion> {
  const row = await db
    .selectFrom("schema_version")
    .select(["version", "compatible_from"])
    .orderBy("version", "desc")
    .limit(1)
    .executeTakeFirst();
  return row ?? NO_TABLES;
}

const newerFile = (found: number, known: number): NightshiftError =>
  new NightshiftError(
    "DATA_UNAVAILABLE",
    `The jobs database was written by a newer Nightshift (version ${found} of its tables; this one knows ${known}). ` +
      "Update Nightshift, or use another data folder.",
    { found, known },
  );
