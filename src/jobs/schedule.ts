import { createHash } from "node:crypto";
import { NightshiftError } from "../errors.ts";
import { nextCron, previousCron } from "./cron.ts";
import { hintOf } from "./cron-text.ts";
import { cutText } from "./cut-text.ts";
import { readSeconds } from "./duration.ts";
import type { Policy, Schedule } from "./job.ts";
import { readExecuteAt } from "./moment.ts";
import { readSaidCron, SAID_CRONS } from "./said-time.ts";
import { hostTimezone, readTimezone } from "./time.ts";

/** Epoch ms of the first occurrence later than `after`, or null when there is none. */
export function nextOccurrence(schedule: Schedule, timezone: string, after: number): number | null {
  switch (schedule.kind) {
    case "at":
      return schedule.at > after ? schedule.at : null;
    case "every": {
      const stepMs = schedule.everySeconds * 1000;
      const passed = Math.max(0, Math.floor((after - schedule.anchor) / stepMs));
      return schedule.anchor + (passed + 1) * stepMs;
    }
    case "after":
      return null;
    case "cron":
      return nextCron(schedule.cron, timezone, after);
  }
}

/** When to run, as a person or a model says it: exactly one of the three times, or after another job. */
export interface ScheduleInput {
  readonly execute_at?: string | undefined;
  /** A cron expression, or words such as "weekdays at 9:00". */
  readonly cron?: string | undefined;
  /** Seconds, or a duration such as "2h". */
  readonly every_seconds?: number | string | undefined;
  /** Another name of `every_seconds`. */
  readonly every?: number | string | undefined;
  /** A job_id; the store checks that the job exists. */
  readonly after?: string | undefined;
  /** IANA name; default is the zone of this machine. */
  readonly timezone?: string | undefined;
}

export interface ParsedSchedule {
  readonly schedule: Schedule;
  readonly timezone: string;
}

/** A leap year: for longer intervals there are cron expressions. */
export const MAX_EVERY_SECONDS = 366 * 86_400;

/** Reads and checks a schedule. Throws INVALID_SCHEDULE with a sentence that says what to give instead. */
export function parseSchedule(input: ScheduleInput, now: number): ParsedSchedule {
  const given = (["execute_at", "cron", "every_seconds", "every", "after"] as const).filter(
    (key) => input[key] !== undefined,
  );
  if (given.length !== 1) {
    const found = given.length === 0 ? "none was given" : `${given.join(" and ")} were given`;
    throw invalidSchedule(`Give exactly one of execute_at, cron and every_seconds, or after; ${found}.`);
  }
  const timezone = readTimezone(input.timezone ?? hostTimezone());
  if (input.execute_at !== undefined) {
    return { schedule: { kind: "at", at: readExecuteAt(input.execute_at, timezone, now) }, timezone };
  }
  if (input.after !== undefined) return { schedule: { kind: "after", jobId: input.after }, timezone };
  if (input.cron !== undefined) {
    return { schedule: { kind: "cron", cron: checkCron(input.cron, timezone, now) }, timezone };
  }
  const everySeconds = checkEvery(input.every_seconds ?? input.every);
  return { schedule: { kind: "every", everySeconds, anchor: now }, timezone };
}

function checkEvery(given: number | string | undefined): number {
  const isNumber = typeof given === "string" && /^\d{1,9}$/.test(given.trim());
  const seconds = typeof given === "string" && !isNumber ? readSeconds(given) : Number(given);
  if (seconds !== undefined && Number.isInteger(seconds) && seconds >= 1 && seconds <= MAX_EVERY_SECONDS) {
    return seconds;
  }
  throw invalidSchedule(
    `every_seconds must be a whole number from 1 to ${MAX_EVERY_SECONDS} (366 days), or a duration such as "90s", "15m" or "2h".`,
  );
}

const CRON_HELP =
  'Use five fields, minute hour day month weekday, for example "0 9 * * 1-5"; six with seconds first; a name such as @daily; or words such as ' +
  `${SAID_CRONS}.`;

function checkCron(text: string, timezone: string, now: number): string {
  const cron = readSaidCron(text) ?? text.trim().replaceAll(/\s+/g, " ");
  const shown = `"${cutText(cron, 80)}"`;
  const hint = hintOf(cron);
  if (hint) throw invalidSchedule(`The cron expression ${shown} can't be read. ${hint}`);
  const fields = cron.split(" ").length;
  // croner would also take a date here.
  if (!/^@[a-z]+$/i.test(cron) && fields !== 5 && fields !== 6) {
    throw invalidSchedule(
      `The cron expression ${shown} has ${fields} field${fields === 1 ? "" : "s"}. ${CRON_HELP}`,
    );
  }
  let next: number | null;
  try {
    next = nextOccurrence({ kind: "cron", cron }, timezone, now);
  } catch (error) {
    throw invalidSchedule(
      `The cron expression ${shown} can't be read (${cronerReason(error)}). ${CRON_HELP}`,
      error,
    );
  }
  if (next === null) {
    throw invalidSchedule(
      `The cron expression ${shown} never comes true: no date matches it. Change its day or month.`,
    );
  }
  return cron;
}

/** croner's message without its class name in front. It counts months and days from 0. */
function cronerReason(error: unknown): string {
  const message = error instanceof Error ? error.message : "unknown form";
  return message
    .replace(/^Cron\w*:\s*/, "")
    .replace(/\.$/, "")
    .replace(/(?<=value for (?:month|day): )-?\d+/, (value) => String(Number(value) + 1));
}

const invalidSchedule = (message: string, cause?: unknown): NightshiftError =>
  new NightshiftError("INVALID_SCHEDULE", message, {}, cause === undefined ? undefined : { cause });

/** Everything that decides when a job runs. */
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

/** True while it may still run. A job that runs after another needs no time of its own, only a span that is not over. */
export function hasTimeLeft(timing: Timing, now: number): boolean {
  const { schedule, policy } = timing;
  if (schedule.kind === "after") return policy.endsAt === null || policy.endsAt >= now;
  return nextTime(timing, now) !== null;
}

/** The next `n` occurrences, fewer when there are no more. */
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
      return previousCron(schedule.cron, timezone, at);
  }
}

/**
 * When an occurrence starts: at its time, or up to `jitterSeconds` later but before the next one. The same job and
 * occurrence always get the same delay, so that every process computes the same time and `latestTime` finds the occurrence from it.
 */
export function startOf(jobId: string, timing: Timing, occurrence: number): number {
  const { schedule, timezone, policy } = timing;
  if (policy.jitterSeconds === 0) return occurrence;
  const next = nextOccurrence(schedule, timezone, occurrence);
  const roomMs = Math.min(policy.jitterSeconds * 1000, next === null ? Infinity : next - occurrence - 1);
  const random = createHash("sha256").update(`${jobId}:${occurrence}`).digest().readUIntBE(0, 6);
  return occurrence + (random % (roomMs + 1));
}

/** An interval with a `startsAt` has its first time then, not one step later. */
export function anchored(schedule: Schedule, { startsAt }: Pick<Policy, "startsAt">): Schedule {
  if (schedule.kind !== "every" || startsAt === null || startsAt <= schedule.anchor) return schedule;
  return { ...schedule, anchor: startsAt - schedule.everySeconds * 1000 };
}

/** True when both run at the same times. An interval's anchor does not matter: it is only where counting began. */
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
