import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect, it } from "vitest";
import { SCOPES } from "../../src/context/scopes.ts";
import { openPostgres as openPostgresDatabase } from "../../src/database/open-postgres.ts";
import { openDatabase } from "../../src/database/open-sqlite.ts";
import { openKeyRing } from "../../src/store/api-keys.ts";
import { eventually, tempDir } from "../harness.ts";
import {
  type Answer,
  bearer,
  INITIALIZE,
  modernRequest,
  openAgent,
  openStream,
  send,
} from "../http/caller.ts";
import { LEGACY, serveChild } from "../http/harness.ts";
import { openPostgres } from "../postgres.ts";
import { BACKENDS } from "../world.ts";

const CLIENTS = 200;
const BUSY_CALLERS = 40;

async function makeKeys(data: string, url: string | undefined): Promise<string[]> {
  const now = Date.now;
  const database = await (url
    ? openPostgresDatabase({ url, now })
    : openDatabase({ file: join(data, "jobs.sqlite"), now }));
  const ring = openKeyRing(database, Date.now);
  const keys = Array.from({ length: CLIENTS }, (_, i) =>
    ring.create({ userId: `user ${i}`, scopes: SCOPES, expiresAt: null }),
  );
  const made = await Promise.all(keys);
  await database.close();
  return made.map(({ key }) => key);
}

type Refused = Pick<Answer, "status" | "headers">;

/** Sends again what was refused, when the server says so, and what met no server. Notes all refused. */
async function persist<T extends Refused>(ask: () => Promise<T>, refused: Refused[]): Promise<T> {
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if (answer && answer.status < 300) return answer;
    if (answer) refused.push({ status: answer.status, headers: answer.headers });
    await wait(answer ? 1_000 * Number(answer.headers["retry-after"] ?? 1) : 50);
  }
}

it.each(BACKENDS)(
  "on %s 200 clients come back at once under load, and are refused only for a while",
  async (backend) => {
    const data = await tempDir();
    const url = backend === "Postgres" ? (await openPostgres()).url : undefined;
    const env: Record<string, string> = url ? { NIGHTSHIFT_DATABASE_URL: url } : {};
    const keys = await makeKeys(data, url);
    let server = await serveChild({ data, env });
    const { port } = new URL(server.base);
    const agent = openAgent(1_000);
    const refused: Refused[] = [];
    const calls = new Map<number, number>();
    let isOver = false;
    const load = Array.from({ length: BUSY_CALLERS }, async (_, i) => {
      while (!isOver) {
        const asked = modernRequest(keys[i], "tools/call", { name: "whoami", arguments: {} });
        const answer = await send(agent, server.url, asked).catch(() => undefined);
        calls.set(answer?.status ?? 0, (calls.get(answer?.status ?? 0) ?? 0) + 1);
        if (!answer) await wait(20);
      }
    });
    /** A session of the 2025 protocol with its stream, or a stream of the 2026 protocol. */
    const connect = async (key: string | undefined, i: number) => {
      if (i % 2) {
        const notifications = { resourceSubscriptions: ["inbox://"] };
        return persist(
          () => openStream(agent, server.url, modernRequest(key, "subscriptions/listen", { notifications })),
          refused,
        );
      }
      const opened = await persist(
        () => send(agent, server.url, { body: INITIALIZE, headers: bearer(key) }),
        refused,
      );
      const session = {
        ...bearer(key),
        "mcp-session-id": String(opened.headers["mcp-session-id"]),
        "mcp-protocol-version": LEGACY,
      };
      return persist(() => openStream(agent, server.url, { method: "GET", headers: session }), refused);
    };
    const count = async (name: string) => {
      const { text } = await send(agent, `${server.base}/metrics`, {
        method: "GET",
        headers: bearer(keys[0]),
      });
      return Number(new RegExp(`^${name} (\\d+)`, "m").exec(text)?.[1]);
    };

    let streams = await Promise.all(keys.map(connect));
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      server.kill(signal);
      await Promise.all([server.exited, ...streams.map(({ ended }) => ended)]);
      const starting = serveChild({ data, env, args: ["--port", port] });
      // They do not wait for the server: they come while it starts.
      const coming = Promise.all(keys.map(connect));
      server = await starting;
      streams = await coming;
      await eventually(async () => (await count("nightshift_sessions")) === CLIENTS / 2);
      expect(await count("nightshift_subscriptions")).toBe(CLIENTS);
    }
    isOver = true;
    await Promise.all(load);
    console.info("calls by status:", JSON.stringify([...calls]), "refused:", refused.length);
    for (const { status, headers } of refused) {
      expect([429, 503]).toContain(status);
      expect(Number(headers["retry-after"])).toBeGreaterThan(0);
    }
    expect([...calls.keys()].filter((status) => ![0, 200, 429, 503].includes(status))).toEqual([]);
    expect(calls.get(200)).toBeGreaterThan(BUSY_CALLERS);
    for (const { close } of streams) close();
    await eventually(async () => (await count("nightshift_subscriptions")) === 0);
    expect(await server.stop()).toBe(0);
  },
  300_000,
);
