import type { Cron } from "croner";
import { previousCron, readCron, readWallCron } from "./cron.ts";
import type { Policy, Schedule } from "./job.ts";
import { latestTime, nextOccurrence, nextTime, startOf, type Timing } from "./schedule.ts";
import { offsetMs } from "./time.ts";

/** Missed occurrences are counted up to here: a user who missed a thousand need not know how many more. */
export const MAX_COALESCED = 1000;
/** So many missed cron times are counted in the job's zone (60 µs each), the rest without a zone (4 µs each). */
const COUNTED_IN_ZONE = 32;

/** One run for all occurrences that have come. */
export interface Coalesced {
  /** Epoch ms of the latest of them: the one that the run is for. */
  readonly scheduledFor: number;
  /** How many came before it and got no run; at most MAX_COALESCED. */
  readonly coalesced: number;
}

/**
 * However long the server was down, one late run, for the last time that was missed, and the earlier ones are counted
 * (like anacron). `due` is the stored next time, `now` is not before it. Takes at most a few ms, whatever was missed.
 */
export function coalesce(schedule: Schedule, timezone: string, due: number, now: number): Coalesced {
  const afterDue = nextOccurrence(schedule, timezone, due);
  if (afterDue === null || afterDue > now) return { scheduledFor: due, coalesced: 0 };
  if (schedule.kind === "every") {
    const stepMs = schedule.everySeconds * 1000;
    const missed = Math.floor((now - afterDue) / stepMs) + 1;
    const scheduledFor = afterDue + (missed - 1) * stepMs;
    return { scheduledFor, coalesced: Math.min(missed, MAX_COALESCED) };
  }
  if (schedule.kind !== "cron") return { scheduledFor: due, coalesced: 0 };
  const scheduledFor = previousCron(schedule.cron, timezone, now) ?? afterDue;
  return { scheduledFor, coalesced: countCron(schedule.cron, timezone, due, scheduledFor) };
}

/**
 * Occurrences from `from` (counted) to `until` (not). Beyond COUNTED_IN_ZONE local times are counted without the zone:
 * each clock change in between makes the count wrong by the few times that it skips or repeats.
 */
function countCron(cron: string, timezone: string, from: number, until: number): number {
  let count = 0;
  const walk = (pattern: Cron, start: number, end: number, limit: number): number => {
    let at = start;
    for (; count < limit && at < end; count++) at = pattern.nextRun(new Date(at))?.getTime() ?? end;
    return at;
  };
  const reached = walk(readCron(cron, timezone), from, until, COUNTED_IN_ZONE);
  if (reached >= until) return count;
  const toLocal = (at: number): number => at + offsetMs(timezone, at);
  walk(readWallCron(cron), toLocal(reached), toLocal(until), MAX_COALESCED);
  return count;
}

/** A run that starts within this time of its occurrence is on time; a later one is being caught up. */
const LATE_MS = 60_000;
/** Occurrences of one job that one claim catches up at most; the next claim goes on from there. */
export const CATCHUP_BATCH = 20;

export interface PlannedRun {
  readonly scheduledFor: number;
  /** Earlier occurrences that get no run of their own. */
  readonly coalesced: number;
  readonly isLate: boolean;
}

/** How a job whose time has come is run. Times are epoch ms. */
export interface Plan {
  /** Occurrences that are never run: the last of them, how many, and why. */
  readonly missed: { readonly scheduledFor: number; readonly count: number; readonly reason: string } | null;
  /** Oldest first, at most CATCHUP_BATCH. */
  readonly runs: readonly PlannedRun[];
  /** The first occurrence after these; it may have come already. */
  readonly next: number | null;
}

export interface PlannedJob extends Timing {
  readonly jobId: string;
  readonly policy: Policy;
}

const NOT_WANTED = "Nobody was there to run it, and its job does not catch up (catchup: skip).";
const TOO_OLD = "Nobody was there to run it within the job's catchup_window_seconds.";

/**
 * Plans the runs, at `now`, of a job whose stored next time is `dueAt`: by default one late run, see `coalesce`. Takes
 * at most a few ms, whatever was missed.
 */
export function planDue(job: PlannedJob, dueAt: number, now: number): Plan {
  const { policy } = job;
  const first = policy.jitterSeconds === 0 ? dueAt : (latestTime(job, dueAt) ?? dueAt);
  const horizon = Math.max(first, horizonOf(job, now));
  const windowMs =
    policy.catchup === "skip"
      ? Math.min(LATE_MS, policy.catchupWindowSeconds * 1000)
      : policy.catchupWindowSeconds * 1000;
  const oldest = now - windowMs;
  if (policy.catchup === "all") return planAll(job, { first, horizon, oldest, now });

  const { scheduledFor, coalesced } = coalesce(job.schedule, job.timezone, first, horizon);
  const next = nextTime(job, horizon);
  const isLate = now - scheduledFor > LATE_MS;
  const isSkipping = policy.catchup === "skip";
  const reason = isSkipping ? NOT_WANTED : TOO_OLD;
  if (scheduledFor < oldest)
    return { missed: { scheduledFor, count: coalesced + 1, reason }, runs: [], next };
  if (!isSkipping || coalesced === 0)
    return { missed: null, runs: [{ scheduledFor, coalesced, isLate }], next };
  const missed = { scheduledFor: latestTime(job, scheduledFor - 1) ?? first, count: coalesced, reason };
  return { missed, runs: [{ scheduledFor, coalesced: 0, isLate }], next };
}

/** Occurrences up to here have come; one that its jitter still delays has not. */
function horizonOf(job: PlannedJob, now: number): number {
  const { jitterSeconds, endsAt } = job.policy;
  const end = Math.min(now, endsAt ?? now);
  if (jitterSeconds === 0) return end;
  const latest = latestTime(job, end);
  return latest !== null && startOf(job.jobId, job, latest) > now ? latest - 1 : end;
}

interface Span {
  readonly first: number;
  readonly horizon: number;
  readonly oldest: number;
  readonly now: number;
}

function planAll(job: PlannedJob, { first, horizon, oldest, now }: Span): Plan {
  let missed: Plan["missed"] = null;
  let at: number | null = first;
  if (first < oldest) {
    const tooOld = coalesce(job.schedule, job.timezone, first, Math.min(horizon, oldest - 1));
    missed = { scheduledFor: tooOld.scheduledFor, count: tooOld.coalesced + 1, reason: TOO_OLD };
    at = nextTime(job, tooOld.scheduledFor);
  }
  const runs: PlannedRun[] = [];
  for (; at !== null && at <= horizon && runs.length < CATCHUP_BATCH; at = nextTime(job, at))
    runs.push({ scheduledFor: at, coalesced: 0, isLate: now - at > LATE_MS });
  return { missed, runs, next: at };
}

/** All occurrences from `from` on that have come, dropped at once: too many runs wait already. */
export function dropRest(job: PlannedJob, from: number, now: number): { count: number; next: number | null } {
  const horizon = Math.max(from, horizonOf(job, now));
  const { coalesced } = coalesce(job.schedule, job.timezone, from, horizon);
  return { count: Math.min(coalesced + 1, MAX_COALESCED), next: nextTime(job, horizon) };
}
