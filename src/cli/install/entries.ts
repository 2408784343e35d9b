import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { type Config, readConfig } from "../../config.ts";
import { isLoopback } from "../../transport/http/listen.ts";
import type { Client, Entry, Launch, Remote } from "./clients.ts";

export interface Wanted {
  readonly config: Config;
  readonly platform: NodeJS.Platform;
  /** The server to reach over HTTP. Without it the client starts Nightshift itself. */
  readonly url?: string | undefined;
  /** The API key for that server. Default: the one that the client's entry for the same URL has. */
  readonly key?: string | undefined;
}

/** What the client's file shall say. Settings that the user added to `old`, an entry of the same kind, are kept. */
export function entryFor(client: Client, wanted: Wanted, old: Entry | undefined): Entry {
  const { config, platform, url } = wanted;
  if (url === undefined) return merge(old, client.stdio(ownLaunch(config, platform)));
  // What an entry has for another server, its key above all, is not for this one.
  const same = JSON.stringify(old ?? {}).includes(JSON.stringify(url)) ? old : undefined;
  const key = wanted.key ?? keyIn(same);
  const remote = { url, ...(key && { headers: { Authorization: `Bearer ${key}` } }) };
  return merge(same, client.http?.(remote) ?? client.stdio(mcpRemote(remote, platform)));
}

/** Starts this program: by npx where it was started so, otherwise by its path, which needs no PATH. */
function ownLaunch(config: Config, platform: NodeJS.Platform): Launch {
  const usual = readConfig({}, {});
  const args = [
    "stdio",
    ...(config.dataDir === usual.dataDir ? [] : ["--data", resolve(config.dataDir)]),
    ...(config.user === usual.user ? [] : ["--user", config.user]),
  ];
  const env = {
    NIGHTSHIFT_MODEL: config.model ?? "",
    NIGHTSHIFT_MODEL_API_KEY: config.modelApiKey ?? "",
    ...(config.modelBaseUrl && { NIGHTSHIFT_MODEL_BASE_URL: config.modelBaseUrl }),
  };
  const script = realpathSync(process.argv[1] ?? "");
  if (/[\\/]_npx[\\/]/.test(script)) return { ...npx(["nightshift", ...args], platform), env };
  return { command: process.execPath, args: [script, ...args], env };
}

/** `npx` is a batch file on Windows, which only its command interpreter can start. */
const npx = (args: readonly string[], platform: NodeJS.Platform): Omit<Launch, "env"> =>
  platform === "win32"
    ? { command: "cmd", args: ["/c", "npx", "-y", ...args] }
    : { command: "npx", args: ["-y", ...args] };

/** Starts `mcp-remote`, which speaks stdio to the client and HTTP to the server. */
function mcpRemote({ url, headers }: Remote, platform: NodeJS.Platform): Launch {
  const { protocol, hostname } = new URL(url);
  const args = [
    "mcp-remote",
    url,
    ...(protocol === "http:" && !isLoopback(hostname) ? ["--allow-http"] : []),
    // Without a space, which some clients take for the end of the argument on Windows. mcp-remote fills in the value.
    // biome-ignore lint/suspicious/noTemplateCurlyInString: see above
    ...(headers ? ["--header", "Authorization:${AUTHORIZATION}"] : []),
  ];
  return { ...npx(args, platform), env: headers ? { AUTHORIZATION: headers.Authorization } : {} };
}

/** The names under which clients keep what starts or finds a server. */
const LAUNCHERS = ["command", "cmd", "url", "uri", "serverUrl", "httpUrl"];

function merge(old: Entry | undefined, fresh: Entry): Entry {
  const isSameKind =
    old &&
    LAUNCHERS.every((name) => name in old === name in fresh) &&
    isForMcpRemote(old) === isForMcpRemote(fresh);
  if (!isSameKind) return fresh;
  const envKey = ["env", "envs"].find((name) => name in fresh);
  if (!envKey) return { ...old, ...fresh };
  const env = { ...(fresh[envKey] as Launch["env"]) };
  // What the user filled in by hand stays, unless this run has a value for it.
  for (const [name, value] of Object.entries({ ...(old[envKey] as Launch["env"]) }))
    if (!env[name]) env[name] = value;
  return { ...old, ...fresh, [envKey]: env };
}

const isForMcpRemote = ({ args }: Entry): boolean => Array.isArray(args) && args.includes("mcp-remote");

const keyIn = (entry: Entry | undefined): string | undefined =>
  /"Bearer ([^"\\]+)"/.exec(JSON.stringify(entry ?? {}))?.[1];

/** The values of an entry that only this account should see. */
export const secretsIn = (entry: unknown): string[] =>
  typeof entry !== "object" || entry === null
    ? []
    : Object.entries(entry).flatMap(([name, value]) =>
        typeof value === "string" && value !== "" && /key|token|secret|password|authorization/i.test(name)
          ? [value]
          : secretsIn(value),
      );
