import { resolve } from "node:path";
import type { Config } from "../config.ts";
import { NightshiftError } from "../errors.ts";
import type { FolderJob } from "../jobs/contracts.ts";
import { toZonedIso } from "../jobs/time.ts";
import { scanFolder } from "../jobs-folder/scan.ts";
import type { ShownJob } from "../tools/jobs/show.ts";
import { ask, asUser } from "./as-user.ts";
import { oneLine, paint, plain, print, printJson, table } from "./output.ts";
import { printRun, type ShownRun } from "./runs.ts";

interface Values {
  readonly json?: unknown;
  readonly status?: unknown;
}

const whatOf = (job: ShownJob): string =>
  job.prompt ?? (job.tool ? `tool ${job.tool.name}` : `file ${job.file}`);

export async function listJobs(config: Config, { json, status }: Values): Promise<number> {
  return asUser(config, async (context) => {
    const jobs: ShownJob[] = [];
    let cursor: string | undefined;
    do {
      const args = { limit: 100, ...(status ? { status } : {}), ...(cursor && { cursor }) };
      const page = await ask<{ jobs: ShownJob[]; next_cursor?: string }>(context, "list_jobs", args);
      jobs.push(...page.jobs);
      cursor = page.next_cursor;
    } while (cursor);
    if (json) printJson({ jobs });
    else if (jobs.length === 0)
      print("No jobs yet. An MCP client makes one with schedule_task; --jobs names a folder of them.");
    else
      print(
        table(
          ["JOB", "STATUS", "NEXT", "ZONE", "WHAT"],
          jobs.map((job) => [
            job.job_id,
            job.status,
            job.next_runs[0] ?? "-",
            job.timezone,
            oneLine(job.name ?? whatOf(job)),
          ]),
        ),
      );
    return 0;
  });
}

export async function changeJob(
  config: Config,
  verb: "show" | "pause" | "resume" | "cancel",
  id: string,
  { json }: Values,
) {
  return asUser(config, async (context) => {
    const job = await ask<ShownJob>(context, verb === "show" ? "get_job" : `${verb}_job`, { job_id: id });
    if (json) printJson(job);
    else printJob(job);
    return 0;
  });
}

function printJob(job: ShownJob): void {
  print(`${paint("bold", job.job_id)}  ${job.status}${job.status_reason ? `  ${job.status_reason}` : ""}`);
  if (job.name) print(`  name      ${plain(job.name)}`);
  print(`  does      ${oneLine(whatOf(job), 200)}`);
  print(`  when      ${whenOf(job)} (${job.timezone})`);
  print(`  next      ${job.next_runs.join(", ") || "-"}`);
  print(`  ghost     ${job.ghost_session_id}`);
  print(`  tools     ${job.allowed_tools.join(", ")}`);
  print(`  limits    ${job.max_iterations} iterations, ${job.max_tokens} tokens, ${job.timeout_seconds} s`);
  if (job.webhook_url) print(`  webhook   ${plain(job.webhook_url)}`);
  if (job.waiting_because) print(`  ${paint("yellow", "waiting")}   ${job.waiting_because}`);
}

const whenOf = ({ cron, execute_at, every_seconds, after }: ShownJob): string =>
  cron ?? execute_at ?? (after ? `after ${after}` : `every ${every_seconds} s`);

/** Runs a job in this process and waits for its end. Exit code 0 only when the run succeeded. */
export async function runJob(config: Config, id: string, { json }: Values): Promise<number> {
  return asUser(config, async (context, app) => {
    const { run_id } = await ask<{ run_id: string }>(context, "run_job", { job_id: id });
    if (!json) process.stderr.write(`${run_id} …\n`);
    await app.runOne(context.context.userKey, run_id);
    const run = await ask<ShownRun>(context, "get_run", { run_id });
    // Who waited for it has it here.
    await app.connectionDeps.servicesFor(context.context).inbox?.markRunRead(run_id);
    if (json) printJson(run);
    else printRun(run);
    return run.status === "succeeded" ? 0 : 1;
  });
}

/** Shows when a schedule would run; nothing is stored. */
export async function previewTimes(config: Config, values: Values & Given): Promise<number> {
  const { cron, at, every, timezone, startsAt, endsAt, count, json } = values;
  const number = (given: unknown) => (given === undefined ? undefined : Number(given));
  return asUser(config, async (context) => {
    const preview = await ask<{ times: string[] }>(context, "preview_schedule", {
      cron,
      execute_at: at,
      every_seconds: number(every),
      timezone,
      starts_at: startsAt,
      ends_at: endsAt,
      count: number(count),
    });
    if (json) printJson(preview);
    else print(preview.times.join("\n") || "It has no time left.");
    return 0;
  });
}

/** What `jobs preview` is given: the words of a job file. */
type Given = {
  readonly [key in "cron" | "at" | "every" | "timezone" | "startsAt" | "endsAt" | "count"]?: unknown;
};

/** Queues the runs that a job's schedule had between two moments; a server at work, or one to come, runs them. */
export async function backfillJob(
  config: Config,
  id: string,
  { json, from, to }: Values & { from?: unknown; to?: unknown },
): Promise<number> {
  return asUser(config, async (context) => {
    const queued = await ask<Backfilled>(context, "backfill", { job_id: id, from, to });
    if (json) printJson(queued);
    else {
      for (const { run_id, scheduled_for } of queued.runs) print(`${run_id}  ${scheduled_for}`);
      const left = queued.already_run > 0 ? `, ${queued.already_run} had their run before` : "";
      print(`${queued.queued} queued${left}; \`nightshift runs list\` shows what comes of them.`);
    }
    return 0;
  });
}

interface Backfilled {
  readonly queued: number;
  readonly already_run: number;
  readonly runs: readonly { readonly run_id: string; readonly scheduled_for: string }[];
}

export async function validateJobs(dir: string | undefined, { json }: Values): Promise<number> {
  if (!dir) throw new NightshiftError("CONFIG_INVALID", "Name the folder: nightshift jobs validate ./jobs");
  const { jobs, problems } = await scanFolder(resolve(dir), Date.now());
  if (json) {
    const shown = jobs.map(({ file, job }) => ({
      file,
      name: job.name,
      next_run: job.nextRunAt && toZonedIso(job.nextRunAt, job.timezone),
      ...(job.schedule.kind === "after" && { after: job.schedule.jobId }),
    }));
    printJson({ valid: problems.length === 0, jobs: shown, problems });
    return problems.length === 0 ? 0 : 1;
  }
  for (const { file, job } of jobs) print(`${paint("green", "ok")}   ${file}  ${comingOf(job)}`);
  for (const { file, line, message } of problems)
    print(`${paint("red", "bad")}  ${file}${line ? `:${line}` : ""}  ${plain(message)}`);
  if (jobs.length + problems.length === 0) print("No job files there: *.md, *.ts or *.js.");
  return problems.length === 0 ? 0 : 1;
}

function comingOf({ schedule, nextRunAt, timezone }: FolderJob["job"]): string {
  if (schedule.kind === "after") return `after ${schedule.jobId}`;
  return nextRunAt === null ? "its time has passed" : `next ${toZonedIso(nextRunAt, timezone)}`;
}
