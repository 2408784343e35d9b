import { onTestFinished } from "vitest";
import type { App } from "../../src/app.ts";
import { SCOPES, type Scope } from "../../src/context/scopes.ts";
import { createAuthenticator } from "../../src/transport/http/auth.ts";
import { type HttpOptions, type HttpServer, serveHttp } from "../../src/transport/http/server.ts";
import { type Child as ChildProcess, start } from "../child-process.ts";
import { databaseEnvironment } from "../database-url.ts";
import { CLI, tempDir } from "../harness.ts";
import { openProgram, type ProgramOptions } from "../program.ts";
import { addTwin, hasTwins } from "./twins.ts";

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
  /** Makes a key for the user. Resolves to its secret. */
  key(user: string, options?: { scopes?: readonly Scope[]; expiresAt?: number | null }): Promise<string>;
}

/** Serves HTTP on real parts until the test is finished. */
export async function serve(options: ServeOptions = {}): Promise<Served> {
  const { open = false, ...given } = options;
  const { app, dataDir, lines } = await openProgram({ port: 0, callsPerSecond: 0, node: "north", ...given });
  const http = await listen(app, {}, open);
  if (hasTwins) addTwin(http.url, (await listen(app, { direct: false }, open)).url);
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
  const { oauthIssuer: issuer, oauthAudience: audience, oauthTokenType: tokenType } = app.config;
  const { openTokenVerifier } = await import("../../src/transport/http/oauth.ts");
  const tokens =
    issuer && audience
      ? await openTokenVerifier({ issuer, audience, tokenType, log: app.connectionDeps.log })
      : undefined;
  const openUser = open ? app.config.user : undefined;
  const http = await serveHttp({
    connectionDeps: app.connectionDeps,
    config: app.config,
    authenticator: createAuthenticator({ keys: app.keys, tokens, openUser, now: app.now }),
    issuer,
    checkReady: app.checkReady,
    isBusy: app.isBusy,
    readBacklog: app.readBacklog,
    runStats: app.runStats,
    now: app.now,
    ...options,
  });
  onTestFinished(() => http.close());
  return http;
}

export interface Child extends ChildProcess {
  readonly base: string;
  readonly url: string;
  readonly data: string;
  /** Asks it to stop. Resolves to its exit code. */
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

/** `nightshift serve` as a process of its own; ended with the test. */
export async function serveChild(options: ChildOptions = {}): Promise<Child> {
  const data = options.data ?? (await tempDir());
  const args = ["serve", "--port", "0", "--data", data, "--user", "alice", ...(options.args ?? [])];
  const child = start([...(options.nodeArgs ?? []), options.cli ?? CLI, ...args], {
    env: {
      NIGHTSHIFT_CALLS_PER_SECOND: "0",
      NIGHTSHIFT_SPARE_THREADS: "0",
      NIGHTSHIFT_DRAIN_SECONDS: "0",
      ...(await databaseEnvironment(args)),
      ...options.env,
    },
  });
  const url = await child.until(() => /"url":"([^"]+)"/.exec(child.stderr())?.[1]);
  return {
    ...child,
    base: new URL(url).origin,
    url,
    data,
    stop: async (signal = "SIGTERM") => {
      child.kill(signal);
      return (await child.exited).code;
    },
  };
}
