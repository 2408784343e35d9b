import { Command, Option } from "commander";
import { type Config, ENVIRONMENT, readConfig } from "../config.ts";

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

/** A flag without a value. Config reads its environment variable, because Commander would take `false` for true. */
const flag = (name: string, description: string, variable: string) =>
  new Option(name, `${description} (env: ${variable})`);

/** Flags that several commands have. `--help` names the environment variable of each. */
export const OPTIONS = {
  data: new Option("--data <dir>", "folder that holds facts, jobs and runs (default ~/.nightshift)").env(
    ENVIRONMENT.dataDir,
  ),
  databaseUrl: new Option(
    "--database-url <url>",
    "use this Postgres instead of files; any number of nodes may share it",
  ).env(ENVIRONMENT.databaseUrl),
  user: new Option("--user <name>", "user to act as (default: your login name)").env(ENVIRONMENT.user),
  jobs: new Option("--jobs <dir>", "folder of job files to watch").env(ENVIRONMENT.jobsDir),
  tools: new Option("--tools <path...>", "modules that export tools: files, folders or globs").env(
    ENVIRONMENT.tools,
  ),
  mcpConfig: new Option(
    "--mcp-config <file>",
    "file that lists other MCP servers whose tools jobs may use, as {mcpServers: …}",
  ).env(ENVIRONMENT.mcpConfig),
  host: new Option("--host <address>", "address to listen on (default 127.0.0.1)").env(ENVIRONMENT.host),
  port: new Option("--port <port>", "port to listen on (default 3333, 0 = any)").env(ENVIRONMENT.port),
  metricsPort: new Option(
    "--metrics-port <port>",
    "serve /metrics on this port of 127.0.0.1 instead of the main port (0 = any)",
  ).env(ENVIRONMENT.metricsPort),
  sse: flag("--sse", "also serve the old HTTP+SSE transport", ENVIRONMENT.sse),
  allowedHosts: new Option(
    "--allowed-hosts <name...>",
    "host names that clients use for this server, besides localhost",
  ).env(ENVIRONMENT.allowedHosts),
  publicUrl: new Option("--public-url <url>", "URL that clients use for this server").env(
    ENVIRONMENT.publicUrl,
  ),
  oauthIssuer: new Option("--oauth-issuer <url>", "accept access tokens of this issuer").env(
    ENVIRONMENT.oauthIssuer,
  ),
  oauthAudience: new Option("--oauth-audience <name>", "audience that access tokens must name").env(
    ENVIRONMENT.oauthAudience,
  ),
  webhookAllowPrivate: flag(
    "--webhook-allow-private",
    "allow webhooks to private and loopback addresses, and over plain http",
    ENVIRONMENT.webhookAllowPrivate,
  ),
  json: new Option("--json", "print JSON"),
};

/** Flags of the commands that run jobs. */
export const SERVER_OPTIONS = [
  OPTIONS.data,
  OPTIONS.databaseUrl,
  OPTIONS.user,
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

/** Splits a list that came from the environment, where it is one string with commas. */
const splitList = (value: unknown) => (typeof value === "string" ? value.split(",") : value);

/** Reads the configuration, in which a flag wins over its environment variable. Throws CONFIG_INVALID. */
export function configFrom({ data, jobs, ...flags }: Flags): Config {
  const {
    databaseUrl,
    user,
    mcpConfig,
    webhookAllowPrivate,
    host,
    port,
    metricsPort,
    sse,
    publicUrl,
    oauthIssuer,
    oauthAudience,
  } = flags;
  const lists = { tools: splitList(flags.tools), allowedHosts: splitList(flags.allowedHosts) };
  return readConfig({
    dataDir: data,
    jobsDir: jobs,
    databaseUrl,
    user,
    mcpConfig,
    webhookAllowPrivate,
    host,
    port,
    metricsPort,
    sse,
    publicUrl,
    oauthIssuer,
    oauthAudience,
    ...lists,
  });
}
