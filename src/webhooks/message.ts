import type { Transaction } from "kysely";
import { readRunSummary } from "../database/run-row.ts";
import type { DeliveryRow, Tables } from "../database/schema.ts";
import { ghostSessionId } from "../jobs/job.ts";
import type { RunError, RunStatus } from "../jobs/run.ts";

/** What a receiver is sent, as JSON: the shape that Standard Webhooks recommends. Times are ISO 8601. */
export interface Message {
  readonly type: `run.${RunStatus}` | "webhook.test";
  /** When it happened, not when it is sent. */
  readonly timestamp: string;
  readonly data: RunEnd | { readonly text: string };
}

interface RunEnd {
  readonly run_id: string;
  readonly job_id: string;
  readonly job_name: string | null;
  readonly ghost_session_id: string;
  readonly status: RunStatus;
  readonly trigger: string;
  readonly attempt: number;
  readonly scheduled_for: string;
  readonly started_at: string | null;
  readonly finished_at: string;
  /** Cut at MAX_OUTPUT_CHARS; `output_chars` says how long it was. */
  readonly output: string | null;
  readonly output_chars: number;
  readonly error: RunError | null;
}

export const MAX_OUTPUT_CHARS = 32_000;

const iso = (ms: number): string => new Date(ms).toISOString();

/** The message of a delivery, and the URL that its job has now. */
export async function readMessage(
  trx: Transaction<Tables>,
  { run_id, job_id, created_at }: Pick<DeliveryRow, "run_id" | "job_id" | "created_at">,
): Promise<{ message: Message; jobUrl: string | null }> {
  // There as long as the delivery is: the tables hold on to each other.
  const row = await trx.selectFrom("runs").selectAll().where("run_id", "=", run_id).executeTakeFirstOrThrow();
  const job = await trx
    .selectFrom("jobs")
    .select(["name", "webhook_url"])
    .where("job_id", "=", job_id)
    .executeTakeFirst();
  const run = readRunSummary(row);
  const finishedAt = iso(run.finishedAt ?? created_at);
  const data: RunEnd = {
    run_id,
    job_id,
    job_name: job?.name ?? null,
    ghost_session_id: ghostSessionId(job_id),
    status: run.status,
    trigger: run.trigger,
    attempt: run.attempt,
    scheduled_for: iso(run.scheduledFor),
    started_at: run.startedAt === null ? null : iso(run.startedAt),
    finished_at: finishedAt,
    output: run.output === null ? null : run.output.slice(0, MAX_OUTPUT_CHARS),
    output_chars: run.output?.length ?? 0,
    error: run.error,
  };
  return {
    message: { type: `run.${run.status}`, timestamp: finishedAt, data },
    jobUrl: job?.webhook_url ?? null,
  };
}
