import { Argument, type Command, Option } from "commander";
import { command, configFrom, OPTIONS, type Runner } from "./command.ts";
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
