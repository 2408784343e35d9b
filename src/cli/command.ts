import { Command, Option } from "commander";
import { type Config, type ConfigKey, ENVIRONMENT, examineConfig, readConfig } from "../config.ts";

/** Turns a command's work, which resolves to an exit code, into an action for Commander. */
export type Runner = (
  work: (flags: Flags, args: string[]) => Promise<number>,
) => (...given: unknown[]) => Promise<void>;

/** Creates a command with its flags, and lists its examples in its help. */
export function command(
  name: string,
  description: string,
  options: readonly Option[],
  examples: readonly string[],
): Command {
  const made = new Command(name).description(description);
  for (const option of options) made.addOption(option);
  if (examples.length > 0)
    made.addHelpText("after", `\nExamples:\n${examples.map((line) => `  $ nightshift ${line}`).join("\n")}`);
  return made;
}

/** The flag of a setting. Config reads its environment variable: Commander would keep an empty one, and split no list. */
export const setting = (flags: string, description: string, key: ConfigKey) =>
  new Option(flags, `${description} (env: ${ENVIRONMENT[key]})`);

/** Flags that several commands have. `--help` names the environment variable of each. */
export const OPTIONS = {
  data: setting("--data <dir>", "folder that holds facts, jobs and runs (default ~/.nightshift)", "dataDir"),
  databaseUrl: setting(
    "--database-url <url>",
    "use this Postgres instead of files; any number of nodes may share it",
    "databaseUrl",
  ),
  user: setting("--user <name>", "user to act as (default: your login name)", "user"),
  timezone: setting(
    "--timezone <zone>",
    "IANA time zone where none is set (default: this machine's)",
    "timezone",
  ),
  jobs: setting("--jobs <dir>", "folder of job files to watch", "jobsDir"),
  tools: setting("--tools <path...>", "modules that export tools: files, folders or globs", "tools"),
  mcpConfig: setting(
    "--mcp-config <file>",
    "file that lists other MCP servers whose tools jobs may use, as {mcpServers: …}",
    "mcpConfig",
  ),
  host: setting("--host <address>", "address to listen on (default 127.0.0.1)", "host"),
  port: setting("--port <port>", "port to listen on (default 3333, 0 = any)", "port"),
  metricsPort: setting(
    "--metrics-port <port>",
    "serve /metrics on this port of 127.0.0.1 instead of the main port (0 = any)",
    "metricsPort",
  ),
  sse: setting("--sse", "also serve the old HTTP+SSE transport", "sse"),
  allowedHosts: setting(
    "--allowed-hosts <name...>",
    "host names that clients use for this server, besides localhost",
    "allowedHosts",
  ),
  publicUrl: setting("--public-url <url>", "URL that clients use for this server", "publicUrl"),
  oauthIssuer: setting("--oauth-issuer <url>", "accept access tokens of this issuer", "oauthIssuer"),
  oauthAudience: setting("--oauth-audience <name>", "audience that access tokens must name", "oauthAudience"),
  webhookAllowPrivate: setting(
    "--webhook-allow-private",
    "allow webhooks to private and loopback addresses, and over plain http",
    "webhookAllowPrivate",
  ),
  json: new Option("--json", "print JSON"),
};

/** Flags of the commands that run jobs. */
export const SERVER_OPTIONS = [
  OPTIONS.data,
  OPTIONS.databaseUrl,
  OPTIONS.user,
  OPTIONS.timezone,
  OPTIONS.jobs,
  OPTIONS.tools,
  OPTIONS.mcpConfig,
  OPTIONS.webhookAllowPrivate,
];
/** Flags of the HTTP server, beside those of every server. */
export const HTTP_OPTIONS = [
  OPTIONS.host,
  OPTIONS.port,
  OPTIONS.metricsPort,
  OPTIONS.sse,
  OPTIONS.allowedHosts,
  OPTIONS.publicUrl,
  OPTIONS.oauthIssuer,
  OPTIONS.oauthAudience,
];
/** Flags of the commands that read or change stored data. */
export const DATA_OPTIONS = [OPTIONS.data, OPTIONS.databaseUrl, OPTIONS.user, OPTIONS.json];

/** The flags of one command, by their camelCase names. */
export type Flags = Readonly<Record<string, unknown>>;

/** Reads the configuration, in which a flag wins over its environment variable. Throws CONFIG_INVALID. */
export const configFrom = (flags: Flags): Config => readConfig(settingsIn(flags));

/** The same for a command that reports what is not valid. */
export const examinedFrom = (flags: Flags): ReturnType<typeof examineConfig> =>
  examineConfig(settingsIn(flags));

function settingsIn({ data, jobs, ...flags }: Flags): Partial<Record<ConfigKey, unknown>> {
  const settings = Object.keys(ENVIRONMENT).map((key) => [key, flags[key]]);
  return { ...Object.fromEntries(settings), dataDir: data, jobsDir: jobs };
}
