import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import type { Database } from "../../src/database/database.ts";
import { openPostgres } from "../../src/database/open-postgres.ts";
import { DEFAULT_LIMITS } from "../../src/jobs/job.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { openRunStore } from "../../src/store/run-store.ts";
import { startPostgres } from "../postgres/start.ts";
import { bundleThread } from "./ghosts.ts";
import type { NodeFigures } from "./node.ts";

export interface NodesRow {
  readonly nodes: number;
  readonly ghostsAtOnce: number;
  /** Delay after the due time, of occurrences that come one by one. */
  readonly medianLateMs: number;
  readonly p99LateMs: number;
  /** Delay after another process queued a run. */
  readonly askedMedianMs: number;
  readonly askedMaxMs: number;
  /** Figures of many occurrences that are due at once. */
  readonly perSecond: number;
  readonly nodeCpuMsEach: number;
  readonly postgresCpuMsEach: number;
  readonly tripsEach: number;
}

const ONE_BY_ONE = 120;
const EVERY_MS = 100;
const ASKED = 20;
const CROWD = 600;
const USERS = 20;
const AHEAD_MS = 5_000;

interface Node {
  figures(): Promise<NodeFigures>;
  close(): Promise<void>;
}

async function startNode(url: string, threadFile: string, ghosts: number): Promise<Node> {
  const child: ChildProcess = spawn(
    process.execPath,
    [join(import.meta.dirname, "node.ts"), url, threadFile, String(ghosts)],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  if (!child.stdout || !child.stdin) throw new Error("no pipes");
  const { stdin } = child;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return {
    async figures() {
      stdin.write("\n");
      return JSON.parse((await lines.next()).value ?? "") as NodeFigures;
    },
    async close() {
      stdin.end();
      await exited;
    },
  };
}

const userKeyOf = (user: number) => String(user).padStart(64, "0");
const jobStoreOf = (db: Database, user: number) =>
  openJobStore(db, { userKey: userKeyOf(user), userId: String(user), now: Date.now, maxJobs: 100_000 });

const add = (db: Database, user: number, at: number) =>
  jobStoreOf(db, user).create({
    name: null,
    action: { kind: "tool", tool: "current_time", arguments: {} },
    schedule: { kind: "at", at },
    timezone: "UTC",
    limits: DEFAULT_LIMITS,
    tools: null,
    nextRunAt: at,
    origin: { kind: "tool", parentSessionId: "s", threadId: "t" },
  });

async function untilEnded(db: Database, count: number): Promise<void> {
  for (;;) {
    const row = await db.kysely
      .selectFrom("runs")
      .select((eb) => eb.fn.countAll().as("count"))
      .where("status", "=", "succeeded")
      .executeTakeFirst();
    if (Number(row?.count) >= count) return;
    await wait(20);
  }
}

/** CPU of a Postgres and all its processes, those that have ended too. */
function cpuMsOf(folder: string): number {
  const postmaster = Number(readFileSync(join(folder, "postmaster.pid"), "utf8").split("\n")[0]);
  let ticks = 0;
  for (const pid of readdirSync("/proc").map(Number).filter(Boolean)) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /, "")
        .split(" ")
        .map(Number);
      const [utime = 0, stime = 0, cutime = 0, cstime = 0] = fields.slice(11, 15);
      if (pid === postmaster) ticks += utime + stime + cutime + cstime;
      else if (fields[1] === postmaster) ticks += utime + stime;
    } catch {
      // The process has ended meanwhile.
    }
  }
  return ticks * 10;
}

const sum = (all: readonly number[]) => all.reduce((a, b) => a + b, 0);
const at = (sorted: readonly number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

async function measure(threadFile: string, nodes: number, ghosts: number): Promise<NodesRow> {
  const server = await startPostgres();
  const db = await openPostgres({ url: server.url, now: Date.now });
  const started: Node[] = [];
  try {
    for (let i = 0; i < nodes; i++) started.push(await startNode(server.url, threadFile, ghosts));
    const all = () => Promise.all(started.map((node) => node.figures()));
    const lates = async () => (await all()).flatMap(({ lateMs }) => lateMs);

    const first = Date.now() + AHEAD_MS;
    for (let i = 0; i < ONE_BY_ONE; i++) await add(db, i % USERS, first + i * EVERY_MS + 37);
    await untilEnded(db, ONE_BY_ONE);
    const late = (await lates()).sort((a, b) => a - b);

    const { jobId } = await add(db, 0, Date.now() + 86_400_000);
    const runs = openRunStore(db, { userKey: userKeyOf(0), now: Date.now });
    for (let i = 0; i < ASKED; i++) {
      await wait(400);
      await runs.enqueue(jobId);
      await untilEnded(db, ONE_BY_ONE + i + 1);
    }
    const asked = (await lates()).sort((a, b) => a - b);
    const known = [...late];
    const askedLate = asked.filter((ms) => {
      const index = known.indexOf(ms);
      if (index >= 0) known.splice(index, 1);
      return index < 0;
    });

    const due = Date.now() + AHEAD_MS + CROWD * 5;
    for (let i = 0; i < CROWD; i++) await add(db, i % USERS, due);
    if (Date.now() > due) throw new Error("the crowd was due before it was stored");
    await wait(due - Date.now() - 500);
    const [before, postgresBefore] = [await all(), cpuMsOf(server.folder)];
    await wait(Math.max(0, due - Date.now()));
    await untilEnded(db, ONE_BY_ONE + ASKED + CROWD);
    const seconds = (Date.now() - due) / 1_000;
    const [after, postgresAfter] = [await all(), cpuMsOf(server.folder)];
    const each = (key: "cpuMs" | "trips") =>
      (sum(after.map((one) => one[key])) - sum(before.map((one) => one[key]))) / CROWD;
    const round = (value: number) => Math.round(value * 10) / 10;
    return {
      nodes,
      ghostsAtOnce: ghosts,
      medianLateMs: at(late, 0.5),
      p99LateMs: at(late, 0.99),
      askedMedianMs: at(askedLate, 0.5),
      askedMaxMs: at(askedLate, 1),
      perSecond: round(CROWD / seconds),
      nodeCpuMsEach: round(each("cpuMs")),
      postgresCpuMsEach: round((postgresAfter - postgresBefore) / CROWD),
      tripsEach: round(each("trips")),
    };
  } finally {
    for (const node of started) await node.close();
    await db.close();
    await server.close();
  }
}

/**
 * One node and three with one Postgres on this machine: how late they pick up what is due, and how much of it they run.
 * With one ghost at once a node leaves cores idle; with sixteen the cores are the limit, and CPU for each is what tells.
 */
export async function benchNodes(): Promise<NodesRow[]> {
  const dir = await mkdtemp(join(tmpdir(), "nightshift-bench-nodes-"));
  try {
    const threadFile = await bundleThread(dir);
    const rows: NodesRow[] = [];
    for (const ghosts of [1, 16])
      for (const nodes of [1, 3]) rows.push(await measure(threadFile, nodes, ghosts));
    return rows;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

if (import.meta.main) console.table(await benchNodes());
