import type { Transaction } from "kysely";
import type { JobRow, Tables } from "../database/schema.ts";
import { cancelQueuedRuns } from "../runs/waiting.ts";
import { pauseFollowers } from "./chain.ts";
import { sameTimes } from "./change.ts";
import type { Job } from "./job.ts";
import { readJob } from "./row.ts";
import type { FolderJob } from "./store.ts";
import { nextTime, startOf } from "./times.ts";
import { bornJob, insertJob, type Owner, rewriteJob } from "./write.ts";

export interface SyncResult {
  created: number;
  changed: number;
  removed: number;
}

/** See JobBook.syncFolder. */
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
  for (const file of files) {
    const row = rows.get(file.file);
    if (!row) {
      const job = bornJob({ ...file.job, origin: { kind: "folder", file: file.file } }, owner, now);
      await insertJob(trx, job, file.digest);
      result.created++;
    } else if (row.digest !== file.digest || row.status === "cancelled") {
      await rewriteJob(trx, rewritten(readJob(row), file, now), file.digest);
      result.changed++;
    }
  }
  const present = new Set([...files.map(({ file }) => file), ...keep]);
  for (const row of stored) {
    if (present.has(row.file ?? "") || row.status === "cancelled") continue;
    await remove(trx, row, now);
    result.removed++;
  }
  return result;
}

/** The stored job as its file is now. What the file can't know is kept: id, dates, a pause, what was missed. */
function rewritten(job: Job, { file, job: described }: FolderJob, now: number): Job {
  const keepsTimes = sameTimes(job, { policy: job.policy, ...described });
  const schedule = keepsTimes ? job.schedule : described.schedule;
  const base: Job = { ...job, ...described, schedule, origin: { kind: "folder", file }, updatedAt: now };
  if (job.status === "paused") return { ...base, nextRunAt: null };
  if (keepsTimes && job.status !== "cancelled") return { ...base, nextRunAt: job.nextRunAt };
  const next = nextTime(base, now);
  return next === null
    ? { ...base, nextRunAt: null, status: "completed", statusReason: "The time in its file has passed." }
    : { ...base, nextRunAt: startOf(job.jobId, base, next), status: "active", statusReason: null };
}

async function remove(trx: Transaction<Tables>, row: JobRow, now: number): Promise<void> {
  await trx
    .updateTable("jobs")
    .set({
      status: "cancelled",
      status_reason: "Its file is gone from the jobs folder.",
      next_run_at: null,
      updated_at: now,
    })
    .where("job_id", "=", row.job_id)
    .where("user_key", "=", row.user_key)
    .execute();
  await cancelQueuedRuns(trx, row.job_id, now);
  await pauseFollowers(trx, { jobId: row.job_id, userKey: row.user_key }, now);
}
