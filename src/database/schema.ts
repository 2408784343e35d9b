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

/** A column for each thing that is searched, ordered or guarded; `detail` is JSON for the rest. Times are epoch ms. */
export interface JobRow {
  job_id: string;
  user_key: string;
  user_id: string;
  name: string | null;
  /** The action's kind: a process claims only what it is able to run. */
  kind: string;
  status: JobStatus;
  status_reason: string | null;
  /** Set only while `status` is active, so that the index of what is due holds nothing else. */
  next_run_at: number | null;
  /** Set for jobs that run after another one. */
  after_job: string | null;
  /** Set for jobs of the jobs folder. */
  file: string | null;
  digest: string | null;
  created_at: number;
  updated_at: number;
  detail: string;
  /** Runs of occurrences up to here may have been deleted: none of these is run any more. See runs/retention.ts. */
  forgotten_until: number | null;
  /** Where the ends of its runs are told, besides the user's own webhook. */
  webhook_url: string | null;
}

export interface RunRow {
  run_id: string;
  job_id: string;
  user_key: string;
  kind: string;
  triggered_by: Run["trigger"];
  status: RunStatus;
  /** The scheduled time that this run uses up: unique within its job. Null for runs outside the schedule. */
  occurrence: number | null;
  scheduled_for: number;
  /** Set while `queued`, unless the run is held: the earliest start. */
  due_at: number | null;
  /** Set while `queued` behind another run of its job: the time it is for, which is its place in the line. */
  held_for: number | null;
  /** Set exactly while `running`: silence beyond it counts as death. */
  lease_until: number | null;
  worker_id: string | null;
  host: string | null;
  pid: number | null;
  /** What the queue knew it by when it was started; null where no queue hands out the work. */
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

/** Apart from the runs: lists of runs then don't read past them, and they can be dropped first. */
export interface TranscriptRow {
  run_id: string;
  /** JSON array of TranscriptStep. */
  steps: string;
}

/** What a user's ghosts used on one day (UTC, `YYYY-MM-DD`). */
export interface DailyUsageRow {
  user_key: string;
  day: string;
  runs: number;
  tokens: number;
}

/** What became of a job's runs: beside the job, because it changes with every one of them. */
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

/** When a user is next to be served, for each kind of action: see runs/turns.ts. */
export interface TurnRow {
  user_key: string;
  kind: string;
  turn_at: number | null;
  turn_no: number;
}

/** What all runs of a job have used: kept apart from the runs, which may be deleted. */
export interface JobUsageRow {
  job_id: string;
  user_key: string;
  tokens: number;
}

/** Of a user who has a webhook, or had one, or whose job has one. Times are epoch ms. */
export interface WebhookRow {
  user_key: string;
  /** Where the ends of all the user's runs are told. */
  url: string | null;
  secret: string;
  /** The secret before the last rotation: signs too, until `old_until`. */
  old_secret: string | null;
  old_until: number | null;
  /** When the user's deliveries are to be looked at: never later than the earliest of them is due. */
  turn_at: number | null;
}

/** The end of a run on its way to a webhook. Times are epoch ms. */
export interface DeliveryRow {
  /** The message id that the receiver sees, the same on every attempt. */
  delivery_id: string;
  run_id: string;
  job_id: string;
  user_key: string;
  /** Whose webhook; the URL is looked up when it is sent. */
  target: "user" | "job";
  status: DeliveryStatus;
  /** Begun ones count. While one is at work the number is its claim: see webhooks/outbox.ts. */
  attempts: number;
  /** Set exactly while `pending`; while an attempt is at work, the end of its lease. */
  next_attempt_at: number | null;
  /** Of the last attempt: the URL's path may be a secret. */
  host: string | null;
  last_status: number | null;
  last_error: string | null;
  created_at: number;
  ended_at: number | null;
}

/** What a run came to, for its owner to read: what it said is read from the run. Times are epoch ms. */
export interface InboxRow {
  item_id: string;
  user_key: string;
  kind: ItemKind;
  /** Null when the run is no longer kept. */
  run_id: string | null;
  job_id: string;
  status: EndStatus;
  /** A sentence about the job, beside what the run says. */
  note: string | null;
  created_at: number;
  read_at: number | null;
}

/** A data folder that was moved into this database. Times are epoch ms. */
export interface MoveRow {
  /** See move/source.ts. */
  source: string;
  began_at: number;
  /** While it is null only `move` goes on with this database. */
  finished_at: number | null;
  /** JSON of what each table came to. */
  sums: string | null;
}

export interface Tables {
  jobs: Omit<JobRow, "forgotten_until"> & {
    forgotten_until: ColumnType<number | null, undefined, number>;
  };
  runs: RunRow;
  transcripts: TranscriptRow;
  api_keys: KeyRow;
  daily_usage: DailyUsageRow;
  job_counters: CountersRow;
  turns: TurnRow;
  job_usage: JobUsageRow;
  webhooks: WebhookRow;
  deliveries: DeliveryRow;
  inbox: InboxRow;
  moves: MoveRow;
  schema_version: { version: number; compatible_from: number; applied_at: number };
}
