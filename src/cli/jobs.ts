import { resolve } from "node:path";
import type { z } from "zod";
import type { Config } from "../config.ts";
import { NightshiftError } from "../errors.ts";
import { scanFolder } from "../jobs/folder/scan.ts";
import { toZonedIso } from "../jobs/time.ts";
import type { jobShape } from "../tools/jobs/show.ts";
import { ask, asUser } from "./as-user.ts";
import { oneLine, paint, plain, print, printJson, table } from "./output.ts";
import { printRun, type ShownRun } from "./runs.ts";

type ShownJob = z.output<typeof jobShape>;
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
  print(`  when      ${job.cron ?? job.execute_at ?? `every ${job.every_seconds} s`} (${job.timezone})`);
  print(`  next      ${job.next_runs.join(", ") || "-"}`);
  print(`  ghost     ${job.ghost_session_id}`);
  print(`  tools     ${job.allowed_tools.join(", ")}`);
  print(`  limits    ${job.max_iterations} iterations, ${job.max_tokens} tokens, ${job.timeout_seconds} s`);
  if (job.webhook_url) print(`  webhook   ${plain(job.webhook_url)}`);
  if (job.waiting_because) print(`  ${paint("yellow", "waiting")}   ${job.waiting_because}`);
}

/** Runs a job in this process and waits for its end. Exit code 0 only when the run succeeded. */
export async function runJob(config: Config, id: string, { json }: Values): Promise<number> {
  return asUser(config, async (context, app) => {
    const { run_id } = await ask<{ run_id: string }>(context, "run_job", { job_id: id });
    if (!json) process.stderr.write(`${run_id} …\n`);
    await app.runOne(context.context.userKey, run_id);
    const run = await ask<ShownRun>(context, "get_run", { run_id });
    // Who waited for it has it here.
    await app.house.servicesFor(context.context).inbox?.markRunRead(run_id);
    if (json) printJson(run);
    else printRun(run);
    return run.status === "succeeded" ? 0 : 1;
  });
}

export async function validateJobs(dir: string | undefined, { json }: Values): Promise<number> {
  if (!dir) throw new NightshiftError("CONFIG_INVALID", "Name the folder: nightshift jobs validate ./jobs");
  const { jobs, problems } = await scanFolder(resolve(dir), Date.now());
  if (json) {
    const shown = jobs.map(({ file, job }) => ({
      file,
      name: job.name,
      next_run: job.nextRunAt && toZonedIso(job.nextRunAt, job.timezone),
    }));
    printJson({ valid: problems.length === 0, jobs: shown, problems });
    return problems.length === 0 ? 0 : 1;
  }
  for (const { file, job } of jobs) {
    const next =
      job.nextRunAt === null ? "its time has passed" : `next ${toZonedIso(job.nextRunAt, job.timezone)}`;
    print(`${paint("green", "ok")}   ${file}  ${next}`);
  }
  for (const { file, line, message } of problems)
    print(`${paint("red", "bad")}  ${file}${line ? `:${line}` : ""}  ${plain(message)}`);
  if (jobs.length + problems.length === 0) print("No job files there: *.md, *.ts or *.js.");
  return problems.length === 0 ? 0 : 1;
}
