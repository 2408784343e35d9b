import { type Command, Option } from "commander";
import { command, configFrom, DATA_OPTIONS, OPTIONS, type Runner, SERVER_OPTIONS } from "./command.ts";

const SCHEDULE_OPTIONS = [
  new Option(
    "--cron <expression>",
    'five fields, six with seconds first, a name such as @daily, or words such as "weekdays at 9:00"',
  ),
  new Option(
    "--at <time>",
    '"2026-02-20 09:00:00", ISO 8601 with an offset, or words such as "tomorrow 9am"',
  ),
  new Option("--every <interval>", "seconds, or a duration such as 2h; starting now"),
  new Option("--timezone <zone>", "IANA name (default: this machine's)"),
  new Option("--starts-at <time>", "same formats as --at"),
  new Option("--ends-at <time>", "same formats as --at"),
  new Option("--count <n>", "how many times, 1 to 50 (default 10)"),
];

/** Defines `nightshift jobs`. */
export function jobsCommand(run: Runner): Command {
  const jobs = command("jobs", "Look at scheduled jobs and change them", [], ["jobs list", "jobs run job_…"]);
  const status = new Option("--status <status>", "only jobs with this status").choices([
    "active",
    "paused",
    "completed",
    "cancelled",
  ]);
  jobs.addCommand(
    command(
      "list",
      "List your jobs",
      [...DATA_OPTIONS, status],
      ["jobs list", "jobs list --status active --json"],
    ).action(run(async (flags) => (await import("./jobs.ts")).printJobs(configFrom(flags), flags))),
  );
  for (const [name, description] of [
    ["show", "Show one job"],
    ["pause", "Stop a job from starting runs"],
    ["resume", "Let a paused job run again"],
    ["cancel", "End a job for good; its runs are kept"],
  ] as const)
    jobs.addCommand(
      command(name, description, DATA_OPTIONS, [`jobs ${name} job_…`])
        .argument("<job_id>")
        .action(
          run(async (flags, [id = ""]) =>
            (await import("./jobs.ts")).changeJob(configFrom(flags), name, id, flags),
          ),
        ),
    );
  jobs.addCommand(
    command("run", "Run a job now and wait for it", [...SERVER_OPTIONS, OPTIONS.json], ["jobs run job_…"])
      .argument("<job_id>")
      .action(
        run(async (flags, [id = ""]) => (await import("./jobs.ts")).runJobHere(configFrom(flags), id, flags)),
      ),
  );
  jobs.addCommand(createCommand(run));
  jobs.addCommand(previewCommand(run));
  jobs.addCommand(backfillCommand(run));
  jobs.addCommand(validateCommand(run));
  return jobs;
}

const createCommand = (run: Runner): Command =>
  command(
    "create",
    "Schedule a prompt or one tool call",
    [
      ...SERVER_OPTIONS,
      new Option("--prompt <text>", "what the ghost is to do"),
      new Option("--tool <name>", "the tool to call instead, without a model"),
      new Option("--arguments <json>", "the tool's arguments"),
      new Option("--name <name>", "what to call the job"),
      new Option("--cron <expression>", 'a cron expression, or words such as "weekdays at 9:00"'),
      new Option("--at <time>", 'once: "2026-02-20 09:00:00", ISO 8601 with an offset, or "tomorrow 9am"'),
      new Option("--every <interval>", "seconds, or a duration such as 2h"),
      new Option("--after <job>", "whenever that job has succeeded: its id, a beginning of it, or its name"),
      new Option("--allow-duplicate", "make it although an active job does the same"),
      OPTIONS.json,
    ],
    [
      'jobs create --prompt "Write me a report" --cron "weekdays at 9:00" --timezone Europe/Berlin',
      "jobs create --tool whoami --every 2h --name Watch",
    ],
  ).action(run(async (flags) => (await import("./jobs.ts")).createJob(configFrom(flags), flags)));

const previewCommand = (run: Runner): Command =>
  command(
    "preview",
    "Print the times of a schedule, clock changes included; stores nothing",
    [...SCHEDULE_OPTIONS, OPTIONS.json],
    [
      'jobs preview --cron "0 9 * * 1-5" --timezone Europe/Berlin',
      "jobs preview --every 90 --count 3 --json",
    ],
  ).action(run(async (flags) => (await import("./jobs.ts")).previewTimes(configFrom(flags), flags)));

const backfillCommand = (run: Runner): Command =>
  command(
    "backfill",
    "Queue a run for each time that a job's schedule had between two moments",
    [
      ...DATA_OPTIONS,
      new Option(
        "--from <time>",
        "start, in the past; same formats as --at of preview",
      ).makeOptionMandatory(),
      new Option("--to <time>", "end; same formats as --at of preview").makeOptionMandatory(),
    ],
    ['jobs backfill job_… --from "2026-02-01 00:00:00" --to "2026-02-03 00:00:00"'],
  )
    .argument("<job_id>")
    .action(
      run(async (flags, [id = ""]) => (await import("./jobs.ts")).backfillJob(configFrom(flags), id, flags)),
    );

const validateCommand = (run: Runner): Command =>
  command(
    "validate",
    "Check the files of a jobs folder; this loads code jobs, which runs their top level",
    [OPTIONS.jobs, OPTIONS.json],
    ["jobs validate ./jobs"],
  )
    .argument("[dir]")
    .action(
      run(async (flags, [dir]) =>
        (await import("./jobs.ts")).validateJobs(
          configFrom({ ...flags, jobs: dir ?? flags.jobs }).jobsDir,
          flags,
        ),
      ),
    );
