import { createHash } from "node:crypto";
import type { Schedule } from "./job.ts";
import type { Policy } from "./policy.ts";
import { nextOccurrence, readCron } from "./schedule.ts";

/** All that says when a job runs. */
export interface Timing {
  readonly schedule: Schedule;
  readonly timezone: string;
  readonly policy: Pick<Policy, "startsAt" | "endsAt" | "jitterSeconds">;
}

/** Epoch ms of the first occurrence later than `after`, within the job's span; null when there is none. */
export function nextTime({ schedule, timezone, policy }: Timing, after: number): number | null {
  const from = policy.startsAt === null ? after : Math.max(after, policy.startsAt - 1);
  const next = nextOccurrence(schedule, timezone, from);
  return next !== null && policy.endsAt !== null && next > policy.endsAt ? null : next;
}

/** Whether it may still run: what runs after another job needs no time of its own, only a span that is not over. */
export function hasTimeLeft(timing: Timing, now: number): boolean {
  const { schedule, policy } = timing;
  if (schedule.kind === "after") return policy.endsAt === null || policy.endsAt >= now;
  return nextTime(timing, now) !== null;
}

/** The next `n` of them, fewer when there are no more. */
export function nextTimes(timing: Timing, after: number, n: number): number[] {
  const times: number[] = [];
  for (let last: number | null = after; times.length < n; times.push(last)) {
    last = nextTime(timing, last);
    if (last === null) break;
  }
  return times;
}

/** Epoch ms of the last occurrence that is not later than `at`; null when there was none. */
export function latestTime({ schedule, timezone }: Timing, at: number): number | null {
  switch (schedule.kind) {
    case "at":
      return schedule.at <= at ? schedule.at : null;
    case "after":
      return null;
    case "every": {
      const stepMs = schedule.everySeconds * 1000;
      const steps = Math.floor((at - schedule.anchor) / stepMs);
      return steps >= 1 ? schedule.anchor + steps * stepMs : null;
    }
    case "cron":
      // croner's previous run lies strictly before the time it is given.
      return (
        readCron(schedule.cron, timezone)
          .previousRuns(1, new Date(at + 1))[0]
          ?.getTime() ?? null
      );
  }
}

/**
 * When an occurrence starts: at its time, or up to `jitterSeconds` later but before the next one. The same job and
 * occurrence always get the same delay, so that every process computes one time and `latestTime` finds back from it.
 */
export function startOf(jobId: string, timing: Timing, occurrence: number): number {
  const { schedule, timezone, policy } = timing;
  if (policy.jitterSeconds === 0) return occurrence;
  const next = nextOccurrence(schedule, timezone, occurrence);
  const roomMs = Math.min(policy.jitterSeconds * 1000, next === null ? Infinity : next - occurrence - 1);
  const random = createHash("sha256").update(`${jobId}:${occurrence}`).digest().readUIntBE(0, 6);
  return occurrence + (random % (roomMs + 1));
}

/** An interval that starts later begins with its start, not a step after it. */
export function anchored(schedule: Schedule, { startsAt }: Pick<Policy, "startsAt">): Schedule {
  if (schedule.kind !== "every" || startsAt === null || startsAt <= schedule.anchor) return schedule;
  return { ...schedule, anchor: startsAt - schedule.everySeconds * 1000 };
}
