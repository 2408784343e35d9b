import { randomBytes } from "node:crypto";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { NightshiftError } from "./errors.ts";
import { expandHome } from "./expand-home.ts";
import { LOG_LEVELS } from "./log.ts";

const EMBEDDINGS = /^(openai|openai-compatible|ollama):(.+)$/;
const MODEL = /^(anthropic|openai|openai-compatible):(.+)$/;

/** The parts of the built-in tools; `tools/builtin.ts` says which tool is in which. */
export const TOOLSETS = ["memory", "schedule"] as const;
/** `~` stands for the home folder. */
const path = z.string().min(1).transform(expandHome);

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

/** All settings with their defaults. `ENVIRONMENT` has the names of their variables. */
const configSchema = z.strictObject({
  dataDir: path.default(() => join(homedir(), ".nightshift")).describe("where facts, jobs and runs are kept"),
  user: z
    .string()
    .min(1)
    .max(300)
    .default(() => userInfo().username)
    .describe("whose session a stdio server and the command line are"),
  timezone: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe("IANA time zone of users who have set none; default: this machine's"),
  jobsDir: path.optional().describe("folder of job files to watch"),
  tools: z.array(path).default([]).describe("modules that export tools: files, folders or globs"),
  toolsets: z
    .array(z.enum(TOOLSETS))
    .min(1)
    .default([...TOOLSETS])
    .describe("parts of the built-in tools that clients are offered: memory, schedule"),
  mcpConfig: path.optional().describe("other MCP servers, in the standard mcpServers format"),
  host: z.string().min(1).default("127.0.0.1").describe("address to listen on"),
  port: whole(0, 65_535).default(3333).describe("port to listen on"),
  metricsPort: whole(0, 65_535)
    .optional()
    .describe("serve /metrics on this port of 127.0.0.1 alone, instead of the main one"),
  sse: z.stringbool().or(z.boolean()).default(false).describe("serve the old HTTP+SSE pair too"),
  allowedHosts: z
    .array(z.string().min(1))
    .default([])
    .describe("host names under which the server is reached, besides localhost"),
  publicUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("how clients reach this server, for OAuth metadata"),
  oauthIssuer: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("accept access tokens of this OAuth issuer"),
  oauthAudience: z.string().min(1).optional().describe("the audience that access tokens must be for"),
  oauthTokenType: z
    .string()
    .min(1)
    .default("at+jwt")
    .describe("the typ header of access tokens; JWT for an issuer that does not follow RFC 9068"),
  databaseUrl: z
    .url({ protocol: /^postgres(?:ql)?$/ })
    .optional()
    .describe("Postgres instead of SQLite files, as postgres://user:password@host:port/database"),
  databasePool: whole(1, 1_000)
    .default(10)
    .describe("connections to Postgres at once for jobs, and as many for facts; one more listens"),
  databaseTimeoutMs: whole(100, 3_600_000)
    .default(10_000)
    .describe("how long Postgres may take for a connection or a statement, in ms"),
  node: z
    .string()
    .regex(/^[A-Za-z0-9-]{1,63}$/, "use up to 63 letters, digits and hyphens")
    .default(() => randomBytes(4).toString("hex"))
    .describe("this process among those that share a database; session ids begin with it"),
  model: z
    .string()
    .regex(MODEL, "use anthropic:<id>, openai:<id> or openai-compatible:<id>")
    .optional()
    .describe("the model ghosts think with"),
  modelBaseUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("where the model's API is"),
  modelApiKey: z.string().min(1).optional().describe("the key for the model's API"),
  modelCallsPerMinute: whole(0, 1_000_000)
    .default(0)
    .describe("calls of the model a minute, spread evenly, on each node, 0 = no limit"),
  embeddings: z
    .string()
    .regex(EMBEDDINGS, "use openai:<id>, openai-compatible:<id> or ollama:<id>")
    .optional()
    .describe("the embedding model by which recall finds facts by meaning; facts and queries are sent to it"),
  embeddingsBaseUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("where the embedding model's API is"),
  embeddingsApiKey: z.string().min(1).optional().describe("the key for the embedding model's API"),
  logLevel: z.enum(LOG_LEVELS).default("info").describe("least severe log line to write"),
  maxCallsAtOnce: whole(1, 100_000)
    .default(256)
    .describe("calls at work at once for each principal, on each node"),
  maxSessions: whole(1, 100_000)
    .default(100)
    .describe("2025-era sessions and SSE streams for each principal, on each node"),
  maxSubscriptions: whole(1, 100_000)
    .default(100)
    .describe("open subscription streams for each principal, on each node"),
  sessionIdleSeconds: whole(1, 31_536_000)
    .default(1_800)
    .describe("an unused session is closed after so long"),
  maxBodyBytes: whole(1_024, 64 * 1024 * 1024)
    .default(1024 * 1024)
    .describe("bytes of one HTTP request's body"),
  bodySeconds: whole(1, 3_600).default(30).describe("time that one HTTP request's body may take to arrive"),
  maxHeldBytes: whole(64 * 1024, 2 ** 40)
    .default(64 * 1024 * 1024)
    .describe("bytes held for each principal at once, on each node: bodies, stored events, subscriptions"),
  keepAliveSeconds: whole(1, 3_600)
    .default(75)
    .describe("an idle HTTP connection is closed after so long; longer than a proxy keeps one"),
  maxJsonDepth: whole(4, 1_000).default(64).describe("levels of a request's JSON"),
  shutdownSeconds: whole(0, 3_600).default(10).describe("time for calls to finish when the server stops"),
  drainSeconds: whole(0, 3_600)
    .optional()
    .describe(
      "time for which a server that stops says so in /readyz, before it closes its port (default 2 on Postgres, 0 on files)",
    ),
  callsPerSecond: whole(0, 1_000_000)
    .default(100)
    .describe("calls a second for each principal, on each node, 0 = no limit"),
  maxGhosts: whole(1, 1_000)
    .default(16)
    .describe("ghosts at work at once on each node; the rest wait in order"),
  maxGhostsPerUser: whole(1, 1_000)
    .optional()
    .describe("ghosts of one user at work at once on each node; default: half of the ghosts"),
  maxTimeoutSeconds: whole(1, 86_400)
    .default(86_400)
    .describe("longest time that one run of any job gets, in seconds"),
  spareThreads: whole(0, 64).default(2).describe("ghost threads started ahead of need, each used once"),
  ghostMemoryMb: whole(16, 65_536).default(128).describe("heap of one ghost's thread, in MiB"),
  leaseMs: whole(1_000, 3_600_000).default(30_000).describe("silence before a run counts as lost, in ms"),
  maxFacts: whole(1, 10_000_000).default(10_000).describe("facts a user may keep"),
  maxFactsBytes: whole(1, 2 ** 40)
    .default(8 * 1024 * 1024)
    .describe("bytes of facts a user may keep"),
  maxFactBytes: whole(1, 1024 * 1024)
    .default(8 * 1024)
    .describe("bytes of one fact"),
  maxRunsPerDay: whole(0, 1_000_000_000)
    .default(100_000)
    .describe("runs of a user's jobs in a day (UTC), 0 = no limit"),
  maxTokensPerDay: whole(0, 1e15)
    .default(5_000_000)
    .describe("model tokens of a user's ghosts in a day (UTC), 0 = no limit"),
  maxJobs: whole(1, 10_000_000).default(1_000).describe("jobs a user may keep active"),
  keepRunsDays: whole(0, 36_500).default(90).describe("days that an ended run is kept, 0 = for ever"),
  keepRunsPerJob: whole(0, 1_000_000_000)
    .default(1_000)
    .describe("runs kept of each job, the newest, 0 = all"),
  keepTranscriptsDays: whole(0, 36_500)
    .default(30)
    .describe("days that an ended run's transcript is kept, 0 = as long as the run"),
  webhookAllowPrivate: z
    .stringbool()
    .or(z.boolean())
    .default(false)
    .describe("webhooks may be private and loopback addresses, and plain http"),
  inboxDays: whole(1, 36_500).default(30).describe("days that results stay in a user's inbox"),
  inboxItems: whole(1, 10_000).default(1_000).describe("results that a user's inbox holds"),
});

export type Config = z.output<typeof configSchema>;
export type ConfigInput = z.input<typeof configSchema>;
export type ConfigKey = keyof Config;

/** The environment variable of a setting: `dataDir` is NIGHTSHIFT_DATA_DIR. */
const variableOf = (key: string): string =>
  `NIGHTSHIFT_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;

/** The environment variable of each setting. */
export const ENVIRONMENT = Object.fromEntries(
  Object.keys(configSchema.shape).map((key) => [key, variableOf(key)]),
) as Readonly<Record<ConfigKey, string>>;

/** Settings that are lists; in the environment their items are separated by commas. */
const LISTS: ReadonlySet<string> = new Set(["tools", "toolsets", "allowedHosts"]);

/** A setting that is not valid. */
export interface ConfigProblem {
  /** Undefined for a setting that there is not. */
  readonly key: ConfigKey | undefined;
  /** Names the setting and never its value: it may be a key. */
  readonly found: string;
}

/**
 * Reads the configuration: `given` first, then the environment, then the defaults. Nothing else reads the environment.
 * Throws CONFIG_INVALID, which names the settings that are not valid.
 */
export function readConfig(
  given: Partial<Record<ConfigKey, unknown>> = {},
  env: NodeJS.ProcessEnv = process.env,
): Config {
  const { config, problems } = examineConfig(given, env);
  if (problems.length === 0) return config;
  const found = problems.map((problem) => problem.found).join("; ");
  throw new NightshiftError("CONFIG_INVALID", `The configuration is not valid. ${found}.`);
}

/** Like `readConfig`, but reports what is not valid and takes the defaults of those settings. */
export function examineConfig(
  given: Partial<Record<ConfigKey, unknown>>,
  env: NodeJS.ProcessEnv = process.env,
): { config: Config; problems: readonly ConfigProblem[] } {
  const merged: Record<string, unknown> = {};
  for (const [key, variable] of Object.entries(ENVIRONMENT)) {
    const value = env[variable];
    if (value) merged[key] = LISTS.has(key) ? value.split(",").map((part) => part.trim()) : value;
  }
  for (const [key, value] of Object.entries(given)) if (value !== undefined) merged[key] = value;
  const parsed = configSchema.safeParse(merged);
  if (parsed.success) return { config: Object.freeze(parsed.data), problems: [] };
  const problems = parsed.error.issues.map((issue) => {
    const key = issue.path[0] as ConfigKey | undefined;
    const found = key ? `${key} (${ENVIRONMENT[key] ?? "unknown"}): ${issue.message}` : issue.message;
    return { key, found };
  });
  const isValid = (key: string) => key in ENVIRONMENT && !problems.some((problem) => problem.key === key);
  const valid = Object.fromEntries(Object.entries(merged).filter(([key]) => isValid(key)));
  return { config: Object.freeze(configSchema.parse(valid)), problems };
}

/** TZ as it was given to the process. */
export const GIVEN_TZ = process.env.TZ;

/** Makes UTC the time zone of this process. */
export function useUtc(): void {
  process.env.TZ = "UTC";
}

/** Reads a variable that a file of the operator names, e.g. `${TOKEN}` in `--mcp-config`. */
export const variable = (name: string): string | undefined => process.env[name];
