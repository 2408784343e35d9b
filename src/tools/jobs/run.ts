import { setTimeout as wait } from "node:timers/promises";
import { z } from "zod";
import { NightshiftError } from "../../errors.ts";
import type { RunSummary } from "../../jobs/contracts.ts";
import { cutText } from "../../jobs/cut-text.ts";
import { OVERLAPS, type Overlap } from "../../jobs/job.ts";
import { UNLISTED } from "../../jobs/listing.ts";
import { readExecuteAt } from "../../jobs/moment.ts";
import { isEnded, type Run, type TranscriptStep } from "../../jobs/run.ts";
import { DAY_MS, toZonedIso } from "../../jobs/time.ts";
import type { ToolCall, ToolDefinition } from "../define.ts";
import { withJob } from "../names.ts";
import { answer } from "../result.ts";
import { showRun, tellRun } from "../runs.ts";
import { requireService, type Services } from "../services.ts";
import { jobId } from "./prepare.ts";

interface RunArguments {
  readonly job_id: string;
  readonly overlap?: Overlap;
  readonly wait: boolean;
}

const getJob = (given: string, services: Services) =>
  withJob(given, services, (id) => requireService(services.jobs, "schedules").get(id));

/** Longer than a run may take: the wait includes the time until a ghost is free. */
const MAX_WAIT_MS = 2 * DAY_MS;

export const runJob: ToolDefinition<Services> = {
  name: "run_job",
  scope: "jobs:write",
  title: "Run a job now",
  description:
    "Queues a run of a job for now. Read it with get_run, or wait: cancelling this call then cancels the run.",
  inputSchema: z.strictObject({
    job_id: jobId,
    overlap: z
      .enum(OVERLAPS)
      .optional()
      .meta({ description: "while the job runs (allow_all)", ...UNLISTED }),
    wait: z.boolean().default(false),
  }),
  outputSchema: z.looseObject({ run_id: z.string(), job_id: z.string(), status: z.string() }),
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  timeoutMs: MAX_WAIT_MS,
  create: (_context, services) => ({
    run: async (args: RunArguments, call: ToolCall) => {
      const job = await getJob(args.job_id, services);
      const obstacle = services.scheduler?.waitsFor(job);
      if (obstacle) {
        const isTool = services.scheduler?.obstacle(job.action.kind) === undefined;
        throw new NightshiftError(isTool ? "TOOL_NOT_FOUND" : "MODEL_NOT_CONFIGURED", obstacle);
      }
      const overlap = args.overlap && { overlap: args.overlap };
      const run = await requireService(services.runControl, "runs").enqueue(job.jobId, overlap);
      if (args.wait) {
        const ended = showRun(await untilEnded(run, services, call));
        // The caller has the result now.
        await services.inbox?.markRunRead(run.runId);
        return answer(ended, tellRun(ended));
      }
      services.scheduler?.wake();
      const text =
        run.status === "skipped"
          ? `Not run. ${run.statusReason}`
          : `Queued as ${run.runId}. Read it with get_run.`;
      return answer({ run_id: run.runId, job_id: run.jobId, status: run.status }, text);
    },
  }),
};

const FIRST_LOOK_MS = 25;
const LONGEST_LOOK_MS = 500;
const MAX_PROGRESS_CHARS = 200;

/** Waits for the end of the caller's run and reports its steps; cancels the run when the call is cancelled. */
async function untilEnded(
  { runId }: RunSummary,
  services: Services,
  { signal, progress }: ToolCall,
): Promise<Run> {
  const { scheduler } = services;
  const runs = requireService(services.runControl, "runs");
  const cancel = () => {
    const cancelling = runs.cancel(runId);
    // A failure is ignored: the run may have ended this moment.
    cancelling.then(
      () => scheduler?.wake(),
      () => {},
    );
  };
  const unfollow = scheduler?.follow(runId, (step) => progress(step.step, undefined, tellStep(step)));
  signal.addEventListener("abort", cancel, { once: true });
  if (signal.aborted) cancel();
  scheduler?.wake();
  try {
    // Polled, because the run may be in another process, whose steps are not heard here.
    for (let lookMs = FIRST_LOOK_MS; ; lookMs = Math.min(lookMs * 2, LONGEST_LOOK_MS)) {
      const { status } = await runs.summary(runId);
      if (isEnded(status) || status === "waiting")
        return await requireService(services.runs, "runs").get(runId);
      await wait(lookMs, undefined, { signal });
    }
  } finally {
    unfollow?.();
    signal.removeEventListener("abort", cancel);
  }
}

function tellStep({ type, tool, text, result }: TranscriptStep): string {
  const message = type === "tool" ? `${tool}: ${result ?? ""}` : (text ?? type);
  return message.length > MAX_PROGRESS_CHARS ? `${cutText(message, MAX_PROGRESS_CHARS)}…` : message;
}

interface BackfillArguments {
  readonly job_id: string;
  readonly from: string;
  readonly to: string;
}

export const backfillTool: ToolDefinition<Services> = {
  name: "backfill",
  scope: "jobs:write",
  title: "Run past times of a job",
  description:
    "Queues a run for each past time of a job between two moments, at most 100, but for those that had one.",
  inputSchema: z.strictObject({
    job_id: jobId,
    from: z.string().max(64),
    to: z.string().max(64),
  }),
  outputSchema: z.object({
    job_id: z.string(),
    queued: z.number(),
    already_run: z.number(),
    runs: z.array(z.looseObject({ run_id: z.string(), scheduled_for: z.string() })),
    waiting_because: z.string().optional(),
  }),
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  create: (_context, services) => ({
    run: async ({ job_id: given, from, to }: BackfillArguments) => {
      const job = await getJob(given, services);
      const job_id = job.jobId;
      const span = {
        from: readExecuteAt(from, job.timezone, 0),
        to: readExecuteAt(to, job.timezone, 0),
      };
      const { runs, alreadyRun } = await requireService(services.runControl, "runs").backfill(job_id, span);
      services.scheduler?.wake();
      const shown = runs.map((run) => ({
        run_id: run.runId,
        scheduled_for: toZonedIso(run.scheduledFor, job.timezone),
      }));
      const left = alreadyRun > 0 ? ` ${alreadyRun} had their run and were left out.` : "";
      // Added because this process may not be able to run them, while another one may.
      const obstacle = shown.length > 0 && services.scheduler?.waitsFor(job);
      const wait = obstacle ? ` They wait: ${obstacle}` : "";
      const text = `${shown.length} runs were queued, oldest first.${left} list_runs shows what comes of them.${wait}`;
      const waiting = obstacle && { waiting_because: obstacle };
      return answer({ job_id, queued: shown.length, already_run: alreadyRun, runs: shown, ...waiting }, text);
    },
  }),
};
