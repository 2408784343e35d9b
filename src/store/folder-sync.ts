import type { Transaction } from "kysely";
import type { JobRow, Tables } from "../database/schema.ts";
import type { FolderJob, NewJob } from "../jobs/contracts.ts";
import { dependenciesFirst } from "../jobs/dependencies.ts";
import type { Job } from "../jobs/job.ts";
import { hasTimeLeft, nextTime, sameTimes, startOf } from "../jobs/schedule.ts";
import { DEPENDENCY_CANCELLED, pauseDependents } from "./job-dependencies.ts";
import { insertJob, newJob, type Owner, rewriteJob, tryReadJob } from "./job-rows.ts";
import { cancelQueuedRuns } from "./run-end.ts";

export interface SyncResult {
  created: number;
  changed: number;
  removed: number;
}

/** See JobStore.syncFolder. */
export async function syncFolder(
  trx: Transaction<Tables>,
  owner: Owner,
  { files, keep }: { files: readonly FolderJob[]; keep: readonly string[] },
  now: number,
): Promise<SyncResult> {
  const result: SyncResult = { created: 0, changed: 0, removed: 0 };
  const stored = await trx
    .selectFrom("jobs")
    .selectAll()
    .where("user_key", "=", owner.userKey)
    .where("file", "is not", null)
    .execute();
  const rows = new Map(stored.map((row) => [row.file, row]));
  const idOf = new Map(stored.map((row) => [row.file, row.job_id]));
  for (const file of dependenciesFirst(files)) {
    const row = rows.get(file.file);
    const described: NewJob = { ...withDependency(file, idOf), origin: { kind: "folder", file: file.file } };
    if (!row) {
      const job = newJob(described, owner, now);
      await insertJob(trx, job, file.digest);
      idOf.set(file.file, job.jobId);
      result.created++;
    } else if (row.digest !== file.digest || isGone(row)) {
      const before = tryReadJob(row);
      // A damaged job is made anew from its file, under the id that it has.
      const job = before
        ? mergeFile(before, described, { wasGone: isGone(row), pausedFor: pauseOf(row), now })
        : newJob(described, owner, now, row.job_id);
      await rewriteJob(trx, job, file.digest);
      result.changed++;
    }
  }
  const present = new Set([...files.map(({ file }) => file), ...keep]);
  for (const row of stored) {
    if (present.has(row.file ?? "") || row.status === "cancelled") continue;
    await cancelMissing(trx, row, now);
    result.removed++;
  }
  return result;
}

/** The job of a file, with the file that it runs after replaced by that job's id. */
function withDependency({ job }: FolderJob, idOf: ReadonlyMap<string | null, string>): FolderJob["job"] {
  const { schedule } = job;
  if (schedule.kind !== "after") return job;
  return { ...job, schedule: { kind: "after", jobId: idOf.get(schedule.jobId) ?? schedule.jobId } };
}

/** Its file was missing, or the file that it runs after: once both are back, the job starts again as new. */
const isGone = ({ status, status_reason }: JobRow): boolean =>
  status === "cancelled" || (status === "paused" && status_reason === DEPENDENCY_CANCELLED);

const GONE = "Its file is gone from the jobs folder.";
/** Followed by the reason of the pause, which holds again when the file is back. */
const GONE_WHILE_PAUSED = "Its file is gone from the jobs folder; it was paused before: ";

/** The reason of a person's pause before the file went away; undefined when there was none. */
const pauseOf = ({ status, status_reason: reason }: JobRow): string | undefined =>
  status === "cancelled" && reason?.startsWith(GONE_WHILE_PAUSED)
    ? reason.slice(GONE_WHILE_PAUSED.length)
    : undefined;

interface Absence {
  readonly wasGone: boolean;
  readonly pausedFor: string | undefined;
  readonly now: number;
}

/** The stored job, changed to what its file says now. It keeps its id, dates, a pause, and a time it has missed. */
function mergeFile(job: Job, described: NewJob, { wasGone, pausedFor, now }: Absence): Job {
  const keepsTimes = sameTimes(job, { policy: job.policy, ...described });
  const schedule = keepsTimes ? job.schedule : described.schedule;
  const base: Job = { ...job, ...described, schedule, updatedAt: now };
  if (job.status === "paused" && !wasGone) return { ...base, nextRunAt: null };
  if (pausedFor !== undefined)
    return { ...base, nextRunAt: null, status: "paused", statusReason: pausedFor || null };
  if (keepsTimes && !wasGone) return { ...base, nextRunAt: job.nextRunAt };
  if (!hasTimeLeft(base, now))
    return {
      ...base,
      nextRunAt: null,
      status: "completed",
      statusReason: "The time in its file has passed.",
    };
  const next = nextTime(base, now);
  const nextRunAt = next === null ? null : startOf(job.jobId, base, next);
  return { ...base, nextRunAt, status: "active", statusReason: null };
}

async function cancelMissing(trx: Transaction<Tables>, row: JobRow, now: number): Promise<void> {
  const isPaused = row.status === "paused" && row.status_reason !== DEPENDENCY_CANCELLED;
  await trx
    .updateTable("jobs")
    .set({
      status: "cancelled",
      status_reason: isPaused ? GONE_WHILE_PAUSED + (row.status_reason ?? "") : GONE,
      next_run_at: null,
      updated_at: now,
    })
    .where("job_id", "=", row.job_id)
    .where("user_key", "=", row.user_key)
    .execute();
  await cancelQueuedRuns(trx, row.job_id, now);
  await pauseDependents(trx, { jobId: row.job_id, userKey: row.user_key }, now);
}
