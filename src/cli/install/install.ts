import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { createInterface } from "node:readline/promises";
import { text as readAll } from "node:stream/consumers";
import { type Config, variable } from "../../config.ts";
import { messageOf, NightshiftError } from "../../errors.ts";
import type { Flags } from "../command.ts";
import { oneLine, paint, plain, print, printJson } from "../output.ts";
import { type Change, planChange, type Status, selectClients } from "./plan.ts";

/**
 * Puts Nightshift into the files of MCP clients, or takes it out. Resolves to exit code 1 when a client's file was left
 * as it is because of a problem, or when no client is here. Rejects with CONFIG_INVALID for flags that do not fit.
 */
export async function installClients(
  config: Config,
  names: readonly string[],
  flags: Flags,
): Promise<number> {
  const machine = { platform: process.platform, home: homedir(), variable };
  const clients = selectClients(names, machine);
  if (clients.length === 0)
    throw new NightshiftError(
      "CONFIG_INVALID",
      "No MCP client that Nightshift knows is installed here. Name one to write its file anyway; `nightshift install --help` lists them.",
    );
  const url = flags.http === undefined ? undefined : readUrl(String(flags.http));
  const key = flags.keyFile === undefined ? undefined : await readKey(String(flags.keyFile), url);
  const wanted = flags.remove ? undefined : { config, platform: machine.platform, url, key };
  const planned = await Promise.all(clients.map((client) => planChange(client, machine, wanted)));
  const isDry = flags.dryRun === true || !(await isConfirmed(planned, flags));
  const done = isDry ? planned : await Promise.all(planned.map(applyChange));
  report(done, { isDry, json: flags.json === true, asked: isDry && flags.dryRun !== true });
  return done.some(({ status }) => status === "failed") ? 1 : 0;
}

function readUrl(given: string): string {
  const url = URL.parse(given);
  if (url && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "") return given;
  throw new NightshiftError(
    "CONFIG_INVALID",
    "--http takes the URL of a Nightshift without a password in it, such as http://127.0.0.1:3333/mcp.",
  );
}

async function readKey(file: string, url: string | undefined): Promise<string> {
  if (url === undefined)
    throw new NightshiftError("CONFIG_INVALID", "--key-file is the key for a server; give --http too.");
  const key = (
    file === "-" ? await readAll(process.stdin) : await readFile(file, "utf8").catch(noKey)
  ).trim();
  return /^[\x21-\x7e]{1,1000}$/.test(key) ? key : noKey();
}

const noKey = (): never => {
  throw new NightshiftError(
    "CONFIG_INVALID",
    "--key-file must name a file with the key on one line, or - for standard input.",
  );
};

/** Asks on a terminal, after it has shown the changes. */
async function isConfirmed(planned: readonly Change[], { json, yes, dryRun }: Flags): Promise<boolean> {
  const changes = planned.filter(({ apply }) => apply);
  if (json || yes || dryRun || changes.length === 0 || !process.stdin.isTTY || !process.stdout.isTTY)
    return true;
  changes.forEach(printChange);
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question("Write these changes? [y/N] ").finally(() => terminal.close());
  return /^y(es)?$/i.test(answer.trim());
}

interface Done extends Change {
  readonly backup?: string;
}

async function applyChange({ apply, ...change }: Change): Promise<Done> {
  try {
    const backup = await apply?.();
    return { ...change, ...(backup && { backup }) };
  } catch (error) {
    return { ...change, status: "failed", detail: messageOf(error) };
  }
}

interface ReportOptions {
  readonly isDry: boolean;
  readonly json: boolean;
  /** The changes were shown already, and the user said no. */
  readonly asked: boolean;
}

function report(done: readonly Done[], { isDry, json, asked }: ReportOptions): void {
  if (json) {
    printJson({ dry_run: isDry, clients: done.map((change) => toJson(change, isDry)) });
    return;
  }
  if (asked) {
    print("Nothing was written.");
    return;
  }
  done.forEach(isDry ? printChange : printStatus);
  if (isDry) print("Nothing was written: this was a dry run.");
  else if (done.some(({ status }) => ["added", "changed", "removed"].includes(status)))
    print("Restart these clients, so that they read their files again.");
}

const toJson = ({ client, path, status, detail, backup, diff }: Done, isDry: boolean) => ({
  client: client.id,
  file: path,
  status,
  ...(detail && { detail }),
  ...(backup && { backup }),
  ...(isDry && diff && { diff }),
});

const COLOURS: Partial<Record<Status, "green" | "red">> = {
  added: "green",
  changed: "green",
  removed: "green",
  failed: "red",
};

function printStatus({ client, path, status, detail, backup }: Done): void {
  const word = COLOURS[status] ? paint(COLOURS[status], status.padEnd(10)) : status.padEnd(10);
  print(`${word} ${client.name.padEnd(15)} ${plain(path)}`);
  if (detail) print(`${" ".repeat(11)}${oneLine(detail, 300)}`);
  if (backup) print(`${" ".repeat(11)}The file as it was: ${plain(backup)}`);
}

function printChange(change: Change): void {
  printStatus(change);
  for (const line of change.diff ?? [])
    print(paint(line.startsWith("+") ? "green" : "red", `  ${plain(line)}`));
}
