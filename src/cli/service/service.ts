import { execFile } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseEnv, promisify } from "node:util";
import { type Config, type ConfigKey, ENVIRONMENT, variable } from "../../config.ts";
import { messageOf, NightshiftError } from "../../errors.ts";
import { findServing } from "../../scheduler/serving.ts";
import type { Flags } from "../command.ts";
import { plain, print, printJson } from "../output.ts";
import { managerOf, type ServiceCommand, type Step } from "./definitions.ts";

const run = promisify(execFile);

/**
 * Makes `nightshift serve` start at login, and starts it now. Its settings, from flags and NIGHTSHIFT_… variables, go
 * into a file that only this account can read. Rejects with CONFIG_INVALID when the system's own tool refuses.
 */
export async function installService(config: Config, flags: Flags): Promise<number> {
  const manager = managerOf(process.platform);
  const file = manager.fileIn(homedir(), variable);
  const dataDir = resolve(config.dataDir);
  const envFile = join(dataDir, "service.env");
  const command = commandIn(dataDir, envFile);
  const text = manager.define(command);
  if (flags.dryRun) {
    if (flags.json) printJson({ dry_run: true, file, definition: String(text) });
    else print(`${plain(file)}:\n\n${String(text)}`);
    return 0;
  }
  await mkdir(dirname(file), { recursive: true });
  await writeSettings(envFile, settingsOf(config, flags));
  await writeFile(file, text);
  await runSteps(
    manager.start(file),
    `The ${manager.name} is written to ${file}, but it could not be started.`,
  );
  if (flags.json) printJson({ file, log: command.logFile, environment: envFile });
  else {
    print(`Nightshift runs from now on, and from every login on: ${plain(file)}`);
    print("`nightshift service status` shows it, `nightshift service logs` what it says.");
    if (process.platform === "linux") print("For it to run before you log in, too: loginctl enable-linger");
  }
  return 0;
}

/** The command line of the service. Throws CONFIG_INVALID for a copy of Nightshift that may vanish. */
function commandIn(dataDir: string, envFile: string): ServiceCommand {
  const script = realpathSync(process.argv[1] ?? "");
  if (/[\\/]_npx[\\/]/.test(script))
    throw new NightshiftError(
      "CONFIG_INVALID",
      "This Nightshift is in npx's cache, which may be emptied. Install it first (npm install --global nightshift), then run `nightshift service install`.",
    );
  // Settings go into the file, not here: a command line is seen by every account, and one may hold a password.
  const argv = [process.execPath, `--env-file-if-exists=${envFile}`, script, "serve", "--data", dataDir];
  return { argv, logFile: join(dataDir, "service.log") };
}

const PATHS: ReadonlySet<ConfigKey> = new Set(["jobsDir", "tools", "mcpConfig"]);

/** The settings that a flag or a variable gives, as variables. */
function settingsOf(config: Config, { jobs: jobsDir, ...others }: Flags): Record<string, string> {
  const flags: Flags = { ...others, jobsDir };
  const settings: Record<string, string> = {};
  for (const [key, name] of Object.entries(ENVIRONMENT) as [ConfigKey, string][]) {
    if (key === "dataDir" || (flags[key] === undefined && !variable(name))) continue;
    const values = [config[key]].flat().map(String);
    settings[name] = values.map((value) => (PATHS.has(key) ? resolve(value) : value)).join(",");
  }
  return settings;
}

/** Adds settings to those that the file has from an earlier time. Only this account can read it. */
async function writeSettings(file: string, settings: Record<string, string>): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const before = parseEnv(await readFile(file, "utf8").catch(() => ""));
  const lines = Object.entries({ ...before, ...settings }).map(([name, value]) => {
    const quote = ["'", '"', "`"].find((one) => !value?.includes(one));
    if (quote && !/[\r\n]/.test(value ?? "")) return `${name}=${quote}${value}${quote}\n`;
    throw new NightshiftError("CONFIG_INVALID", `${name} has line breaks, or all three kinds of quotes.`);
  });
  await writeFile(file, lines.join(""), { mode: 0o600 });
  await chmod(file, 0o600);
}

async function runSteps(steps: readonly Step[], failure: string): Promise<void> {
  for (const { argv, mayFail, tries = 1 } of steps) {
    const [program = "", ...args] = argv;
    for (let left = tries - 1; ; left--) {
      const error = await run(program, args).then(
        () => undefined,
        (reason: Error & { stderr?: string }) => reason,
      );
      if (!error || mayFail) break;
      if (left > 0) await sleep(RETRY_MS);
      else throw refused(`${failure} ${argv.join(" ")}`, error);
    }
  }
}

const RETRY_MS = 500;

const refused = (what: string, error: Error & { stderr?: string }): NightshiftError =>
  new NightshiftError(
    "CONFIG_INVALID",
    `${what}: ${(error.stderr || error.message).trim().split("\n")[0]}`,
    {},
    { cause: error },
  );

/** Prints whether the service is installed, and whether a server runs. Resolves to exit code 1 when none runs. */
export async function showService({ dataDir }: Config, { json }: Flags): Promise<number> {
  const manager = managerOf(process.platform);
  const file = manager.fileIn(homedir(), variable);
  const serving = findServing(resolve(dataDir));
  const status = { installed: existsSync(file), file, running: serving !== undefined, pid: serving?.pid };
  if (json) printJson(status);
  else {
    print(
      status.installed ? `Installed: ${plain(file)}` : "Not installed; `nightshift service install` does it.",
    );
    print(
      serving
        ? `A server runs on this data folder (process ${serving.pid}).`
        : "No server runs on this data folder.",
    );
  }
  return serving ? 0 : 1;
}

/** Prints the last hundred lines of what the service logged. */
export async function showServiceLog({ dataDir }: Config): Promise<number> {
  const [program = "", ...args] = managerOf(process.platform).log(join(resolve(dataDir), "service.log"));
  try {
    const { stdout } = await run(program, args, { maxBuffer: 64 * 1024 * 1024 });
    print(stdout.trimEnd());
    return 0;
  } catch (error) {
    throw new NightshiftError(
      "CONFIG_INVALID",
      `The log could not be read: ${messageOf(error).split("\n")[0]}`,
    );
  }
}

/** Stops the service and removes its files. Facts, jobs and runs stay. */
export async function removeService({ dataDir }: Config, { json }: Flags): Promise<number> {
  const manager = managerOf(process.platform);
  const file = manager.fileIn(homedir(), variable);
  const isThere = existsSync(file);
  if (isThere) {
    await runSteps(manager.stop(file), "The service could not be stopped.");
    for (const one of [file, join(resolve(dataDir), "service.env")]) await rm(one, { force: true });
  }
  if (json) printJson({ removed: isThere });
  else
    print(isThere ? "The service is removed. Facts, jobs and runs stay." : "There is no service to remove.");
  return 0;
}
