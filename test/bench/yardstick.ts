import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { SCOPES } from "../../src/context/scopes.ts";
import { openDatabase } from "../../src/database/open-sqlite.ts";
import { openKeyRing } from "../../src/store/api-keys.ts";

const run = promisify(execFile);
export const ROOT = new URL("../..", import.meta.url).pathname;
export const SHARED = join(ROOT, "../shared/bench");

/** True if the yardstick scripts are here; the product and its tests never need them. */
export const hasYardsticks = (): boolean => existsSync(join(SHARED, "bare.mjs"));

/** Runs one of the yardstick scripts and reads the JSON line it prints. */
export async function measure(script: string, args: readonly string[]): Promise<Record<string, number>> {
  const { stdout } = await run(process.execPath, [join(SHARED, script), ...args], { cwd: ROOT });
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "{}") as Record<string, number>;
}

export const BARE_STDIO = [process.execPath, join(SHARED, "bare.mjs"), "stdio"];

export interface Started {
  readonly url: string;
  readonly pid: number;
  readonly token?: string;
  readonly tokens?: readonly string[];
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

async function startServer(
  args: readonly string[],
  env: Record<string, string>,
  port: number,
): Promise<Started> {
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: "ignore",
  });
  const url = `http://127.0.0.1:${port}/mcp`;
  while (!(await fetch(url).catch(() => undefined))) await new Promise((resolve) => setTimeout(resolve, 50));
  return {
    url,
    pid: child.pid ?? 0,
    stop: async () => {
      child.kill();
      await once(child, "exit");
    },
  };
}

/** The plain SDK server: no identity, no isolation, no storage. */
export async function startBare(): Promise<Started> {
  const port = await freePort();
  return startServer([join(SHARED, "bare.mjs"), "http", String(port)], {}, port);
}

/** The floor of an HTTP call. */
export async function startFloor(): Promise<Started> {
  const port = await freePort();
  return startServer([join(ROOT, "test/bench/floor.ts"), String(port)], {}, port);
}

/** The built product, with authentication and isolation on and no pace limit, and a key for each of so many users. */
export async function startBuilt(
  users = 1,
  prepare: (dataDir: string) => Promise<void> = async () => {},
  settings: Record<string, string> = {},
): Promise<Started> {
  const port = await freePort();
  const data = await mkdtemp(join(tmpdir(), "nightshift-bench-"));
  await prepare(data);
  const tokens = await createKeys(data, users);
  const env = {
    NIGHTSHIFT_CALLS_PER_SECOND: "0",
    NIGHTSHIFT_LOG_LEVEL: "error",
    NIGHTSHIFT_MAX_SESSIONS: "100000",
    ...settings,
  };
  const args = [join(ROOT, "dist/cli.js"), "serve", "--data", data, "--port", String(port)];
  const started = await startServer(args, env, port);
  return {
    ...started,
    token: tokens[0] ?? "",
    tokens,
    stop: async () => {
      await started.stop();
      await rm(data, { recursive: true, force: true });
    },
  };
}

async function createKeys(data: string, users: number): Promise<string[]> {
  const database = await openDatabase({ file: join(data, "jobs.sqlite"), now: Date.now });
  const ring = openKeyRing(database, Date.now);
  const created = await Promise.all(
    Array.from({ length: users }, (_, i) =>
      ring.create({ userId: `user_${i}`, scopes: SCOPES, expiresAt: null }),
    ),
  );
  await database.close();
  return created.map(({ key }) => key);
}

/** The middle of several measurements. */
export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
