import { setImmediate } from "node:timers/promises";
import { z } from "zod";
import { NightshiftError } from "../../errors.ts";
import type { JobChange } from "../../jobs/contracts.ts";
import { cronWarning } from "../../jobs/cron-text.ts";
import { limitsOf, nameAndToolsOf, policyOf, provisionOf } from "../../jobs/fields.ts";
import { JOB_STATUSES, type Job } from "../../jobs/job.ts";
import { BRIEF, UNLISTED } from "../../jobs/listing.ts";
import { anchored, hasTimeLeft, nextTime, parseSchedule, type Timing } from "../../jobs/schedule.ts";
import type { ToolAnnotations, ToolDefinition } from "../define.ts";
import { withJob } from "../names.ts";
import { MAX_PAGE_BYTES, readFittingPage } from "../page.ts";
import { answer } from "../result.ts";
import { requireService, type Services } from "../services.ts";
import { type PolicyHolder, withoutPolicy } from "./policy.ts";
import {
  assertRunnable,
  type JobArguments,
  jobArguments,
  jobId,
  listedBriefly,
  NO_TIME,
  type PreparedArguments,
  prepare,
  readAction,
  withDependency,
  withPinnedFacts,
} from "./prepare.ts";
import { backfillTool, runJob } from "./run.ts";
import {
  fullJobShape,
  jobBrief,
  type ListedJob,
  type ShownJob,
  showFullJob,
  showJob,
  showJobs,
  tellFullJob,
  tellJob,
  tellListedJob,
} from "./show.ts";

const READ: ToolAnnotations = { readOnlyHint: true, openWorldHint: false };
const WRITE: ToolAnnotations = {
  readOnlyHint: false,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
};

interface ListArguments {
  readonly limit: number;
  readonly status?: Job["status"];
  readonly cursor?: string;
  readonly full: boolean;
}

const listJobs: ToolDefinition<Services> = {
  name: "list_jobs",
  scope: "jobs:read",
  title: "List jobs",
  description: "Lists this user's jobs, newest first.",
  inputSchema: z.strictObject({
    status: z.enum(JOB_STATUSES).optional().meta(BRIEF),
    cursor: z.string().min(1).max(1_000).optional(),
    limit: z.number().int().min(1).max(100).default(20),
    full: z
      .boolean()
      .default(false)
      .meta({ description: "each as get_job shows it", ...UNLISTED }),
  }),
  outputSchema: z.object({ jobs: z.array(jobBrief), next_cursor: z.string().optional() }),
  annotations: READ,
  create: (_context, services) => ({
    run: async (args: ListArguments) => {
      const { jobs, nextCursor } = await readJobs(services, args);
      const lines = jobs.map((job) => `- ${"does" in job ? tellListedJob(job) : tellJob(job)}`);
      if (nextCursor) lines.push(`There are more: cursor ${nextCursor}`);
      const text = lines.length === 0 ? "No jobs. schedule_task makes one." : lines.join("\n");
      return answer({ jobs, ...(nextCursor && { next_cursor: nextCursor }) }, text);
    },
  }),
};

/** Jobs that are read and shown in one turn of the event loop. */
const JOBS_AT_ONCE = 20;

async function readJobs(services: Services, { limit, status, cursor, full }: ListArguments) {
  const store = requireService(services.jobs, "schedules");
  const jobs: (ShownJob | ListedJob)[] = [];
  let nextCursor = cursor;
  for (let bytes = MAX_PAGE_BYTES; ; await setImmediate()) {
    const most = Math.min(limit - jobs.length, JOBS_AT_ONCE);
    const { page, items } = await readFittingPage(
      most,
      (size) =>
        store.list({ limit: size, ...(status && { status }), ...(nextCursor && { cursor: nextCursor }) }),
      (found) => showJobs(found.jobs, services, full),
      bytes,
    );
    jobs.push(...items);
    bytes -= Buffer.byteLength(JSON.stringify(items));
    ({ nextCursor } = page);
    if (!nextCursor || items.length < most || jobs.length >= limit || bytes <= 0) return { jobs, nextCursor };
  }
}

const getJob: ToolDefinition<Services> = {
  name: "get_job",
  scope: "jobs:read",
  title: "Read a job",
  description: "Reads one job: what it does, when, with what, and its last run.",
  inputSchema: z.strictObject({ job_id: jobId }),
  outputSchema: fullJobShape,
  annotations: READ,
  create: (_context, services) => ({
    run: async (args: { job_id: string }) => {
      const store = requireService(services.jobs, "schedules");
      const job = await withJob(args.job_id, services, (id) => store.get(id));
      const shown = await showFullJob(job, services);
      return answer(shown, tellFullJob(shown));
    },
  }),
};

/** A tool that changes one job and shows the result. */
function changing<Args extends { job_id: string }>(
  metadata: Pick<ToolDefinition, "name" | "title" | "description" | "annotations"> & {
    extra?: z.ZodRawShape;
    /** Asynchronous work that must be done before the change is decided on. */
    prepare?: (args: Args, services: Services) => Promise<PreparedArguments>;
  },
  decide: (job: Job, args: Args, services: Services, prepared: PreparedArguments) => JobChange,
): ToolDefinition<Services> {
  const { extra, prepare, ...rest } = metadata;
  return {
    annotations: WRITE,
    ...rest,
    scope: "jobs:write",
    inputSchema: z.strictObject({ job_id: jobId, ...extra }),
    outputSchema: jobBrief,
    create: (_context, services) => ({
      run: async (given: Args) => {
        const args = (await withDependency(withoutPolicy(given as PolicyHolder), services)) as Args;
        const store = requireService(services.jobs, "schedules");
        const prepared = (await prepare?.(args, services)) ?? { warnings: [] };
        const job = await withJob(args.job_id, services, (id) =>
          store.update(id, (stored) => decide(stored, args, services, prepared)),
        );
        services.scheduler?.wake();
        const shown = showJob(job, services);
        return answer(shown, [tellJob(shown), ...prepared.warnings].join("\n"));
      },
    }),
  };
}

function assertStatus(job: Job, allowed: readonly Job["status"][], verb: string): void {
  if (allowed.includes(job.status)) return;
  throw new NightshiftError(
    "JOB_STATE",
    `This job is ${job.status}, so it cannot be ${verb}. Make a new one with schedule_task.`,
  );
}

function assertNotFromFile(job: Job, verb: string): void {
  if (job.origin.kind !== "folder") return;
  throw new NightshiftError(
    "JOB_STATE",
    `This job is written in the file ${job.origin.file}; ${verb} that file. Here it can be paused, resumed and run.`,
  );
}

const pauseJob = changing(
  {
    name: "pause_job",
    title: "Pause a job",
    description: "Stops a job until resume_job.",
  },
  (job) => {
    assertStatus(job, ["active", "paused"], "paused");
    return { status: "paused", statusReason: "Paused by its owner.", nextRunAt: null };
  },
);

const resumeJob = changing(
  { name: "resume_job", title: "Resume a job", description: "Lets a paused job run again." },
  (job, _args, { now }) => {
    assertStatus(job, ["active", "paused"], "resumed");
    if (job.status === "active") return {};
    if (!hasTimeLeft(job, now()))
      throw new NightshiftError(
        "JOB_STATE",
        "Its time went by while it was paused. Use run_job, or update_job with a new execute_at.",
      );
    return { status: "active", statusReason: null, nextRunAt: nextTime(job, now()) };
  },
);

const cancelJob = changing(
  {
    name: "cancel_job",
    title: "Cancel a job",
    description: "Ends a job for good. Its runs stay.",
    annotations: { ...WRITE, destructiveHint: true },
  },
  (job) => {
    assertNotFromFile(job, "remove");
    return { status: "cancelled", statusReason: "Cancelled by its owner.", nextRunAt: null };
  },
);

const updateJob = changing<JobArguments & { job_id: string }>(
  {
    name: "update_job",
    title: "Change a job",
    description:
      "Changes what is given of a job, as schedule_task takes it; a new time replaces the old one, null takes away.",
    extra: listedBriefly(jobArguments),
    async prepare(args, services) {
      const prepared = await prepare(args, services);
      const warning = args.cron && cronWarning(args.cron);
      return warning ? { ...prepared, warnings: [...prepared.warnings, warning] } : prepared;
    },
  },
  (job, args, services, prepared) => {
    assertNotFromFile(job, "change");
    assertStatus(job, ["active", "paused", "completed"], "changed");
    const scheduler = requireService(services.scheduler, "schedules");
    const action = readAction(args) ?? job.action;
    const { name, tools } = nameAndToolsOf(args, job);
    const provision = withPinnedFacts(provisionOf(args, job.provision), prepared);
    assertRunnable(action, { tools, check: provision.check }, scheduler);
    const limits = limitsOf(args, job.limits);
    return { name, action, tools, limits, provision, ...retime(job, args, services.now()) };
  },
);

/** The change of schedule, zone and policy: a new time, or the old one in a new zone or span. */
function retime(job: Job, args: JobArguments, now: number): JobChange {
  const given = args.execute_at ?? args.cron ?? args.every_seconds ?? args.every ?? args.after;
  if (given === undefined && args.timezone === undefined) return respan(job, args, now);
  if (given === undefined && job.schedule.kind !== "cron")
    throw new NightshiftError(
      "INVALID_SCHEDULE",
      "A new timezone needs the time with it: give execute_at, cron or every_seconds too.",
    );
  const kept = job.schedule.kind === "cron" && given === undefined ? { cron: job.schedule.cron } : {};
  const parsed = parseSchedule({ timezone: job.timezone, ...kept, ...args }, now);
  const { timezone } = parsed;
  const policy = policyOf(args, timezone, job.policy);
  const schedule = anchored(parsed.schedule, policy);
  return { schedule, timezone, policy, ...reactivate(job, { schedule, timezone, policy }, now) };
}

/** The same schedule under a changed policy. A completed job becomes active again if its new span allows it. */
function respan(job: Job, args: JobArguments, now: number): JobChange {
  const policy = policyOf(args, job.timezone, job.policy);
  const change = { policy, schedule: anchored(job.schedule, policy) };
  const reopens = [args.starts_at, args.ends_at, args.max_runs].some((given) => given !== undefined);
  if (job.status !== "completed" || !reopens) return change;
  const timing = { ...job, ...change };
  return hasTimeLeft(timing, now) ? { ...change, ...reactivate(job, timing, now) } : change;
}

function reactivate(job: Job, timing: Timing, now: number): JobChange {
  if (!hasTimeLeft(timing, now)) throw new NightshiftError("INVALID_SCHEDULE", NO_TIME);
  if (job.status === "paused") return {};
  return { nextRunAt: nextTime(timing, now), status: "active", statusReason: null };
}

export const jobTools = [
  listJobs,
  getJob,
  updateJob,
  pauseJob,
  resumeJob,
  cancelJob,
  runJob,
  backfillTool,
] as const;
