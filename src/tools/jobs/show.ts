import { z } from "zod";
import { NightshiftError } from "../../errors.ts";
import { type Counters, NO_COUNTS } from "../../jobs/contracts.ts";
import { cutText } from "../../jobs/cut-text.ts";
import { showFields } from "../../jobs/fields.ts";
import { describeAction, ghostSessionId, type Job, WARN_AFTER_FAILURES } from "../../jobs/job.ts";
import { latestTime, nextTimes, startOf } from "../../jobs/schedule.ts";
import { toIso, toZonedIso } from "../../jobs/time.ts";
import { requireService, type Services } from "../services.ts";

/** The output schema of a job in lists and after a change. It is short, because every client reads it in `tools/list`. */
export const jobBrief = z.looseObject({
  job_id: z.string(),
  name: z.string().nullable(),
  status: z.string(),
  next_runs: z.array(z.string()),
});

/** The output schema of get_job. */
export const fullJobShape = jobBrief.extend({
  ghost_session_id: z.string(),
  timezone: z.string(),
  tokens_spent: z.number(),
  counters: z.record(z.string(), z.number()).describe("what became of its runs"),
  last_run: z
    .object({ run_id: z.string(), status: z.string(), finished_at: z.string().nullable() })
    .nullable()
    .describe("the newest run that has ended, but for skipped ones"),
});
const lastRunShape = fullJobShape.shape.last_run;

/** The next three times, in the job's zone; none for a job that is not active. */
function nextRuns(job: Job, now: number, count = 3): string[] {
  if (job.status !== "active" || job.nextRunAt === null) return [];
  const first = job.policy.jitterSeconds === 0 ? job.nextRunAt : (latestTime(job, job.nextRunAt) ?? now);
  const later = nextTimes(job, Math.max(first, now), count - 1).map((at) => startOf(job.jobId, job, at));
  return [job.nextRunAt, ...later].slice(0, count).map((at) => toZonedIso(at, job.timezone));
}

interface ShownSchedule {
  readonly execute_at?: string;
  readonly cron?: string;
  readonly every_seconds?: number;
  /** The job_id of the job that it runs after. */
  readonly after?: string;
}

function showSchedule({ schedule, timezone }: Job): ShownSchedule {
  if (schedule.kind === "at") return { execute_at: toZonedIso(schedule.at, timezone) };
  if (schedule.kind === "cron") return { cron: schedule.cron };
  if (schedule.kind === "after") return { after: schedule.jobId };
  return { every_seconds: schedule.everySeconds };
}

const showAction = ({ action, origin }: Job) => ({
  ...(action.kind === "prompt" && { prompt: action.prompt }),
  ...(action.kind === "tool" && { tool: { name: action.tool, arguments: { ...action.arguments } } }),
  ...(origin.kind === "folder" && { file: origin.file }),
});

/** A warning for the owner of a job whose last runs failed. */
function warningOf({ status, policy }: Job, { consecutiveFailures: failures }: Counters): string | undefined {
  if (failures < WARN_AFTER_FAILURES) return undefined;
  const limit = policy.pauseAfterFailures;
  const then = status === "active" && limit > 0 ? ` It is paused after ${limit}.` : "";
  return `The last ${failures} runs failed; list_runs shows why.${then}`;
}

/** Each of the jobs as a list shows it, short unless `full`; with a warning where its counters show failures. */
export async function showJobs(jobs: readonly Job[], services: Services, full: boolean) {
  const counted = await requireService(services.jobs, "schedules").counters(jobs.map(({ jobId }) => jobId));
  const show: typeof showJob | typeof showListedJob = full ? showJob : showListedJob;
  return jobs.map((job) => show(job, services, counted.get(job.jobId)));
}

const MAX_LISTED_CHARS = 60;

export type ListedJob = ReturnType<typeof showListedJob>;

function showListedJob(job: Job, services: Services, counters: Counters = NO_COUNTS) {
  const { action, origin, status, statusReason } = job;
  const warning = warningOf(job, counters);
  const obstacle = obstacleOf(job, services);
  const does = shorten(describeAction(action));
  return {
    job_id: job.jobId,
    name: job.name,
    status,
    ...(statusReason && { status_reason: statusReason }),
    does,
    ...(origin.kind === "folder" && { file: origin.file }),
    ...showSchedule(job),
    timezone: job.timezone,
    next_runs: nextRuns(job, services.now(), 1),
    ...(warning && { warning }),
    ...(obstacle && { waiting_because: obstacle }),
  };
}

const obstacleOf = (job: Job, services: Services): string | undefined =>
  job.status === "active" ? requireService(services.scheduler, "schedules").waitsFor(job) : undefined;

const shorten = (text: string, maxChars = MAX_LISTED_CHARS): string =>
  text.length > maxChars ? `${cutText(text, maxChars)}…` : text;

const showCounters = (counters: Counters) => ({
  runs_started: counters.runsStarted,
  runs_succeeded: counters.runsSucceeded,
  runs_failed: counters.runsFailed,
  skipped: counters.skipped,
  missed: counters.missed,
  dropped: counters.dropped,
  denied_tool_calls: counters.deniedCalls,
  consecutive_failures: counters.consecutiveFailures,
  scheduled_runs: counters.scheduledRuns,
});

/** A job with its counters and the newest run that has ended. */
export async function showFullJob(job: Job, services: Services) {
  const store = requireService(services.jobs, "schedules");
  const counters = (await store.counters([job.jobId])).get(job.jobId) ?? NO_COUNTS;
  const last = counters.lastRunId && (await readLastRun(counters.lastRunId, services));
  return {
    ...showJob(job, services, counters),
    tokens_spent: await store.tokensSpent(job.jobId),
    counters: showCounters(counters),
    last_run: last || null,
  };
}

export type ShownJob = ReturnType<typeof showJob>;

/** A job as every tool shows it, with its effective values. */
export function showJob(job: Job, services: Services, counters: Counters = NO_COUNTS) {
  const scheduler = requireService(services.scheduler, "schedules");
  const warning = warningOf(job, counters);
  const obstacle = obstacleOf(job, services);
  const { name, ...fields } = showFields(job);
  return {
    job_id: job.jobId,
    ghost_session_id: ghostSessionId(job.jobId),
    name,
    status: job.status,
    status_reason: job.statusReason,
    ...showAction(job),
    ...showSchedule(job),
    timezone: job.timezone,
    next_runs: nextRuns(job, services.now()),
    ...fields,
    /** The tools that its ghost is offered, its own or the default. */
    allowed_tools: [...scheduler.toolsOf(job)],
    created_at: toIso(job.createdAt) as string,
    updated_at: toIso(job.updatedAt) as string,
    ...(warning && { warning }),
    ...(obstacle && { waiting_because: obstacle }),
  };
}

/** The last run that ended. Null when it is no longer kept. */
async function readLastRun(runId: string, services: Services): Promise<z.output<typeof lastRunShape>> {
  try {
    const run = await requireService(services.runControl, "runs").summary(runId);
    return { run_id: run.runId, status: run.status, finished_at: toIso(run.finishedAt) };
  } catch (error) {
    if (error instanceof NightshiftError && error.code === "RUN_NOT_FOUND") return null;
    throw error;
  }
}

type Told = Pick<
  ShownJob,
  "job_id" | "name" | "status" | "status_reason" | "timezone" | "next_runs" | "warning"
> &
  ShownSchedule;

const tellSchedule = ({ execute_at, cron, every_seconds, after }: ShownSchedule): string =>
  cron ? `cron ${cron}` : execute_at ? "once" : after ? `after ${after}` : `every ${every_seconds} s`;

function tellStatus(job: Told, name: string): string {
  const next = job.next_runs[0]
    ? `next ${job.next_runs[0]}`
    : job.after
      ? "no time of its own"
      : "nothing due";
  return `${job.job_id} "${name}": ${job.status}, ${tellSchedule(job)}, ${next} (${job.timezone})${job.status_reason ? `. ${job.status_reason}` : ""}${job.warning ? ` Warning: ${job.warning}` : ""}`;
}

const doesOf = (job: ShownJob): string =>
  job.prompt ?? (job.tool ? `tool ${job.tool.name}` : `file ${job.file}`);

/** One line about the job, for the model. */
export const tellJob = (job: ShownJob): string => tellStatus(job, job.name ?? shorten(doesOf(job)));

export const tellListedJob = (job: ListedJob): string =>
  tellStatus({ status_reason: null, ...job } as Told, job.name ?? job.does) +
  (job.name ? `: ${job.does}` : "");

/** What the job does, when, and with what. */
export function tellFullJob(job: Awaited<ReturnType<typeof showFullJob>>): string {
  const { last_run: lastRun, tool, counters } = job;
  const does = tool ? `tool ${tool.name} with ${JSON.stringify(tool.arguments)}` : doesOf(job);
  return [
    tellJob(job),
    `Does: ${shorten(does, 1_000)}`,
    `Next: ${job.next_runs.join(", ") || "nothing due"}`,
    `Tools: ${job.allowed_tools.join(", ") || "none"}. A run may take ${job.max_iterations} model calls, ${job.max_tokens} tokens, ${job.timeout_seconds} s.`,
    `Runs: ${counters.runs_succeeded} succeeded, ${counters.runs_failed} failed. Last: ${lastRun ? `${lastRun.run_id}, ${lastRun.status}` : "none yet"}.`,
  ].join("\n");
}
