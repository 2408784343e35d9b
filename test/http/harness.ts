import { type ChildProcess, execFile, spawn } from "node:child_process";
import { promisify } from "node:util";
import { onTestFinished } from "vitest";
import type { App } from "../../src/app.ts";
import { SCOPES, type Scope } from "../../src/context/scopes.ts";
import { createAuthenticator } from "../../src/transport/http/auth.ts";
import { type HttpOptions, type HttpServer, serveHttp } from "../../src/transport/http/server.ts";
import { databaseEnvironment } from "../database-url.ts";
import { CLI, eventually, tempDir } from "../harness.ts";
import { openProgram, type ProgramOptions } from "../program.ts";

export const MODERN = "2026-07-28";
export const LEGACY = "2025-11-25";

export interface ServeOptions extends ProgramOptions {
  /** Lets a caller without credentials in, as the program does on loopback while there is no key. */
  readonly open?: boolean;
}

/** A whole server in this process, on a port of its own. */
export interface Served {
  readonly app: App;
  readonly http: HttpServer;
  readonly base: string;
  readonly url: string;
  readonly dataDir: string;
  readonly lines: readonly Record<string, unknown>[];
  /** Makes a key for the user; hands over its secret. */
  key(user: string, options?: { scopes?: readonly Scope[]; expiresAt?: number | null }): Promise<string>;
}

/** Serves HTTP on real parts until the test is finished. */
export async function serve(options: ServeOptions = {}): Promise<Served> {
  const { open = false, ...given } = options;
  const { app, dataDir, lines } = await openProgram({ port: 0, callsPerSecond: 0, node: "north", ...given });
  const http = await listen(app, {}, open);
  return {
    app,
    http,
    base: http.url,
    url: `${http.url}/mcp`,
    dataDir,
    lines,
    key: async (userId, { scopes = SCOPES, expiresAt = null } = {}) =>
      (await app.keys.create({ userId, scopes, expiresAt })).key,
  };
}

/** Listens for this app on a port of its own, until the test is finished. */
export async function listen(
  app: App,
  options: Partial<HttpOptions> = {},
  open = false,
): Promise<HttpServer> {
  const { oauthIssuer: issuer, oauthAudience: audience } = app.config;
  const { openTokenVerifier } = await import("../../src/transport/http/oauth.ts");
  const tokens =
    issuer && audience
      ? await openTokenVerifier({ issuer, audience, log: app.connectionDeps.log })
      : undefined;
  const openUser = open ? app.config.user : undefined;
  const http = await serveHttp({
    connectionDeps: app.connectionDeps,
    config: app.config,
    authenticator: createAuthenticator({ keys: app.keys, tokens, openUser, now: Date.now }),
    issuer,
    checkReady: app.checkReady,
    readBacklog: app.readBacklog,
    runStats: app.runStats,
    now: Date.now,
    ...options,
  });
  onTestFinished(() => http.close());
  return http;
}

export interface Child {
  readonly base: string;
  readonly url: string;
  readonly process: ChildProcess;
  readonly data: string;
  stderr(): string;
  /** Asks it to stop; resolves to its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface ChildOptions {
  readonly data?: string;
  readonly args?: readonly string[];
  readonly nodeArgs?: readonly string[];
  readonly env?: Record<string, string>;
  /** The program; default CLI. */
  readonly cli?: string;
}

const environment = (env: Record<string, string> = {}) => ({ PATH: process.env.PATH ?? "", ...env });

/** `nightshift serve` as a process of its own; ended with the test. */
export async function serveChild(options: ChildOptions = {}): Promise<Child> {
  const data = options.data ?? (await tempDir());
  const args = ["serve", "--port", "0", "--data", data, "--user", "alice", ...(options.args ?? [])];
  const program = options.cli ?? CLI;
  const child = spawn(process.execPath, [...(options.nodeArgs ?? []), program, ...args], {
    env: environment({
      NIGHTSHIFT_CALLS_PER_SECOND: "0",
      NIGHTSHIFT_SPARE_THREADS: "0",
      ...(await databaseEnvironment(args)),
      ...options.env,
    }),
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const url = await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${stderr}`);
    return /"url":"([^"]+)"/.exec(stderr)?.[1];
  }, 30_000);
  return {
    base: new URL(url).origin,
    url,
    process: child,
    data,
    stderr: () => stderr,
    stop: (signal = "SIGTERM") => {
      child.kill(signal);
      return exited;
    },
  };
}

/** Runs the command line once. Never rejects: a test looks at the code. */
export async function cli(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const command = [CLI, ...args];
  const all = environment({ ...(await databaseEnvironment(args)), ...env });
  const options = { env: all, timeout: 30_000 };
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, command, options);
    return { code: 0, stdout, stderr };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
}
