// A process of its own: opens sessions, uses each once, abandons them, and prints what is left when they
// have expired.
import { Agent, request } from "node:http";
import { pino } from "pino";
import { createApp } from "../../../src/app.ts";
import { readConfig } from "../../../src/config.ts";
import { SCOPES } from "../../../src/context/scopes.ts";
import { createAuthenticator } from "../../../src/transport/http/auth.ts";
import { serveHttp } from "../../../src/transport/http/server.ts";

const SESSIONS = 5_000;
const WARM_UP = 500;
const USERS = 50;

const given = {
  dataDir: process.argv[2],
  port: 0,
  callsPerSecond: 0,
  maxSessions: 1_000,
  sessionIdleSeconds: 1,
};
const config = readConfig({ ...given, spareThreads: 0 }, {});
const log = pino({ level: "silent" });
const app = await createApp({ config, log });
const http = await serveHttp({
  connectionDeps: app.connectionDeps,
  config,
  authenticator: createAuthenticator({ keys: app.keys, now: Date.now }),
  checkReady: app.checkReady,
  readBacklog: app.readBacklog,
  runStats: app.runStats,
  now: Date.now,
});
const keys = await Promise.all(
  Array.from({ length: USERS }, async (_, i) => {
    const made = await app.keys.create({ userId: `user${i}`, scopes: SCOPES, expiresAt: null });
    return made.key;
  }),
);
const agent = new Agent({ keepAlive: true, maxSockets: 16 });

function post(key: string, body: object, session?: string): Promise<string | undefined> {
  const headers = {
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
    authorization: `Bearer ${key}`,
    ...(session && { "mcp-session-id": session }),
  };
  return new Promise((resolve, reject) => {
    const req = request(`${http.url}/mcp`, { agent, method: "POST", headers }, (res) => {
      res.resume().once("end", () => resolve(res.headers["mcp-session-id"] as string | undefined));
    });
    req.once("error", reject).end(JSON.stringify(body));
  });
}

let opened = 0;
async function abandon(key: string): Promise<void> {
  const clientInfo = { name: "gone", version: "1" };
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
  const session = await post(key, { jsonrpc: "2.0", id: 1, method: "initialize", params });
  if (!session) return;
  opened += 1;
  const call = { name: "whoami", arguments: {} };
  await post(key, { jsonrpc: "2.0", id: 2, method: "tools/call", params: call }, session);
}

async function abandonMany(count: number): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next++ < count) await abandon(keys[next % USERS] as string);
  };
  await Promise.all(Array.from({ length: 16 }, work));
  const deadline = Date.now() + 30_000;
  while (app.connectionDeps.open.size > 0 && Date.now() < deadline)
    await new Promise((r) => setTimeout(r, 100));
}

async function heapBytes(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return process.memoryUsage().heapUsed;
}

// Code, caches and buffers take their memory once, before the first measurement.
await abandonMany(WARM_UP);
const before = await heapBytes();
opened = 0;
await abandonMany(SESSIONS);
const after = await heapBytes();
const metrics = await fetch(`${http.url}/metrics`).then((answer) => answer.text());
const left = Number(/^nightshift_sessions (\d+)/m.exec(metrics)?.[1]);
const contexts = app.connectionDeps.open.size;
process.stdout.write(
  JSON.stringify({ opened, left, contexts, grownKb: Math.round((after - before) / 1024) }),
);
agent.destroy();
await http.close();
await app.close();
