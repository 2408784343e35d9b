import { NightshiftError } from "../errors.ts";
import type { JobChange } from "./contracts.ts";
import { type Job, type JobStatus, NEXT_JOB_STATUSES } from "./job.ts";
import { nextTime, startOf, type Timing } from "./times.ts";

/** `job` after `change`, with the status and the next time that follow from it. Throws JOB_STATE, see JobStore.update. */
export function applyChange(job: Job, change: JobChange, now: number): Job {
  const status = change.status ?? job.status;
  checkStep(job, status);
  const merged: Job = {
    ...job,
    ...change,
    statusReason: change.statusReason ?? (status === job.status ? job.statusReason : null),
    updatedAt: now,
  };
  if (status !== "active") return { ...merged, nextRunAt: null };
  const nextRunAt = nextRunOf(job, change, merged, now);
  if (nextRunAt === null && merged.schedule.kind !== "after") throw noTimeLeft(job);
  return { ...merged, nextRunAt };
}

function nextRunOf(job: Job, change: JobChange, merged: Job, now: number): number | null {
  const keepsItsTime = job.status === "active" && sameTimes(job, merged) && job.nextRunAt !== null;
  if (change.nextRunAt === undefined && keepsItsTime) return job.nextRunAt;
  const occurrence = change.nextRunAt === undefined ? nextTime(merged, now) : change.nextRunAt;
  return occurrence === null ? null : startOf(job.jobId, merged, occurrence);
}

/** True when both run at the same times; an interval's anchor is only where its counting began. */
export function sameTimes(job: Timing, { schedule, timezone, policy }: Timing): boolean {
  const old = job.schedule;
  const span = (["startsAt", "endsAt", "jitterSeconds"] as const).every(
    (key) => job.policy[key] === policy[key],
  );
  if (!span) return false;
  switch (schedule.kind) {
    case "at":
      return old.kind === "at" && old.at === schedule.at;
    case "cron":
      return old.kind === "cron" && old.cron === schedule.cron && job.timezone === timezone;
    case "after":
      return old.kind === "after" && old.jobId === schedule.jobId;
    case "every":
      return old.kind === "every" && old.everySeconds === schedule.everySeconds;
  }
}

function checkStep(job: Job, status: JobStatus): void {
  const next: readonly JobStatus[] = NEXT_JOB_STATUSES[job.status];
  if (status === job.status || next.includes(status)) return;
  const advice =
    job.status === "cancelled"
      ? "schedule a new one"
      : "give it a new time with update_job, or run it with run_job";
  throw new NightshiftError("JOB_STATE", `This job is ${job.status} and can't become ${status}; ${advice}.`, {
    jobId: job.jobId,
    status: job.status,
  });
}

const noTimeLeft = (job: Job): NightshiftError =>
  new NightshiftError(
    "JOB_STATE",
    "The time of this job has passed, so nothing would ever run; give it a new one with update_job, or run it now with run_job.",
    { jobId: job.jobId, status: job.status },
  );
