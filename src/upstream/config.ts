// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what people write in their own files
import { readFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { z } from "zod";
import { NightshiftError } from "../errors.ts";
import { expandHome } from "../expand-home.ts";

/** Who may use a server's tools, and which of them. What is absent is not limited. */
export interface UpstreamAccess {
  readonly userKeys?: readonly string[];
  /** By the server's own names. */
  readonly tools?: readonly string[];
}

/** A user of the file: the name of a local user or of a key's user, or the issuer and subject of an access token. */
export type UpstreamUser = string | { readonly issuer: string; readonly subject: string };

export interface StdioUpstream {
  readonly kind: "stdio";
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The environment of the process, besides PATH and HOME. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
  readonly access?: UpstreamAccess;
}

export interface HttpUpstream {
  readonly kind: "http";
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly access?: UpstreamAccess;
}

export type UpstreamServer = StdioUpstream | HttpUpstream;

/** The servers of `--mcp-config`, in the file's order. */
export type UpstreamConfig = readonly UpstreamServer[];

/** Reads a variable of the environment; undefined when it is not set. */
export type Variable = (name: string) => string | undefined;

/** A server's name is part of `server__tool`, which every model's provider must accept: no dots, and no `__`. */
const SERVER_NAME = /^(?=.{1,32}$)[a-zA-Z0-9]+(?:[_-][a-zA-Z0-9]+)*$/;
const HEADER = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

const plainText = z
  .string()
  .max(10_000)
  .refine((value) => !value.includes("\0"), "it has a NUL in it");
const name = z.string().min(1).max(300);
const access = z
  .strictObject({
    users: z.array(name.or(z.strictObject({ issuer: name, subject: name }))).optional(),
    tools: z.array(name).optional(),
  })
  .optional();
const stdio = z.strictObject({
  type: z.literal("stdio").optional(),
  command: plainText.min(1),
  args: z.array(plainText).max(1_000).default([]),
  env: z.record(z.string().regex(/^[^=\0]+$/), plainText).default({}),
  cwd: plainText.min(1).optional(),
  nightshift: access,
});
const http = z.strictObject({
  type: z.enum(["http", "streamable-http"]).optional(),
  url: z.url({ protocol: /^https?$/, error: "it must be an http:// or https:// address" }).and(plainText),
  headers: z
    .record(z.string().regex(HEADER), plainText.regex(/^[\t\x20-\x7e\x80-\xff]*$/, "no line breaks"))
    .default({}),
  nightshift: access,
});
const file = z.strictObject({
  $schema: z.string().optional(),
  mcpServers: z.record(z.string(), z.record(z.string(), z.unknown())),
});

/**
 * Reads the file that `--mcp-config` names: the `mcpServers` of desktop clients, with `command`, `args`, `env` and
 * `cwd` (relative to the file), or `url` and `headers`. `${NAME}` and `${NAME:-default}` in a text stand for a variable
 * of the environment. `nightshift: { users, tools }` limits who may use a server and which of its tools; `keyOf` finds a
 * user's key, and without it nobody may use a server that names its users. Rejects with CONFIG_INVALID, which names the file and the key but no value: it may be a secret.
 */
export async function readMcpConfig(
  path: string,
  variable: Variable,
  keyOf?: (user: UpstreamUser) => string,
): Promise<UpstreamConfig> {
  const invalid = (problem: string, cause?: unknown) =>
    new NightshiftError("CONFIG_INVALID", `${basename(path)} (--mcp-config): ${problem}.`, {}, { cause });
  const content = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw invalid(`it cannot be read (${cause.code ?? "unknown"})`, cause);
  });
  let json: unknown;
  try {
    json = JSON.parse(content.replace(/^\uFEFF/, ""));
  } catch {
    // The parser's own message quotes the file.
    throw invalid("it is not JSON");
  }
  const check = <T>(schema: z.ZodType<T>, value: unknown, at: readonly string[]): T => {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw invalid(parsed.error.issues.map((issue) => explainIssue(issue, at)).join("; "));
  };
  const { mcpServers } = check(file, json, []);
  return Object.entries(mcpServers).map(([name, raw]) => {
    if (!SERVER_NAME.test(name))
      throw invalid(
        `mcpServers.${JSON.stringify(name.slice(0, 60))}: a server's name is at most 32 letters and digits, with single - or _ between them`,
      );
    const at = ["mcpServers", name];
    const value = expand(raw, variable, (problem, key) =>
      invalid(`${[...at, ...key].join(".")}: ${problem}`),
    );
    if (value.type === "sse")
      throw invalid(
        `${at.join(".")}.type: the old HTTP+SSE transport is not supported; give the server's streamable HTTP address`,
      );
    if ("url" in value || value.type === "http" || value.type === "streamable-http") {
      const { url, headers, nightshift } = check(http, value, at);
      return { kind: "http", name, url, headers, ...toAccess(nightshift, keyOf) };
    }
    const { command, args, env, cwd, nightshift } = check(stdio, value, at);
    const directory = cwd && resolve(dirname(path), expandHome(cwd));
    return {
      kind: "stdio",
      name,
      command: expandHome(command),
      args,
      env,
      cwd: directory,
      ...toAccess(nightshift, keyOf),
    };
  });
}

function toAccess(
  given: z.output<typeof access>,
  keyOf: ((user: UpstreamUser) => string) | undefined,
): { access?: UpstreamAccess } {
  if (!given) return {};
  const { users, tools } = given;
  return {
    access: { ...(users && { userKeys: keyOf ? users.map(keyOf) : [] }), ...(tools && { tools }) },
  };
}

const NAMED = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

/** The same value with `${NAME}` in its texts replaced once: a variable's own value is not expanded again. */
function expand<T>(
  value: T,
  variable: Variable,
  problem: (message: string, key: readonly string[]) => Error,
  key: readonly string[] = [],
): T {
  if (typeof value === "string") {
    if (value.replaceAll(NAMED, "").includes("${"))
      throw problem("a variable is written ${NAME}, or ${NAME:-default}", key);
    return value.replaceAll(NAMED, (_written, name: string, fallback?: string) => {
      const found = variable(name) ?? fallback;
      if (found === undefined)
        throw problem(`the environment has no ${name}; set it, or write a default`, key);
      return found;
    }) as T;
  }
  if (typeof value !== "object" || value === null) return value;
  const inside = (part: unknown, name: string) => expand(part, variable, problem, [...key, name]);
  if (Array.isArray(value)) return value.map((part, i) => inside(part, String(i))) as T;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, inside(part, name)])) as T;
}

function explainIssue(issue: z.core.$ZodIssue, at: readonly string[]): string {
  const where = [...at, ...issue.path.map(String)].join(".") || "the file";
  if (issue.code === "unrecognized_keys") {
    const keys = issue.keys.map((key) => [...at, ...issue.path.map(String), key].join("."));
    return `${keys.join(", ")}: there is no such key`;
  }
  return `${where}: ${issue.message}`;
}

/** The log for failures of servers and for what they print. */
export interface UpstreamLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}
