import { Command, Option } from "commander";
import { type Config, ENVIRONMENT, readConfig } from "../config.ts";

/** Makes of a command's work an action for Commander. */
export type Runner = (
  work: (values: Values, args: string[]) => Promise<number>,
) => (...given: unknown[]) => Promise<void>;

/** A command with its flags and its examples. */
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

/** Its twin is left to the configuration: Commander takes any value for a yes, `false` too. */
const flag = (name: string, description: string, twin: string) =>
  new Option(name, `${description} (env: ${twin})`);

/** What the commands share; each flag has an environment twin (`--help` names it). */
export const OPTIONS = {
  data: new Option("--data <dir>", "where facts, jobs and runs are kept (default ~/.nightshift)").env(
    ENVIRONMENT.dataDir,
  ),
  databaseUrl: new Option(
    "--database-url <url>",
    "Postgres instead of files, shared by as many nodes as there are",
  ).env(ENVIRONMENT.databaseUrl),
  user: new Option("--user <name>", "whose session this is (default: you)").env(ENVIRONMENT.user),
  jobs: new Option("--jobs <dir>", "folder of job files to watch").env(ENVIRONMENT.jobsDir),
  tools: new Option("--tools <path...>", "modules that export tools: files, folders or globs").env(
    ENVIRONMENT.tools,
  ),
  mcpConfig: new Option(
    "--mcp-config <file>",
    "other MCP servers whose tools jobs may name, as {mcpServers: …}",
  ).env(ENVIRONMENT.mcpConfig),
  host: new Option("--host <address>", "address to listen on (default 127.0.0.1)").env(ENVIRONMENT.host),
  port: new Option("--port <port>", "port to listen on (default 3333, 0 = any)").env(ENVIRONMENT.port),
  sse: flag("--sse", "serve the old HTTP+SSE pair too", ENVIRONMENT.sse),
  allowedHosts: new Option(
    "--allowed-hosts <name...>",
    "names under which the server is reached, besides localhost",
  ).env(ENVIRONMENT.allowedHosts),
  publicUrl: new Option("--public-url <url>", "how clients reach this server").env(ENVIRONMENT.publicUrl),
  oauthIssuer: new Option("--oauth-issuer <url>", "accept access tokens of this issuer").env(
    ENVIRONMENT.oauthIssuer,
  ),
  oauthAudience: new Option("--oauth-audience <name>", "the audience that tokens must be for").env(
    ENVIRONMENT.oauthAudience,
  ),
  webhookAllowPrivate: flag(
    "--webhook-allow-private",
    "webhooks may be private and loopback addresses, and plain http",
    ENVIRONMENT.webhookAllowPrivate,
  ),
  json: new Option("--json", "print JSON"),
};

export const SERVER = [
  OPTIONS.data,
  OPTIONS.databaseUrl,
  OPTIONS.user,
  OPTIONS.jobs,
  OPTIONS.tools,
  OPTIONS.mcpConfig,
  OPTIONS.webhookAllowPrivate,
];
export const HTTP = [
  OPTIONS.host,
  OPTIONS.port,
  OPTIONS.sse,
  OPTIONS.allowedHosts,
  OPTIONS.publicUrl,
  OPTIONS.oauthIssuer,
  OPTIONS.oauthAudience,
];
export const READER = [OPTIONS.data, OPTIONS.databaseUrl, OPTIONS.user, OPTIONS.json];

export type Values = Record<string, unknown>;

/** From the environment a list is one string with commas. */
const list = (value: unknown) => (typeof value === "string" ? value.split(",") : value);

/** The flags of a command as settings. */
export function settings({ data, jobs, ...values }: Values): Config {
  const {
    databaseUrl,
    user,
    mcpConfig,
    webhookAllowPrivate,
    host,
    port,
    sse,
    publicUrl,
    oauthIssuer,
    oauthAudience,
  } = values;
  const lists = { tools: list(values.tools), allowedHosts: list(values.allowedHosts) };
  return readConfig({
    dataDir: data,
    jobsDir: jobs,
    databaseUrl,
    user,
    mcpConfig,
    webhookAllowPrivate,
    host,
    port,
    sse,
    publicUrl,
    oauthIssuer,
    oauthAudience,
    ...lists,
  });
}
