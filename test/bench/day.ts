import { mkdtemp, rm } from "node:fs/promises";
import { Agent, type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { pino } from "pino";
import { createApp } from "../../src/app.ts";
import { readConfig } from "../../src/config.ts";
import { SCOPES } from "../../src/context/scopes.ts";
import { createAuthenticator } from "../../src/transport/http/auth.ts";
import { serveHttp } from "../../src/transport/http/server.ts";

const HOURS = 24;
/** Code, caches and buffers take their memory in these hours, before the day is measured. */
const WARM_UP_HOURS = 3;
const SESSIONS_AN_HOUR = 210;
const RECONNECTS_AN_HOUR = 420;
const USERS = 50;
const AT_ONCE = 16;
const HOUR_MS = 3_600_000;

interface DayRow {
  readonly name: string;
  readonly value: number;
  readonly yardstick: string;
}

/**
 * A day of traffic on one server, in minutes: the clock of the program is put on by an hour after each hour's traffic.
 * Each user has a job every hour; facts are saved, found and forgotten; sessions are abandoned; streams end and are
 * opened anew. Shows the heap before and after the day, each after a forced collection.
 */
export async function benchDay(): Promise<DayRow[]> {
  const dataDir = await mkdtemp(join(tmpdir(), "nightshift-bench-day-"));
  try {
    return await measureDay(dataDir);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function measureDay(dataDir: string): Promise<DayRow[]> {
  let ahead = 0;
  const now = () => Date.now() + ahead;
  const limits = { callsPerSecond: 0, maxSessions: 1_000, sessionIdleSeconds: 4 };
  const config = readConfig({ dataDir, port: 0, spareThreads: 0, ...limits }, {});
  const app = await createApp({ config, log: pino({ level: "silent" }), now });
  const { keys, checkReady, readBacklog, runStats, connectionDeps } = app;
  const authenticator = createAuthenticator({ keys, now });
  const http = await serveHttp({
    connectionDeps,
    config,
    authenticator,
    checkReady,
    readBacklog,
    runStats,
    now,
  });
  await app.startScheduler();
  const users = await Promise.all(
    Array.from({ length: USERS }, async (_, i) => {
      const { key } = await keys.create({ userId: `user${i}`, scopes: SCOPES, expiresAt: null });
      return createUser(`${http.url}/mcp`, key);
    }),
  );
  for (const user of users)
    await user.call("schedule_task", { tool: { name: "current_time", arguments: {} }, every_seconds: 3_600 });
  let number = 0;
  const counts = { sessions: 0, reconnects: 0 };
  const hour = async () => {
    await inParallel(SESSIONS_AN_HOUR, async (i) => {
      await users[i % USERS]?.openSession();
      counts.sessions++;
    });
    await inParallel(RECONNECTS_AN_HOUR / 10, async (i) => {
      const times = (await users[i % USERS]?.reconnect(10)) ?? 0;
      counts.reconnects += times;
    });
    await inParallel(USERS, async (i) => {
      const saved = await users[i]?.call("save_fact", { fact: `Fact number ${number++} of the day.` });
      await users[i]?.call("recall_facts", { query: "number of the day" });
      await users[i]?.call("forget_fact", { fact_id: saved?.fact_id });
      await users[i]?.call("inbox", {});
      await users[i]?.call("list_runs", {});
    });
    ahead += HOUR_MS;
    while (connectionDeps.open.size > 0) await new Promise((resolve) => setTimeout(resolve, 100));
  };
  for (let i = 0; i < WARM_UP_HOURS; i++) await hour();
  const before = await heapBytes();
  const [sessions, reconnects] = [counts.sessions, counts.reconnects];
  for (let i = 0; i < HOURS; i++) await hour();
  const after = await heapBytes();
  const runs = await users[0]?.call("list_runs", { limit: 100 });
  const held = connectionDeps.held.total;
  for (const { close } of users) close();
  await http.close();
  await app.close();
  const mb = (bytes: number) => Number((bytes / 2 ** 20).toFixed(2));
  return [
    { name: "abandoned sessions", value: counts.sessions - sessions, yardstick: "5,000" },
    { name: "reconnects", value: counts.reconnects - reconnects, yardstick: "10,000" },
    {
      name: "runs of one user's job",
      value: runs?.runs.length ?? 0,
      yardstick: `up to ${HOURS + WARM_UP_HOURS}, fewer where the machine is slow`,
    },
    { name: "heap before, MB", value: mb(before), yardstick: "" },
    { name: "heap after, MB", value: mb(after), yardstick: "the heap before" },
    { name: "bytes held for clients", value: held, yardstick: "0" },
  ];
}

/** A user of the 2025 protocol, over a few connections. */
function createUser(url: string, key: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const send = (method: string, body: object | undefined, session?: string, lastEvent?: string) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const headers = {
        accept: "application/json, text/event-stream",
        authorization: `Bearer ${key}`,
        ...(body && { "content-type": "application/json" }),
        ...(session && { "mcp-session-id": session }),
        ...(lastEvent && { "last-event-id": lastEvent }),
      };
      request(url, { agent, method, headers }, resolve)
        .on("error", reject)
        .end(body && JSON.stringify(body));
    });
  const post = async (body: object, session?: string) => {
    const response = await send("POST", { jsonrpc: "2.0", ...body }, session);
    let text = "";
    for await (const chunk of response) text += chunk;
    return { session: String(response.headers["mcp-session-id"]), text };
  };
  const call = async (name: string, args: object, session?: string) => {
    const { text } = await post({ id: 2, method: "tools/call", params: { name, arguments: args } }, session);
    const data = text.startsWith("{") ? text : (/^data: (\{.*)$/m.exec(text)?.[1] ?? "{}");
    // biome-ignore lint/suspicious/noExplicitAny: whatever came over the wire
    return (JSON.parse(data) as any).result?.structuredContent;
  };
  const openSession = async () => {
    const clientInfo = { name: "day", version: "1" };
    const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
    const { session } = await post({ id: 1, method: "initialize", params });
    await call("whoami", {}, session);
    return session;
  };
  return {
    openSession,
    /** In a session that ends with it. */
    async call(name: string, args: object) {
      const session = await openSession();
      const result = await call(name, args, session);
      (await send("DELETE", undefined, session)).resume();
      return result;
    },
    /** Opens a session's stream, cuts it, and opens it again, so many times. Resolves to how many. */
    async reconnect(times: number): Promise<number> {
      const session = await openSession();
      await post({ id: 3, method: "resources/subscribe", params: { uri: "inbox://" } }, session);
      for (let i = 0; i < times; i++) {
        const stream = await send("GET", undefined, session);
        if (stream.statusCode !== 200) throw new Error(`a stream was answered with ${stream.statusCode}`);
        stream.on("error", () => {});
        stream.destroy();
        await new Promise((resolve) => stream.once("close", resolve));
        // The server hears of it a moment later; until then the stream counts as open.
        await call("whoami", {}, session);
      }
      return times;
    },
    close: () => agent.destroy(),
  };
}

async function inParallel(count: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const run = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, run));
}

async function heapBytes(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let i = 0; i < 4; i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return process.memoryUsage().heapUsed;
}

if (import.meta.main) console.table(await benchDay());
