import { Command, CommanderError, Option } from "commander";
import { GIVEN_TZ, useUtc } from "../config.ts";
import { NightshiftError } from "../errors.ts";
import { RUN_STATUSES } from "../jobs/run.ts";
import { meaningsOf } from "../jobs/zone-names.ts";
import { version } from "../version.ts";
import {
  command,
  configFrom,
  DATA_OPTIONS,
  examinedFrom,
  type Flags,
  HTTP_OPTIONS,
  OPTIONS,
  type Runner,
  SERVER_OPTIONS,
} from "./command.ts";
import { factsCommand } from "./facts-commands.ts";
import { jobsCommand } from "./jobs-commands.ts";
import { paint, plain, printError } from "./output.ts";
import { migrateCommand, moveCommand } from "./postgres-commands.ts";
import { installCommand, serviceCommand } from "./setup-commands.ts";

function createProgram(done: (code: number) => void): Command {
  const run =
    (work: (flags: Flags, args: string[]) => Promise<number>) =>
    async (...given: unknown[]) => {
      const self = given.at(-1) as Command;
      done(await work(self.opts(), self.args));
    };
  const root = new Command("nightshift")
    .description(
      "An MCP server with a private context for every connection, ghosts that work at night, and a memory that ghosts cannot touch.",
    )
    .version(version)
    .addHelpText(
      "after",
      "\nExamples:\n  $ nightshift demo\n  $ nightshift stdio --user alice\n  $ nightshift jobs list --json",
    )
    .exitOverride();
  root.addCommand(
    command("stdio", "Serve one desktop client over stdin and stdout", SERVER_OPTIONS, [
      "stdio",
      "stdio --user alice --jobs ./jobs",
    ]).action(run(async (flags) => (await import("./stdio.ts")).runStdio(configFrom(flags)))),
  );
  root.addCommand(
    command(
      "demo",
      "Show a fact, a schedule and a ghost at work; needs no API key",
      [OPTIONS.json],
      ["demo"],
    ).action(run(async (flags) => (await import("./demo.ts")).runDemo({ json: flags.json === true }))),
  );
  root.addCommand(
    command(
      "serve",
      "Serve many clients over HTTP and run due jobs, with or without clients",
      [...SERVER_OPTIONS, ...HTTP_OPTIONS],
      ["serve", "serve --port 8080 --jobs ./jobs --sse"],
    ).action(run(async (flags) => (await import("./serve.ts")).runServe(configFrom(flags)))),
  );
  root.addCommand(installCommand(run));
  root.addCommand(serviceCommand(run));
  root.addCommand(jobsCommand(run));
  root.addCommand(runsCommand(run));
  root.addCommand(inboxCommand(run));
  root.addCommand(factsCommand(run));
  root.addCommand(keysCommand(run));
  root.addCommand(webhooksCommand(run));
  root.addCommand(moveCommand(run));
  root.addCommand(migrateCommand(run));
  root.addCommand(doctorCommand(run));
  return root;
}

const doctorCommand = (run: Runner): Command =>
  command(
    "doctor",
    "Check this installation and print advice",
    [
      ...SERVER_OPTIONS,
      OPTIONS.json,
      new Option(
        "--repair",
        "repair the files of the data folder where nothing can be lost by it, after a backup",
      ),
    ],
    ["doctor", "doctor --json", "doctor --repair"],
  ).action(
    run(async (flags) => {
      const options = { json: flags.json === true, repair: flags.repair === true };
      return (await import("./doctor.ts")).runDoctor(examinedFrom(flags), options);
    }),
  );

const ANSWER_OPTIONS = [
  ...DATA_OPTIONS,
  new Option("--approve", "approve of the call that it waits to make").conflicts("deny"),
  new Option("--deny", "deny that call"),
  new Option("--note <text>", "why, for the run to read"),
  new Option("--remember <scope>", "approve of the same call again without asking").choices([
    "this_run",
    "this_job",
  ]),
];

function runsCommand(run: Runner): Command {
  const runs = command("runs", "Look at the runs of jobs", [], ["runs list", "runs show run_…"]);
  const job = new Option("--job <job>", "only runs of this job: its id, a beginning of it, or its name");
  const status = new Option("--status <status>", "only runs with this status").choices(RUN_STATUSES);
  const limit = new Option("--limit <n>", "how many, 1 to 100 (default 100)");
  runs.addCommand(
    command(
      "list",
      "List runs, newest first",
      [...DATA_OPTIONS, job, status, limit],
      [
        "runs list",
        'runs list --job "Morning report" --status failed --limit 5',
        "runs list --job job_… --json",
      ],
    ).action(run(async (flags) => (await import("./runs.ts")).printRuns(configFrom(flags), flags))),
  );
  runs.addCommand(
    command("answer", "Answer a run that waits for its owner", ANSWER_OPTIONS, [
      'runs answer run_… "Yes, send it."',
      'runs answer run_… --deny --note "Not before Monday."',
    ])
      .argument("<run_id>")
      .argument("[answer]", "the answer to a question")
      .action(
        run(async (flags, args) => (await import("./runs.ts")).sendAnswer(configFrom(flags), args, flags)),
      ),
  );
  runs.addCommand(
    command("show", "Show one run with its transcript", DATA_OPTIONS, ["runs show run_…", "runs show last"])
      .argument("<run_id>")
      .action(
        run(async (flags, [id = ""]) =>
          (await import("./runs.ts")).printRunById(configFrom(flags), id, flags),
        ),
      ),
  );
  return runs;
}

function inboxCommand(run: Runner): Command {
  const inbox = command("inbox", "Read the results of your jobs", [], ["inbox list", "inbox read --json"]);
  const all = new Option("--all", "include the items that were read");
  const job = new Option("--job <job_id>", "only results of this job");
  for (const [name, description] of [
    ["list", "Show the unread items and keep them unread"],
    ["read", "Show the unread items and mark them as read"],
  ] as const)
    inbox.addCommand(
      command(
        name,
        description,
        [...DATA_OPTIONS, all, job],
        [`inbox ${name}`, `inbox ${name} --all --json`],
      ).action(run(async (flags) => (await import("./inbox.ts")).showInbox(configFrom(flags), name, flags))),
    );
  return inbox;
}

function keysCommand(run: Runner): Command {
  const keys = command(
    "keys",
    "Make and revoke the API keys of HTTP clients",
    [],
    ["keys create --user alice"],
  );
  const scopes = new Option(
    "--scopes <scopes>",
    "facts:read facts:write jobs:read jobs:write upstream:<server> (default: all, with upstream:*)",
  );
  const expires = new Option("--expires <when>", "a duration such as 30d or 12h, or a date (default: never)");
  keys.addCommand(
    command(
      "create",
      "Make a key for a user and print it once",
      [...DATA_OPTIONS, scopes, expires],
      [
        "keys create --user alice",
        'keys create --user bot --scopes "facts:read jobs:read" --expires 30d --json',
      ],
    ).action(run(async (flags) => (await import("./keys.ts")).createKey(configFrom(flags), flags))),
  );
  keys.addCommand(
    command(
      "list",
      "List a user's keys without their secrets",
      [...DATA_OPTIONS, new Option("--all", "list the keys of every user")],
      ["keys list --user alice", "keys list --all --json"],
    ).action(run(async (flags) => (await import("./keys.ts")).listKeys(configFrom(flags), flags))),
  );
  keys.addCommand(
    command("revoke", "Revoke a key at once", DATA_OPTIONS, ["keys revoke 0123456789abcdef"])
      .argument("<key_id>")
      .action(
        run(async (flags, [id = ""]) => (await import("./keys.ts")).revokeKey(configFrom(flags), id, flags)),
      ),
  );
  return keys;
}

function webhooksCommand(run: Runner): Command {
  const webhooks = command(
    "webhooks",
    "Post the end of each of a user's runs to a URL",
    [],
    ["webhooks set https://example.com/hook --user alice"],
  );
  const options = [...DATA_OPTIONS, OPTIONS.webhookAllowPrivate];
  const example = [
    "webhooks set https://example.com/hook",
    "webhooks set https://example.com/hook --user bob",
  ];
  webhooks.addCommand(
    command("set", "Post the end of each of the user's runs to this URL", options, example)
      .argument("<url>")
      .action(
        run(async (flags, [url = ""]) =>
          (await import("./webhooks.ts")).setWebhook(configFrom(flags), url, flags),
        ),
      ),
  );
  for (const [name, description] of [
    ["show", "Show the user's webhook and count its deliveries"],
    ["remove", "Remove the user's webhook; a job's own webhook stays"],
    ["test", "Send one test message to the webhook and print the outcome"],
  ] as const)
    webhooks.addCommand(
      command(name, description, options, [`webhooks ${name} --user alice`]).action(
        run(async (flags) => (await import("./webhooks.ts")).useWebhook(configFrom(flags), name, flags)),
      ),
    );
  const rotate = new Option("--rotate", "make a new secret; the old one also signs for one more day");
  webhooks.addCommand(
    command(
      "secret",
      "Print the secret that signs a user's webhooks",
      [...DATA_OPTIONS, rotate],
      ["webhooks secret --user alice", "webhooks secret --rotate"],
    ).action(run(async (flags) => (await import("./webhooks.ts")).showSecret(configFrom(flags), flags))),
  );
  return webhooks;
}

/** Runs one command line and resolves to its exit code: 1 for an expected error, which is one sentence on stderr; 70 for a bug. */
export async function main(argv: readonly string[]): Promise<number> {
  let code = 0;
  // Intl takes BST for Dhaka and AST for Alaska. `hostZoneProblem` tells.
  if (GIVEN_TZ && meaningsOf(GIVEN_TZ.replace(/^:/, ""))) useUtc();
  try {
    await createProgram((result) => {
      code = result;
    }).parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    const known = error instanceof NightshiftError;
    const message = known
      ? error.message
      : error instanceof Error
        ? (error.stack ?? error.message)
        : String(error);
    printError(`${paint("red", "nightshift:")} ${plain(message)}`);
    return known ? 1 : 70;
  }
}
