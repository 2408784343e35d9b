import { type Command, Option } from "commander";
import { command, OPTIONS, READER, type Runner, SERVER, settings } from "./command.ts";

const PREVIEW = [
  new Option("--cron <expression>", "five fields, six with seconds first, or @daily and the like"),
  new Option("--at <time>", '"2026-02-20 09:00:00", or ISO 8601 with an offset'),
  new Option("--every <seconds>", "from now on"),
  new Option("--timezone <zone>", "IANA name (default: this machine's)"),
  new Option("--starts-at <time>", "like --at"),
  new Option("--ends-at <time>", "like --at"),
  new Option("--count <n>", "how many times, 1 to 50 (default 10)"),
];

/** `nightshift jobs …`. */
export function jobsCommand(run: Runner): Command {
  const jobs = command("jobs", "Look at scheduled jobs and change them", [], ["jobs list", "jobs run job_…"]);
  const status = new Option("--status <status>", "only jobs in this state").choices([
    "active",
    "paused",
    "completed",
    "cancelled",
  ]);
  jobs.addCommand(
    command(
      "list",
      "List your jobs",
      [...READER, status],
      ["jobs list", "jobs list --status active --json"],
    ).action(run(async (values) => (await import("./jobs.ts")).listJobs(settings(values), values))),
  );
  for (const [name, description] of [
    ["show", "Show one job"],
    ["pause", "Stop a job from starting runs"],
    ["resume", "Let a paused job run again"],
    ["cancel", "End a job for good; its runs are kept"],
  ] as const)
    jobs.addCommand(
      command(name, description, READER, [`jobs ${name} job_…`])
        .argument("<job_id>")
        .action(
          run(async (values, [id = ""]) =>
            (await import("./jobs.ts")).changeJob(settings(values), name, id, values),
          ),
        ),
    );
  jobs.addCommand(
    command("run", "Run a job now and wait for it", [...SERVER, OPTIONS.json], ["jobs run job_…"])
      .argument("<job_id>")
      .action(
        run(async (values, [id = ""]) => (await import("./jobs.ts")).runJob(settings(values), id, values)),
      ),
  );
  jobs.addCommand(
    command(
      "preview",
      "Show when a schedule would run, clock changes included; stores nothing",
      [...PREVIEW, OPTIONS.json],
      [
        'jobs preview --cron "0 9 * * 1-5" --timezone Europe/Berlin',
        "jobs preview --every 90 --count 3 --json",
      ],
    ).action(run(async (values) => (await import("./jobs.ts")).previewTimes(settings(values), values))),
  );
  jobs.addCommand(
    command(
      "backfill",
      "Queue a run for each time that a job's schedule had between two moments",
      [
        ...READER,
        new Option("--from <time>", "like execute_at, in the past").makeOptionMandatory(),
        new Option("--to <time>", "like execute_at").makeOptionMandatory(),
      ],
      ['jobs backfill job_… --from "2026-02-01 00:00:00" --to "2026-02-03 00:00:00"'],
    )
      .argument("<job_id>")
      .action(
        run(async (values, [id = ""]) =>
          (await import("./jobs.ts")).backfillJob(settings(values), id, values),
        ),
      ),
  );
  jobs.addCommand(
    command(
      "validate",
      "Check the files of a jobs folder",
      [OPTIONS.jobs, OPTIONS.json],
      ["jobs validate ./jobs"],
    )
      .argument("[dir]")
      .action(
        run(async (values, [dir]) =>
          (await import("./jobs.ts")).validateJobs(dir ?? settings(values).jobsDir, values),
        ),
      ),
  );
  return jobs;
}
