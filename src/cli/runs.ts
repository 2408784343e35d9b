import type { Config } from "../config.ts";
import type { OpenContext } from "../connection/connection.ts";
import { toZonedIso } from "../jobs/time.ts";
import { type showRunSummary, type showRunWithDeliveries, tellWaitingFor } from "../tools/runs.ts";
import { asUser, callUserTool } from "./as-user.ts";
import type { Flags } from "./command.ts";
import { oneLine, paint, plain, print, printJson, table } from "./output.ts";

export type ShownRun = Awaited<ReturnType<typeof showRunWithDeliveries>>;
type RunSummary = ReturnType<typeof showRunSummary>;

/** The name and the zone of each job that has one of these runs. */
async function jobsOf(
  context: OpenContext,
  runs: readonly RunSummary[],
): Promise<ReadonlyMap<string, JobOfRun>> {
  const jobs = new Map<string, JobOfRun>();
  for (const job_id of new Set(runs.map((run) => run.job_id)))
    jobs.set(job_id, await callUserTool<JobOfRun>(context, "get_job", { job_id }));
  return jobs;
}

interface JobOfRun {
  readonly name: string | null;
  readonly timezone: string;
}

export async function printRuns(config: Config, { json, job, status, limit }: Flags): Promise<number> {
  return asUser(config, async (context) => {
    const args = { limit: limit ?? 100, job_id: job, status };
    const page = await callUserTool<{ runs: RunSummary[]; next_cursor?: string }>(context, "list_runs", args);
    if (json) printJson(page);
    else if (page.runs.length === 0) print("No runs yet.");
    else {
      const jobs = await jobsOf(context, page.runs);
      const rows = page.runs.map((run) => [
        run.run_id,
        run.status,
        toZonedIso(Date.parse(run.scheduled_for), jobs.get(run.job_id)?.timezone ?? "UTC"),
        run.execution_time_seconds === null ? "-" : `${run.execution_time_seconds} s`,
        oneLine(jobs.get(run.job_id)?.name ?? run.job_id, 40),
        oneLine(run.output ?? run.failure?.message ?? ""),
      ]);
      print(table(["RUN", "STATUS", "FOR", "TOOK", "JOB", "RESULT"], rows));
      if (page.next_cursor)
        print(`The newest ${page.runs.length} are shown. Use --job to see those of one job.`);
    }
    return 0;
  });
}

export async function sendAnswer(
  config: Config,
  [id = "", answer]: readonly string[],
  { json, approve, deny, note, remember }: Flags,
): Promise<number> {
  return asUser(config, async (context) => {
    const reply = {
      run_id: id,
      ...(answer !== undefined && { answer }),
      ...(Boolean(approve ?? deny) && { approve: approve === true }),
      ...(note !== undefined && { note }),
      ...(remember !== undefined && { remember }),
    };
    const answered = await callUserTool<{ status: string }>(context, "answer_run", reply);
    if (json) printJson(answered);
    else print("Answered; the run goes on where its jobs are run.");
    return 0;
  });
}

export async function printRunById(config: Config, id: string, { json }: Flags): Promise<number> {
  return asUser(config, async (context) => {
    const run = await callUserTool<ShownRun>(context, "get_run", { run_id: id });
    if (json) printJson(run);
    else printRun(run);
    return 0;
  });
}

export function printRun(run: ShownRun): void {
  const colour =
    run.status === "succeeded"
      ? "green"
      : ["running", "queued", "waiting"].includes(run.status)
        ? "cyan"
        : "red";
  print(`${paint("bold", run.run_id)}  ${paint(colour, run.status)}  for ${run.scheduled_for}`);
  print(`  ghost   ${run.ghost_session_id} (${run.entity_type})`);
  print(`  prompt  ${oneLine(run.prompt, 120)}`);
  for (const step of run.transcript) {
    const mark = step.skipped
      ? paint("yellow", " skipped")
      : step.denied
        ? paint("red", " denied")
        : step.is_error
          ? paint("red", " error")
          : "";
    print(
      `  ${String(step.step).padStart(2)}  ${step.type}${step.tool ? ` ${step.tool}` : ""}${mark}  ${"is_output" in step ? "the output below" : oneLine(step.result ?? step.text ?? "", 100)}`,
    );
  }
  if (run.waiting_for) print(`  ${paint("yellow", oneLine(tellWaitingFor(run.waiting_for), 2_000))}`);
  print(`  used    ${run.usage.input_tokens} tokens in, ${run.usage.output_tokens} out`);
  for (const { status, attempts, host, last_error, next_attempt_at } of run.deliveries ?? [])
    print(
      `  webhook ${status}${host ? ` ${plain(host)}` : ""}, ${attempts} attempt${attempts === 1 ? "" : "s"}${last_error ? `: ${last_error}` : ""}${next_attempt_at ? ` Next ${next_attempt_at}.` : ""}`,
    );
  const end = run.failure
    ? paint("red", `${run.failure.message} [${run.failure.code}]`)
    : plain(run.output ?? "");
  if (end) print(`\n${end}`);
}
