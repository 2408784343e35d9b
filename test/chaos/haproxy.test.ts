import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect, it } from "vitest";
import { cli, start } from "../child-process.ts";
import { eventually, ROOT, tempDir } from "../harness.ts";
import { type Caller, openAgent, openCaller } from "../http/caller.ts";
import { type Child, serveChild } from "../http/harness.ts";
import { openPostgres } from "../postgres.ts";

const HAPROXY = ["/usr/sbin", ...(process.env.PATH ?? "").split(delimiter)]
  .map((folder) => join(folder, "haproxy"))
  .find(existsSync);
const WAITING = new URL("../http/modules/waiting.ts", import.meta.url).pathname;
const NAMES = ["a", "b", "c"] as const;
type Name = (typeof NAMES)[number];

/** The example of the operations page, with the nodes of this test in it. */
async function startBalancer(command: string, ports: Record<Name, number>) {
  const page = readFileSync(join(ROOT, ".github/OPERATIONS.md"), "utf8");
  const [, example = ""] = /```\n(defaults\n[\s\S]*?)```/.exec(page) ?? [];
  const port = await freePort();
  const config = example
    .replace(/\b([abc]):3333\b/g, (_all, name: Name) => `127.0.0.1:${ports[name]}`)
    .replace("bind :3333", `bind 127.0.0.1:${port}`);
  expect(config.match(/127\.0\.0\.1/g)).toHaveLength(13);
  const file = join(await tempDir(), "haproxy.cfg");
  await writeFile(file, config);
  const checked = await start(["-c", "-f", file], { command }).exited;
  expect(checked.code).toBe(0);
  start(["-db", "-f", file], { command });
  return { url: `http://127.0.0.1:${port}/mcp` };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function openCluster(command: string) {
  const { url } = await openPostgres();
  const env = { NIGHTSHIFT_DATABASE_URL: url, NIGHTSHIFT_DRAIN_SECONDS: "6" };
  const ports = { a: await freePort(), b: await freePort(), c: await freePort() };
  const startNode = (name: Name) =>
    serveChild({
      env: { ...env, NIGHTSHIFT_NODE: name },
      args: ["--port", String(ports[name]), "--tools", WAITING],
    });
  const key = JSON.parse((await cli(["keys", "create", "--user", "alice", "--json"], { env })).stdout).key;
  const nodes = Object.fromEntries(
    await Promise.all(NAMES.map(async (name) => [name, await startNode(name)])),
  ) as Record<Name, Child>;
  const balancer = await startBalancer(command, ports);
  const answers = async () =>
    (await openCaller("modern", balancer, key)).call("whoami").catch(() => undefined);
  await eventually(answers, 20_000);
  /** A session of the 2025 protocol on that node. */
  const sessionOn = (name: Name): Promise<Caller> =>
    eventually(async () => {
      const caller = await openCaller("legacy", balancer, key).catch(() => undefined);
      return caller?.sessionId?.startsWith(`${name}.`) ? caller : undefined;
    }, 30_000);
  return { nodes, balancer, key, sessionOn, startNode };
}

interface Seen {
  readonly status: number;
  readonly isHtml: boolean;
  readonly atMs: number;
}

/** Sends requests one after the other, each over a connection of its own, until it is ended. */
function ask(caller: Caller) {
  const seen: Seen[] = [];
  let isOver = false;
  const asking = (async () => {
    while (!isOver) {
      const answer = await caller
        .send("tools/call", { name: "whoami", arguments: {} })
        .catch(() => undefined);
      const isHtml = /<html/i.test(answer?.text ?? "");
      seen.push({ status: answer?.status ?? 0, isHtml, atMs: performance.now() });
      await wait(10);
    }
  })();
  return {
    seen,
    /** Resolves to what was seen. */
    async end(): Promise<readonly Seen[]> {
      isOver = true;
      await asking;
      return seen;
    },
  };
}

/** The answers that a client cannot use: no result, no error in JSON, or a balancer's page. */
const unusable = (seen: readonly Seen[]) => seen.filter(({ status, isHtml }) => isHtml || status === 0);
const lastAre = (seen: readonly Seen[], status: number) =>
  seen.length >= 20 && seen.slice(-20).every((one) => one.status === status);

it("the operations page's HAProxy drains a node that stops, and leaves one that was killed", async (test) => {
  if (!HAPROXY) return test.skip("haproxy is not installed");
  const { nodes, balancer, key, sessionOn, startNode } = await openCluster(HAPROXY);
  const modern = await openCaller("modern", balancer, key, openAgent(10));

  // A node that stops: nobody notices, but for its sessions, which are told that they are gone.
  const onA = await sessionOn("a");
  const stream = await onA.listen([]);
  let [calls, session] = [ask(modern), ask(onA)];
  const slow = Array.from({ length: 6 }, () => modern.call("wait", { ms: 1_500, word: "w" }));
  expect(await nodes.a.stop()).toBe(0);
  for (const one of await Promise.all(slow)) expect(one.structuredContent.word).toBe("w");
  await stream.ended;
  await eventually(async () => lastAre(session.seen, 404));
  const [stopCalls, stopSession] = [await calls.end(), await session.end()];
  console.info("stopped:", countOf(stopCalls), "session:", countOf(stopSession));
  expect(stopCalls.filter(({ status }) => status !== 200)).toEqual([]);
  expect(unusable(stopSession)).toEqual([]);
  expect((await sessionOn("b")).sessionId).toBeTruthy();

  // It comes back.
  nodes.a = await startNode("a");
  await sessionOn("a");

  // A node that is killed: what it was doing is lost, and soon nobody is sent to it.
  const onB = await sessionOn("b");
  const cut = await onB.listen([]);
  [calls, session] = [ask(modern), ask(onB)];
  nodes.b.kill("SIGKILL");
  await cut.ended;
  await eventually(async () => lastAre(session.seen, 404) && lastAre(calls.seen, 200), 20_000);
  const [killCalls, killSession] = [await calls.end(), await session.end()];
  console.info("killed:", countOf(killCalls), "session:", countOf(killSession));
  expect(killCalls.filter(({ status }) => status !== 200).length).toBeLessThanOrEqual(1);
  expect(unusable(killSession).length).toBeLessThanOrEqual(1);
}, 180_000);

const countOf = (seen: readonly Seen[]) =>
  JSON.stringify(
    Object.fromEntries(
      [...Map.groupBy(seen, ({ status, isHtml }) => `${status}${isHtml ? " HTML" : ""}`)].map(
        ([what, all]) => [
          what,
          `${all.length} in ${Math.round((all.at(-1)?.atMs ?? 0) - (all[0]?.atMs ?? 0))} ms`,
        ],
      ),
    ),
  );
