import { Argument, type Command, Option } from "commander";
import { command, configFrom, HTTP_OPTIONS, OPTIONS, type Runner, SERVER_OPTIONS } from "./command.ts";
import { CLIENTS } from "./install/clients.ts";

/** Defines `nightshift install`. */
export const installCommand = (run: Runner): Command =>
  command(
    "install",
    "Put Nightshift into the files of the MCP clients that are installed here",
    [
      OPTIONS.data,
      OPTIONS.user,
      new Option("--http <url>", "let the clients use a server at this URL, instead of one that each starts"),
      new Option("--key-file <file>", "file with the API key for that server; - reads standard input"),
      new Option("--remove", "take Nightshift out again"),
      new Option("--dry-run", "show the changes and write nothing"),
      new Option("--yes", "do not ask; without a terminal nothing is asked anyway"),
      OPTIONS.json,
    ],
    [
      "install",
      "install claude-desktop cursor --dry-run",
      "install --http http://127.0.0.1:3333/mcp --key-file key.txt",
      "install --remove",
    ],
  )
    .addArgument(
      new Argument("[client...]", "default: all that are found").choices(CLIENTS.map(({ id }) => id)),
    )
    .action(
      run(async (flags, names) =>
        (await import("./install/install.ts")).installClients(configFrom(flags), names, flags),
      ),
    );

/** Defines `nightshift service`. */
export function serviceCommand(run: Runner): Command {
  const service = command(
    "service",
    "Let `serve` run from login on, so that jobs run while no client is open",
    [],
    ["service install", "service status"],
  );
  service.addCommand(
    command(
      "install",
      "Start `serve` now and at every login, with these flags and the NIGHTSHIFT_… variables that are set now",
      [
        ...SERVER_OPTIONS,
        ...HTTP_OPTIONS,
        new Option("--dry-run", "print the file and change nothing"),
        OPTIONS.json,
      ],
      ["service install", "service install --port 4000 --jobs ./jobs", "service install --dry-run"],
    ).action(
      run(async (flags) => (await import("./service/service.ts")).installService(configFrom(flags), flags)),
    ),
  );
  service.addCommand(
    command(
      "status",
      "Show whether the service is installed and runs; the exit code is 1 when it does not run",
      [OPTIONS.data, OPTIONS.json],
      ["service status", "service status --json"],
    ).action(
      run(async (flags) => (await import("./service/service.ts")).showService(configFrom(flags), flags)),
    ),
  );
  service.addCommand(
    command("logs", "Print the last hundred lines that it logged", [OPTIONS.data], ["service logs"]).action(
      run(async (flags) => (await import("./service/service.ts")).showServiceLog(configFrom(flags))),
    ),
  );
  service.addCommand(
    command(
      "remove",
      "Stop the service and remove it; facts, jobs and runs stay",
      [OPTIONS.data, OPTIONS.json],
      ["service remove"],
    ).action(
      run(async (flags) => (await import("./service/service.ts")).removeService(configFrom(flags), flags)),
    ),
  );
  return service;
}
