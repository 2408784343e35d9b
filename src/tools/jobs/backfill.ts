import { z } from "zod";
import { readExecuteAt } from "../../jobs/moment.ts";
import { toZonedIso } from "../../jobs/time.ts";
import type { ToolDefinition } from "../define.ts";
import { answer } from "../result.ts";
import { requireService, type Services } from "../services.ts";
import { jobId } from "./prepare.ts";

interface BackfillArguments {
  readonly job_id: string;
  readonly from: string;
  readonly to: string;
}

export const backfill: ToolDefinition<Services> = {
  name: "backfill",
  scope: "jobs:write",
  title: "Run past times of a job",
  description:
    "Queues a run for each time that a job's schedule had between two moments, oldest first, at most 100. Times that have had their run are left out.",
  inputSchema: z.strictObject({
    job_id: jobId,
    from: z.string().max(64).describe("like execute_at, in the past"),
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
    run: async ({ job_id, from, to }: BackfillArguments) => {
      const job = await requireService(services.jobs, "schedules").get(job_id);
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
      // Another process may run them: the command line, for one, does not.
      const obstacle = shown.length > 0 && services.scheduler?.obstacle(job.action.kind);
      const wait = obstacle ? ` They wait: ${obstacle}` : "";
      const text = `${shown.length} runs were queued, oldest first.${left} list_runs shows what comes of them.${wait}`;
      const waiting = obstacle && { waiting_because: obstacle };
      return answer({ job_id, queued: shown.length, already_run: alreadyRun, runs: shown, ...waiting }, text);
    },
  }),
};
