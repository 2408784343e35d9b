import { resolve } from "node:path";
import type { Config } from "../config.ts";
import { NightshiftError } from "../errors.ts";
import type { FolderJob } from "../jobs/contracts.ts";
import { toZonedIso } from "../jobs/time.ts";
import { warningOf } from "../jobs-folder/front-matter.ts";
import { isCodeFile } from "../jobs-folder/names.ts";
import { readFolder, scanFolder } from "../jobs-folder/scan.ts";
import type { ShownJob } from "../tools/jobs/show.ts";
import { asUser, callUserTool } from "./as-user.ts";
import type { Flags } from "./command.ts";
import { oneLine, paint, plain, print, printError, printJson, table } from "./output.ts";
import { printRun, type ShownRun } from "./runs.ts";

const actionLine = (job: ShownJob): string =>
  job.prompt ?? (job.tool ? `tool ${job.tool.name}` : `file ${job.file}`);

export async function printJobs(config: Config, { json, status }: Flags): Promise<number> {
  return asUser(config, async (context) => {
    const jobs: ShownJob[] = [];
    let cursor: string | undefined;
    do {
      const args = { limit: 100, full: true, ...(status ? { status } : {}), ...(cursor && { cursor }) };
      const page = await callUserTool<{ jobs: ShownJob[]; next_cursor?: string }>(context, "list_jobs", args);
      jobs.push(...page.jobs);
      cursor = page.next_cursor;
    } while (cursor);
    if (json) printJson({ jobs });
    else if (jobs.length === 0)
      print(
        "No jobs yet. An MCP client makes one with schedule_task, and --jobs takes a folder of job files.",
      );
    else
      print(
        table(
          ["JOB", "STATUS", "NEXT", "ZONE", "WHAT"],
          jobs.map((job) => [
            job.job_id,
            job.status,
            job.next_runs[0] ?? "-",
            job.timezone,
            oneLine(job.name ?? actionLine(job)),
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
  { json }: Flags,
) {
  return asUser(config, async (context) => {
    const job = await callUserTool<ShownJob>(context, verb === "show" ? "get_job" : `${verb}_job`, {
      job_id: id,
    });
    if (json) printJson(job);
    else printJob(job);
    return 0;
  });
}

function printJob(job: ShownJob): void {
  print(`${paint("bold", job.job_id)}  ${job.status}${job.status_reason ? `  ${job.status_reason}` : ""}`);
  if (job.name) print(`  name      ${plain(job.name)}`);
  print(`  does      ${oneLine(actionLine(job), 200)}`);
  print(`  when      ${scheduleLine(job)} (${job.timezone})`);
  print(`  next      ${job.next_runs.join(", ") || "-"}`);
  print(`  ghost     ${job.ghost_session_id}`);
  print(`  tools     ${job.allowed_tools.join(", ")}`);
  print(`  limits    ${job.max_iterations} iterations, ${job.max_tokens} tokens, ${job.timeout_seconds} s`);
  if (job.webhook_url) print(`  webhook   ${plain(job.webhook_url)}`);
  if (job.waiting_because) print(`  ${paint("yellow", "waiting")}   ${job.waiting_because}`);
}

const scheduleLine = ({ cron, execute_at, every_seconds, after }: ShownJob): string =>
  cron ?? execute_at ?? (after ? `after ${after}` : `every ${every_seconds} s`);

/** Makes a job as schedule_task does. The next server that runs has its runs. */
export async function createJob(config: Config, flags: Flags): Promise<number> {
  const {
    json,
    prompt,
    tool,
    arguments: args,
    name,
    cron,
    at,
    every,
    after,
    timezone,
    allowDuplicate,
  } = flags;
  return asUser(config, async (context) => {
    const job = await callUserTool<ShownJob & { already_scheduled?: boolean }>(context, "schedule_task", {
      prompt,
      tool: tool === undefined ? undefined : { name: tool, arguments: args ?? {} },
      name,
      cron,
      execute_at: at,
      every,
      after,
      timezone,
      allow_duplicate: allowDuplicate,
    });
    if (json) printJson(job);
    else {
      if (job.already_scheduled) print("Scheduled already; --allow-duplicate makes a second one.");
      printJob(job);
    }
    return 0;
  });
}

/** Runs a job in this process and waits for its end. Resolves to exit code 0 only when the run succeeded. */
export async function runJobHere(config: Config, id: string, { json }: Flags): Promise<number> {
  return asUser(config, async (context, app) => {
    const { run_id } = await callUserTool<{ run_id: string }>(context, "run_job", { job_id: id });
    if (!json) printError(`${run_id} …`);
    await app.runOne(context.context.userKey, run_id);
    const run = await callUserTool<ShownRun>(context, "get_run", { run_id });
    // The result is printed here, so it does not stay unread.
    await app.connectionDeps.servicesFor(context.context).inbox?.markRunRead(run_id);
    if (json) printJson(run);
    else printRun(run);
    return run.status === "succeeded" ? 0 : 1;
  });
}

/** Prints the times of a schedule without storing anything. */
export async function previewTimes(config: Config, flags: Flags): Promise<number> {
  const { cron, at, every, timezone, startsAt, endsAt, count, json } = flags;
  const number = (given: unknown) => (given === undefined ? undefined : Number(given));
  return asUser(config, async (context) => {
    const preview = await callUserTool<{ times: string[] }>(context, "preview_schedule", {
      cron,
      execute_at: at,
      every,
      timezone,
      starts_at: startsAt,
      ends_at: endsAt,
      count: number(count),
    });
    if (json) printJson(preview);
    else print(preview.times.join("\n") || "This schedule has no times left.");
    return 0;
  });
}

/** Queues a run for each time that a job's schedule had between two moments. The next server that runs does them. */
export async function backfillJob(config: Config, id: string, { json, from, to }: Flags): Promise<number> {
  return asUser(config, async (context) => {
    const queued = await callUserTool<QueuedRuns>(context, "backfill", { job_id: id, from, to });
    if (json) printJson(queued);
    else {
      for (const { run_id, scheduled_for } of queued.runs) print(`${run_id}  ${scheduled_for}`);
      const left = queued.already_run > 0 ? `, ${queued.already_run} had their run before` : "";
      print(`${queued.queued} queued${left}; \`nightshift runs list\` shows how they end.`);
    }
    return 0;
  });
}

interface QueuedRuns {
  readonly queued: number;
  readonly already_run: number;
  readonly runs: readonly { readonly run_id: string; readonly scheduled_for: string }[];
}

/** Checks the files of a jobs folder. Resolves to exit code 1 when one of them is invalid. */
export async function validateJobs(dir: string | undefined, { json }: Flags): Promise<number> {
  if (!dir) throw new NightshiftError("CONFIG_INVALID", "Name the folder: nightshift jobs validate ./jobs");
  const code = (await readFolder(resolve(dir))).files.filter(isCodeFile);
  if (code.length > 0)
    printError(
      `The modules of code jobs are loaded, which runs their top level: ${oneLine(code.join(", "), 200)}`,
    );
  const { jobs, problems, ignored } = await scanFolder(resolve(dir), Date.now());
  if (json) {
    const shown = jobs.map(({ file, job, digest }) => ({
      file,
      name: job.name,
      next_run: job.nextRunAt && toZonedIso(job.nextRunAt, job.timezone),
      ...(job.schedule.kind === "after" && { after: job.schedule.jobId }),
      ...(warningOf({ file, job, digest }) && { warning: warningOf({ file, job, digest }) }),
    }));
    printJson({
      valid: problems.length === 0,
      jobs: shown,
      problems,
      ...(ignored.length > 0 && { ignored }),
    });
    return problems.length === 0 ? 0 : 1;
  }
  for (const found of jobs) {
    const warning = warningOf(found);
    const mark = warning ? paint("yellow", "warn") : `${paint("green", "ok")}  `;
    print(`${mark} ${found.file}  ${nextRunLine(found.job)}${warning ? `: ${plain(warning)}` : ""}`);
  }
  for (const { file, message } of ignored)
    print(`${paint("yellow", "none")} ${plain(file)}  left alone: ${plain(message)}`);
  for (const { file, line, message } of problems)
    print(`${paint("red", "bad")}  ${file}${line ? `:${line}` : ""}  ${plain(message)}`);
  if (jobs.length + problems.length + ignored.length === 0)
    print("The folder has no job files (*.md, *.ts or *.js).");
  return problems.length === 0 ? 0 : 1;
}

function nextRunLine({ schedule, nextRunAt, timezone }: FolderJob["job"]): string {
  if (schedule.kind === "after") return `after ${schedule.jobId}`;
  return nextRunAt === null ? "its time has passed" : `next ${toZonedIso(nextRunAt, timezone)}`;
}
