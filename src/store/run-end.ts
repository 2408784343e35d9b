import type { Transaction } from "kysely";
import { sendPipelined } from "../database/later.ts";
import { readDetail } from "../database/run-row.ts";
import type { RunRow, Tables } from "../database/schema.ts";
import { addInboxItem } from "../inbox/add-item.ts";
import { DEFAULT_RETENTION, type Retention } from "../inbox/item.ts";
import { type EndStatus, NEXT_STATUSES, type Outcome, type Run, type RunStatus } from "../jobs/run.ts";
import { applyResult } from "../runs/settle.ts";
import { queueDeliveries } from "../webhooks/enqueue-delivery.ts";

/** Only the parts that a run can have that never started: nothing was said and nothing was spent. */
export function emptyOutcome(status: EndStatus, statusReason: string | null): Outcome {
  return {
    status,
    statusReason,
    output: null,
    error: null,
    transcript: [],
    usage: { input_tokens: 0, output_tokens: 0 },
  };
}

/** The columns of a run that has ended so. For rows that are born ended and for `endRun`. */
export function endedColumns(row: Pick<RunRow, "detail">, outcome: Outcome, now: number) {
  const before = readDetail(row.detail);
  const { error, silent = false } = outcome;
  // Whoever had it cancelled may have said why.
  const statusReason = outcome.statusReason ?? before.statusReason;
  return {
    status: outcome.status,
    due_at: null,
    held_for: null,
    lease_until: null,
    finished_at: now,
    output: outcome.output,
    input_tokens: outcome.usage.input_tokens,
    output_tokens: outcome.usage.output_tokens,
    detail: JSON.stringify({ ...before, statusReason, error, silent }),
  };
}

/** A run whose end its owner was told of: where it is told while they are there. */
export interface InboxAdded extends Pick<Run, "userKey" | "runId" | "jobId"> {
  readonly status: EndStatus;
  /** The thread that scheduled its job. */
  readonly threadId: string | null;
}

export interface EndOptions {
  /** Whether the run that waits behind this one may start; default true. */
  readonly startsNext?: boolean;
  /** How long what it came to stays in its owner's inbox. */
  readonly retention?: Retention;
  /** Called when it was put into the inbox, within the transaction. */
  readonly onInboxAdded?: (delivered: InboxAdded) => void;
}

const inboxAddedOf = (row: RunRow, { status }: Outcome): InboxAdded => ({
  userKey: row.user_key,
  runId: row.run_id,
  jobId: row.job_id,
  status,
  threadId: readDetail(row.detail).threadId,
});

/**
 * The one function that ends a stored run. False, and nothing written, when the run is in none of the states from
 * which NEXT_STATUSES leads to that end, or not in `from`: so an end is written once, whoever comes second (nobody
 * else writes to its user's runs meanwhile).
 * What follows from the end is part of it: see `applyResult`, `addInboxItem` and `queueDeliveries`.
 */
export async function endRun(
  trx: Transaction<Tables>,
  runId: string,
  from: "queued" | "running",
  outcome: Outcome,
  now: number,
  { startsNext, retention = DEFAULT_RETENTION, onInboxAdded }: EndOptions = {},
): Promise<boolean> {
  const next: readonly RunStatus[] = NEXT_STATUSES[from];
  if (!next.includes(outcome.status)) return false;
  const row = await trx
    .selectFrom("runs")
    .innerJoin("jobs", "jobs.job_id", "runs.job_id")
    .leftJoin("webhooks", "webhooks.user_key", "runs.user_key")
    .selectAll("runs")
    .select(["jobs.webhook_url as job_webhook", "webhooks.url as user_webhook"])
    .where("runs.run_id", "=", runId)
    .where("runs.status", "=", from)
    .executeTakeFirst();
  if (!row) return false;
  const ended = trx
    .updateTable("runs")
    .set(endedColumns(row, outcome, now))
    .where("run_id", "=", runId);
  await sendPipelined(trx, ended);
  if (outcome.transcript.length > 0) {
    const steps = JSON.stringify(outcome.transcript);
    await sendPipelined(trx, trx.insertInto("transcripts").values({ run_id: runId, steps }));
  }
  const { isRetried, notice } = await applyResult(trx, row, outcome, now, startsNext);
  // Told once, of the last attempt.
  if (isRetried) return true;
  if (await addInboxItem(trx, row, outcome, { notice, retention, now }))
    onInboxAdded?.(inboxAddedOf(row, outcome));
  await queueDeliveries(trx, row, outcome, now);
  return true;
}
