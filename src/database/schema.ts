import type { ColumnType } from "kysely";
import type { DeliveryStatus } from "../jobs/delivery.ts";
import type { ItemKind } from "../jobs/inbox-item.ts";
import type { JobStatus } from "../jobs/job.ts";
import type { EndStatus, Run, RunStatus } from "../jobs/run.ts";

/** An API key: its secret is stored as a hash. Times are epoch ms; scopes are separated by spaces. */
export interface KeyRow {
  key_id: string;
  user_id: string;
  hash: string;
  scopes: string;
  created_at: number;
  expires_at: number | null;
  revoked_at: number | null;
}

/** A column for each field that a query uses; `detail` is JSON of the rest. Times are epoch ms. */
export interface JobRow {
  job_id: string;
  user_key: string;
  user_id: string;
  name: string | null;
  /** The action's kind: a process claims only the kinds that it is able to run. */
  kind: string;
  status: JobStatus;
  status_reason: string | null;
  /** Set only while `status` is active, so that the index of due jobs holds no others. */
  next_run_at: number | null;
  /** Set for jobs that run after another one. */
  after_job: string | null;
  /** Set for jobs of the jobs folder. */
  file: string | null;
  digest: string | null;
  created_at: number;
  updated_at: number;
  detail: string;
  /** Runs of occurrences up to this time may have been deleted, so none of them is run again. See store/retention.ts. */
  forgotten_until: number | null;
  /** Receives the ends of its runs, in addition to the user's own webhook. */
  webhook_url: string | null;
  /** Given by the program that made it: the same key makes no second job. */
  idempotency_key: string | null;
}

export interface RunRow {
  run_id: string;
  job_id: string;
  user_key: string;
  kind: string;
  triggered_by: Run["trigger"];
  status: RunStatus;
  /** The scheduled time that this run is for, unique within its job. Null for runs outside the schedule. */
  occurrence: number | null;
  scheduled_for: number;
  /** Set while `queued`, unless the run is held: the earliest start. */
  due_at: number | null;
  /** Set while `queued` behind another run of its job: its scheduled time, by which held runs are ordered. */
  held_for: number | null;
  /** Set exactly while `running`. The run counts as lost when it is over. */
  lease_until: number | null;
  worker_id: string | null;
  host: string | null;
  pid: number | null;
  /** How often it was interrupted and queued again. It tells the claims of one run apart. */
  resumed: number;
  /** Ms that it had a thread, as far as its journal tells; 0 for a run without one. */
  worked_ms: number;
  /** JSON of WaitingFor. Set only while `queued`: `due_at` is then the time until which it waits. */
  waiting_for: string | null;
  /** The id that an external queue had for it when it started. Null without such a queue. */
  ticket: string | null;
  attempt: number;
  coalesced: number;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
  cancel_requested_at: number | null;
  input_tokens: number;
  output_tokens: number;
  prompt: string;
  output: string | null;
  detail: string;
}

/**
 * One thing that a run did, kept from when it happens until the run ends, so that the run can go on from it in another
 * process. The shown ones become the transcript.
 */
export interface RunStepRow {
  run_id: string;
  step: number;
  /** Who asked for it, the same in each process: see ghost/journal.ts. */
  key: string;
  /** 0: it was begun, and what came of it is not known. */
  is_done: number;
  /** JSON of the TranscriptStep; null for what is not shown. */
  shown: string | null;
  /** JSON of what the ghost was answered. */
  value: string | null;
  at: number;
}

/** A table of its own, so that lists of runs need not read past transcripts, and transcripts can be deleted first. */
interface TranscriptRow {
  run_id: string;
  /** JSON array of TranscriptStep. */
  steps: string;
}

/** Runs and tokens of a user's ghosts on one day (UTC, `YYYY-MM-DD`). */
interface DailyUsageRow {
  user_key: string;
  day: string;
  runs: number;
  tokens: number;
}

/** Counts of a job's runs. Not in the job's row, because they change with every run. */
export interface CountersRow {
  job_id: string;
  user_key: string;
  runs_started: number;
  runs_succeeded: number;
  runs_failed: number;
  skipped: number;
  missed: number;
  dropped: number;
  denied_calls: number;
  consecutive_failures: number;
  scheduled_runs: number;
  last_run_id: string | null;
}

/** The time to look at a user next, for each kind of action. See store/fair-order.ts. */
export interface TurnRow {
  user_key: string;
  kind: string;
  turn_at: number | null;
  turn_no: number;
}

/** Tokens of all runs of a job. Apart from the runs, which may be deleted. */
interface JobUsageRow {
  job_id: string;
  user_key: string;
  tokens: number;
}

/** A user who has or had a webhook, or whose job has one. Times are epoch ms. */
export interface WebhookRow {
  user_key: string;
  /** Receives the ends of all the user's runs. */
  url: string | null;
  secret: string;
  /** The secret before the last rotation. It signs too, until `old_until`. */
  old_secret: string | null;
  old_until: number | null;
  /** When to look at the user's deliveries next: never later than the earliest of them is due. */
  turn_at: number | null;
}

/** The end of a run on its way to a webhook. Times are epoch ms. */
export interface DeliveryRow {
  /** The message id that the receiver sees. It is the same on every attempt. */
  delivery_id: string;
  run_id: string;
  job_id: string;
  user_key: string;
  /** The webhook of the user or of the job. Its URL is read when the message is sent. */
  target: "user" | "job";
  status: DeliveryStatus;
  /** Attempts that were begun. While one is under way, the number is its claim: see webhooks/outbox.ts. */
  attempts: number;
  /** Set exactly while `pending`. While an attempt is under way, the end of its lease. */
  next_attempt_at: number | null;
  /** The host of the last attempt. Not the URL, whose path may be a secret. */
  host: string | null;
  last_status: number | null;
  last_error: string | null;
  created_at: number;
  ended_at: number | null;
  /** JSON of WaitingFor where the message tells that the run waits; null where it tells of its end. */
  waiting_for: string | null;
}

/** A call that the owner of a job approved of once and for all its runs. */
interface ApprovalRow {
  job_id: string;
  user_key: string;
  tool: string;
  /** Hash of the arguments; empty: any. */
  arguments_hash: string;
}

/** The end of a run, for its owner to read. The output is read from the run. Times are epoch ms. */
export interface InboxRow {
  item_id: string;
  user_key: string;
  kind: ItemKind;
  /** Null when the run was deleted. */
  run_id: string | null;
  job_id: string;
  status: EndStatus | "waiting";
  /** A sentence about the job, or what it waits for, shown with the output of the run. */
  note: string | null;
  created_at: number;
  read_at: number | null;
}

/** A data folder that was moved into this database. Times are epoch ms. */
interface MoveRow {
  /** See move/source.ts. */
  source: string;
  began_at: number;
  /** While it is null, only `move` may use this database. */
  finished_at: number | null;
  /** JSON of the row count and checksum of each table. */
  sums: string | null;
}

/** What a user has set. */
interface UserSettingsRow {
  user_key: string;
  /** IANA name. Null: none was set. */
  timezone: string | null;
  updated_at: number;
}

export interface Tables {
  jobs: Omit<JobRow, "forgotten_until" | "idempotency_key"> & {
    forgotten_until: ColumnType<number | null, undefined, number>;
    idempotency_key: ColumnType<string | null, string | null | undefined, never>;
  };
  runs: RunRow;
  transcripts: TranscriptRow;
  run_steps: RunStepRow;
  approvals: ApprovalRow;
  api_keys: KeyRow;
  daily_usage: DailyUsageRow;
  job_counters: CountersRow;
  turns: TurnRow;
  job_usage: JobUsageRow;
  webhooks: WebhookRow;
  deliveries: DeliveryRow;
  inbox: InboxRow;
  moves: MoveRow;
  user_settings: UserSettingsRow;
  schema_version: { version: number; compatible_from: number; applied_at: number };
}
