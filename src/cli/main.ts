import { Command, CommanderError, Option } from "commander";
import { NightshiftError } from "../errors.ts";
import { version } from "../version.ts";
import { command, HTTP, OPTIONS, READER, type Runner, SERVER, settings, type Values } from "./command.ts";
import { jobsCommand } from "./jobs-commands.ts";
import { paint } from "./output.ts";
import { migrateCommand, moveCommand } from "./postgres-commands.ts";

function program(done: (code: number) => void): Command {
  const run =
    (work: (values: Values, args: string[]) => Promise<number>) =>
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
    command("stdio", "Serve one desktop client over stdin and stdout", SERVER, [
      "stdio",
      "stdio --user alice --jobs ./jobs",
    ]).action(run(async (values) => (await import("./stdio.ts")).runStdio(settings(values)))),
  );
  root.addCommand(
    command(
      "demo",
      "Watch a fact, a schedule and a ghost, on real parts, without a key",
      [OPTIONS.json],
      ["demo"],
    ).action(run(async (values) => (await import("./demo.ts")).runDemo({ json: values.json === true }))),
  );
  root.addCommand(
    command(
      "serve",
      "Serve many clients over HTTP, and run due jobs without any",
      [...SERVER, ...HTTP],
      ["serve", "serve --port 8080 --jobs ./jobs --sse"],
    ).action(run(async (values) => (await import("./serve.ts")).runServe(settings(values)))),
  );
  root.addCommand(jobsCommand(run));
  root.addCommand(runsCommand(run));
  root.addCommand(inboxCommand(run));
  root.addCommand(keysCommand(run));
  root.addCommand(webhooksCommand(run));
  root.addCommand(moveCommand(run));
  root.addCommand(migrateCommand(run));
  root.addCommand(
    command(
      "doctor",
      "Check this installation and say what to do",
      [
        ...SERVER,
        OPTIONS.json,
        new Option("--repair", "mend what can be mended without losing anything, after a backup"),
      ],
      ["doctor", "doctor --json", "doctor --repair"],
    ).action(
      run(async (values) => {
        const options = { json: values.json === true, repair: values.repair === true };
        return (await import("./doctor.ts")).runDoctor(settings(values), options);
      }),
    ),
  );
  return root;
}

function runsCommand(run: Runner): Command {
  const runs = command("runs", "Look at what ghosts did", [], ["runs list", "runs show run_…"]);
  const job = new Option("--job <job_id>", "only runs of this job");
  runs.addCommand(
    command(
      "list",
      "List runs, newest first",
      [...READER, job],
      ["runs list", "runs list --job job_… --json"],
    ).action(run(async (values) => (await import("./runs.ts")).listRuns(settings(values), values))),
  );
  runs.addCommand(
    command("show", "Show one run with its transcript", READER, ["runs show run_…"])
      .argument("<run_id>")
      .action(
        run(async (values, [id = ""]) => (await import("./runs.ts")).showRun(settings(values), id, values)),
      ),
  );
  return runs;
}

function inboxCommand(run: Runner): Command {
  const inbox = command("inbox", "Read what your jobs came to", [], ["inbox list", "inbox read --json"]);
  const all = new Option("--all", "what was read, too");
  const job = new Option("--job <job_id>", "only results of this job");
  for (const [name, description] of [
    ["list", "Show what is unread, and leave it so"],
    ["read", "Show what is unread, and mark it as read"],
  ] as const)
    inbox.addCommand(
      command(
        name,
        description,
        [...READER, all, job],
        [`inbox ${name}`, `inbox ${name} --all --json`],
      ).action(run(async (values) => (await import("./inbox.ts")).showInbox(settings(values), name, values))),
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
  const scopes = new Option("--scopes <scopes>", "facts:read facts:write jobs:read jobs:write (default all)");
  const expires = new Option("--expires <when>", "a span such as 30d or 12h, or a date (default never)");
  keys.addCommand(
    command(
      "create",
      "Make a key for a user; it is shown once",
      [...READER, scopes, expires],
      [
        "keys create --user alice",
        'keys create --user bot --scopes "facts:read jobs:read" --expires 30d --json',
      ],
    ).action(run(async (values) => (await import("./keys.ts")).createKey(settings(values), values))),
  );
  keys.addCommand(
    command(
      "list",
      "List a user's keys, never their secrets",
      [...READER, new Option("--all", "of every user")],
      ["keys list --user alice", "keys list --all --json"],
    ).action(run(async (values) => (await import("./keys.ts")).listKeys(settings(values), values))),
  );
  keys.addCommand(
    command("revoke", "End a key at once", READER, ["keys revoke 0123456789abcdef"])
      .argument("<key_id>")
      .action(
        run(async (values, [id = ""]) => (await import("./keys.ts")).revokeKey(settings(values), id, values)),
      ),
  );
  return keys;
}

function webhooksCommand(run: Runner): Command {
  const webhooks = command(
    "webhooks",
    "Have the ends of a user's runs told to a URL",
    [],
    ["webhooks set https://example.com/hook --user alice"],
  );
  const options = [...READER, OPTIONS.webhookAllowPrivate];
  const example = [
    "webhooks set https://example.com/hook",
    "webhooks set https://example.com/hook --user bob",
  ];
  webhooks.addCommand(
    command("set", "Tell this URL of all the user's runs", options, example)
      .argument("<url>")
      .action(
        run(async (values, [url = ""]) =>
          (await import("./webhooks.ts")).setWebhook(settings(values), url, values),
        ),
      ),
  );
  for (const [name, description] of [
    ["show", "Show the user's webhook, and what became of its deliveries"],
    ["remove", "Tell nobody any more; a job's own webhook stays"],
    ["test", "Send a message to the webhook, once, and say what came of it"],
  ] as const)
    webhooks.addCommand(
      command(name, description, options, [`webhooks ${name} --user alice`]).action(
        run(async (values) => (await import("./webhooks.ts")).useWebhook(settings(values), name, values)),
      ),
    );
  const rotate = new Option("--rotate", "make a new one; the old one signs too for a day");
  webhooks.addCommand(
    command(
      "secret",
      "Print the secret that a user's webhooks are signed with",
      [...READER, rotate],
      ["webhooks secret --user alice", "webhooks secret --rotate"],
    ).action(run(async (values) => (await import("./webhooks.ts")).showSecret(settings(values), values))),
  );
  return webhooks;
}

/** Runs one command line; resolves to the exit code. What goes wrong is one sentence on stderr. */
export async function main(argv: readonly string[]): Promise<number> {
  let code = 0;
  try {
    await program((result) => {
      code = result;
    }).parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    const known = error instanceof NightshiftError;
    const said = known
      ? error.message
      : error instanceof Error
        ? (error.stack ?? error.message)
        : String(error);
    process.stderr.write(`${paint("red", "nightshift:")} ${said}\n`);
    return known ? 1 : 70;
  }
}
