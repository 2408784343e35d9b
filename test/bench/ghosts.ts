import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import { MessageChannel, Worker } from "node:worker_threads";
import { pino } from "pino";
import { rolldown } from "rolldown";
import { openDatabase } from "../../src/database/open-sqlite.ts";
import type { GhostDeps } from "../../src/ghost/deps.ts";
import { runGhost } from "../../src/ghost/run.ts";
import { type Action, DEFAULT_LIMITS } from "../../src/jobs/job.ts";
import { openModel } from "../../src/model/provider.ts";
import { startScriptedModel } from "../../src/model/scripted.ts";
import { createSchedulerLoop } from "../../src/scheduler/loop.ts";
import { openThreads } from "../../src/scheduler/threads.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { openRunQueue } from "../../src/store/open-run-queue.ts";
import { openRunStore } from "../../src/store/run-store.ts";
import { jobTokens, openTokenBudget } from "../../src/store/usage.ts";

export interface GhostFigures {
  readonly dueToFirstLineMs: { readonly median: number; readonly max: number; readonly runs: number };
  readonly thousandDue: {
    readonly succeeded: number;
    readonly seconds: number;
    readonly ghostsPerSecond: number;
    readonly longestStallMs: number;
  };
  readonly megabytes: {
    readonly bareWorker: number;
    readonly ghostOf16: number;
    readonly ghostOf100: number;
  };
}

const USER = { userId: "bench", userKey: "b".repeat(64) };
const WHOAMI: Action = { kind: "tool", tool: "whoami", arguments: {} };

/** The ghost's thread as it is built for users: one file. */
export async function bundleThread(dir: string): Promise<string> {
  const input = new URL("../../src/ghost/thread/entry.ts", import.meta.url).pathname;
  const bundle = await rolldown({ input, platform: "node", external: ["@modelcontextprotocol/server"] });
  const file = join(dir, "ghost-thread.js");
  await bundle.write({ file, format: "esm", minify: true, codeSplitting: false });
  await writeFile(join(dir, "package.json"), '{"type":"module"}');
  return file;
}

async function openWorld(dir: string, options: { maxGhosts: number; threadFile: string; delayMs?: number }) {
  const log = pino({ level: "silent" });
  const db = await openDatabase({ file: join(dir, `jobs-${Math.random()}.sqlite`), now: Date.now });
  const jobs = openJobStore(db, { ...USER, now: Date.now, maxJobs: 100_000 });
  const openRuns = (userKey: string) => openRunStore(db, { userKey, now: Date.now });
  const runQueue = openRunQueue(db);
  const { delayMs = 0, threadFile, maxGhosts } = options;
  const scripted = await startScriptedModel({ script: () => ({ text: "done", delayMs }) });
  const threads = openThreads({ spare: 2, memoryMb: 128, log, threadFile });
  const model = openModel({
    model: "openai-compatible:scripted",
    modelBaseUrl: scripted.baseUrl,
    modelApiKey: undefined,
  });
  const deps: GhostDeps = {
    threads,
    runQueue,
    model,
    openRuns,
    openBudget: ({ jobId, userKey }) => openTokenBudget(db, [jobTokens({ jobId, userKey, maxTokens: null })]),
    log,
    now: Date.now,
    toolModules: [],
    jobsDir: dir,
  };
  const loop = createSchedulerLoop({
    runQueue,
    worker: { workerId: "bench", host: hostname(), pid: process.pid },
    filter: { kinds: ["prompt", "tool", "code"] },
    leaseMs: 30_000,
    maxGhosts,
    log,
    run: (claimed, signal) => runGhost(claimed, deps, signal),
    warm: threads.warm,
  });
  const add = (action: Action, dueAt: number) =>
    jobs.create({
      name: null,
      action,
      schedule: { kind: "at", at: dueAt },
      timezone: "UTC",
      limits: DEFAULT_LIMITS,
      tools: null,
      nextRunAt: dueAt,
      origin: { kind: "tool", parentSessionId: "s", threadId: "t" },
    });
  const close = async () => {
    await loop.stop();
    await threads.close();
    await scripted.close();
    await db.close();
  };
  return { loop, threads, add, runs: openRuns(USER.userKey), scripted, close };
}

async function measureFirstLine(dir: string, threadFile: string): Promise<GhostFigures["dueToFirstLineMs"]> {
  await writeFile(join(dir, "first.js"), "export default { run: () => Date.now() };");
  const world = await openWorld(dir, { maxGhosts: 16, threadFile });
  await world.loop.start();
  const late: number[] = [];
  for (let i = 0; i < 25; i++) {
    const due = Date.now() + 600;
    const { jobId } = await world.add({ kind: "code", file: "first.js" }, due);
    world.loop.wake();
    await wait(750);
    await world.loop.idle();
    const { runs } = await world.runs.list({ jobId });
    late.push(Number(runs[0]?.output) - due);
  }
  await world.close();
  const sorted = late.slice(1).sort((a, b) => a - b);
  return {
    median: sorted[sorted.length >> 1] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
    runs: sorted.length,
  };
}

async function measureThousand(dir: string, threadFile: string): Promise<GhostFigures["thousandDue"]> {
  const world = await openWorld(dir, { maxGhosts: 16, threadFile });
  const due = Date.now() + 3_000;
  for (let i = 0; i < 1_000; i++) await world.add(WHOAMI, due);
  const stalls = monitorEventLoopDelay({ resolution: 1 });
  await world.loop.start();
  await wait(due - Date.now() - 50);
  stalls.enable();
  let succeeded = 0;
  while (succeeded < 1_000 && Date.now() < due + 120_000) {
    await wait(250);
    succeeded = 0;
    let cursor: string | undefined;
    if (world.loop.running.length > 0) continue;
    do {
      const page = await world.runs.list({
        status: "succeeded",
        limit: 200,
        ...(cursor && { cursor }),
      });
      succeeded += page.runs.length;
      cursor = page.nextCursor;
    } while (cursor);
  }
  stalls.disable();
  const seconds = (Date.now() - due) / 1_000;
  await world.close();
  return { succeeded, seconds, ghostsPerSecond: succeeded / seconds, longestStallMs: stalls.max / 1e6 };
}

const rssMb = () => process.memoryUsage.rss() / 1e6;

/** Resident memory that each of `count` ghosts adds while all of them wait for the model. */
async function measureGhosts(dir: string, threadFile: string, count: number): Promise<number> {
  const world = await openWorld(dir, { maxGhosts: count, threadFile, delayMs: 20_000 });
  // A first ghost and the model's client are loaded before: their memory belongs to the process, not to a ghost.
  await world.add(WHOAMI, Date.now());
  await world.loop.tick();
  await world.loop.idle();
  await import("ai");
  await import("@ai-sdk/openai-compatible");
  await wait(500);
  const before = rssMb();
  const sparesBefore = world.threads.size;
  for (let i = 0; i < count; i++) await world.add({ kind: "prompt", prompt: "wait" }, Date.now());
  await world.loop.tick();
  while (world.scripted.requests.length < count) await wait(50);
  await wait(500);
  const each = (rssMb() - before) / (world.threads.size - sparesBefore);
  await world.close();
  return each;
}

/** The yardstick: workers that do nothing but wait at a port. */
async function measureBare(dir: string, count: number): Promise<number> {
  const file = join(dir, "bare.js");
  await writeFile(
    file,
    'import { workerData } from "node:worker_threads"; workerData.port.on("message", () => {}); workerData.port.postMessage("");',
  );
  const start = async () => {
    const { port1, port2 } = new MessageChannel();
    const worker = new Worker(file, { workerData: { port: port2 }, transferList: [port2] });
    await new Promise((resolve) => port1.once("message", resolve));
    return worker;
  };
  await (await start()).terminate();
  await wait(300);
  const before = rssMb();
  const workers = [];
  for (let i = 0; i < count; i++) workers.push(await start());
  await wait(300);
  const each = (rssMb() - before) / count;
  await Promise.all(workers.map((worker) => worker.terminate()));
  return each;
}

/** Measures ghosts on real parts, with the thread bundled as users get it. About two minutes. */
export async function benchGhosts(): Promise<GhostFigures> {
  const dir = await mkdtemp(join(tmpdir(), "nightshift-bench-"));
  try {
    const threadFile = await bundleThread(dir);
    // Memory comes first, because a process gives back only a part of what it once took.
    const bareWorker = await measureBare(dir, 16);
    const ghostOf16 = await measureGhosts(dir, threadFile, 16);
    const ghostOf100 = await measureGhosts(dir, threadFile, 100);
    const dueToFirstLineMs = await measureFirstLine(dir, threadFile);
    const thousandDue = await measureThousand(dir, threadFile);
    return { dueToFirstLineMs, thousandDue, megabytes: { bareWorker, ghostOf16, ghostOf100 } };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

if (import.meta.main) console.log(JSON.stringify(await benchGhosts(), null, 2));
