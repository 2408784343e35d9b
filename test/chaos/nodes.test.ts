import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { Client } from "pg";
import { expect, it, onTestFinished } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { openPostgres } from "../../src/database/open-postgres.ts";
import type { RunRow } from "../../src/database/schema.ts";
import { DEFAULT_POLICY } from "../../src/jobs/job.ts";
import { isEnded } from "../../src/jobs/run.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { BUILT_LIBRARY } from "../built.ts";
import { type Child, start } from "../child-process.ts";
import { eventually, tempDir } from "../harness.ts";
import { ERAS, openCaller } from "../http/caller.ts";
import { serve } from "../http/harness.ts";
import { type PostgresServer, startPostgres } from "../postgres/start.ts";
import { random } from "../random.ts";
import { newJob } from "../world.ts";
import { COMPILE_CACHE, checkSideEffects, writeSideEffectTool } from "./side-effects.ts";

const NODES = 3;
const OCCURRENCES = 1_000;
const USERS = 10;
/** The span in which the occurrences are due. */
const SPAN_MS = 30_000;
const LEASE_MS = 1_500;
/** The longest time that a node is left alone. */
const PEACE_MS = 6_000;
/** The longest pause between two failures of the database. */
const CUT_MS = 5_000;
const ATTEMPTS = 3;
const PROGRAM = join(import.meta.dirname, "embedding-program.ts");
const SEED = Number(process.env.CHAOS_SEED ?? Date.now() & 0xffff);

/** Every other job has its lost runs tried again. */
const isRetried = (i: number) => i % 2 === 1;
const RETRY = { attempts: ATTEMPTS, backoffSeconds: 1, maxBackoffSeconds: 1, on: ["lost"] } as const;

/** Ids of the jobs, each due once, in the order that `isRetried` reads. */
async function storeJobs(db: Database, next: () => number): Promise<string[]> {
  const begin = Date.now() + 5_000;
  const made = Array.from({ length: OCCURRENCES }, async (_, i) => {
    const userKey = String(i % USERS).repeat(64);
    const at = begin + Math.floor(next() * SPAN_MS);
    const job = newJob({
      action: { kind: "tool", tool: "leave_mark", arguments: {} },
      schedule: { kind: "at", at },
      nextRunAt: at,
      policy: { ...DEFAULT_POLICY, ...(isRetried(i) && { retry: RETRY }) },
    });
    return (await openJobStore(db, { userKey, userId: `user${i % USERS}`, now: Date.now }).create(job)).jobId;
  });
  return Promise.all(made);
}

/** Starts a node again and again; each time it is killed, or stopped for longer than its lease. */
async function harass(open: () => Child, next: () => number, isOver: () => boolean): Promise<Child> {
  for (;;) {
    const node = open();
    let isGone = false;
    void node.exited.then(() => {
      isGone = true;
    });
    // A node that starts while its database is down says so, and ends.
    await eventually(async () => isGone || node.stdout() !== "", 60_000);
    while (!isGone) {
      if (isOver()) return node;
      await wait(next() * PEACE_MS);
      if (next() < 0.5) {
        node.kill("SIGKILL");
        await node.exited;
      } else {
        node.kill("SIGSTOP");
        await wait(2 * LEASE_MS);
        node.kill("SIGCONT");
      }
    }
  }
}

/** Cuts every connection again and again, and restarts the whole server now and then. */
async function trouble(postgres: PostgresServer, isOver: () => boolean): Promise<void> {
  for (let i = 1; !isOver(); i++) {
    await wait(CUT_MS);
    if (i % 3 === 0) {
      await postgres.stop();
      await postgres.start();
      continue;
    }
    const client = new Client({ connectionString: postgres.url });
    await client.connect();
    await client.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'",
    );
    await client.end();
  }
}

/** Sessions at a healthy node: calls are always answered; those that need the database, whenever it is up. */
async function watchSessions(databaseUrl: string, isOver: () => boolean): Promise<number> {
  const server = await serve({ databaseUrl, databaseTimeoutMs: 2_000 });
  const key = await server.key("user0");
  const callers = await Promise.all(ERAS.map((era) => openCaller(era, server, key)));
  let listed = 0;
  while (!isOver()) {
    for (const caller of callers) {
      expect((await caller.call("whoami")).structuredContent.user_id).toBe("user0");
      const { isError, content } = await caller.call("list_runs");
      if (isError) expect(content[0]?.text).toMatch(/DATA_UNAVAILABLE/);
      else listed++;
    }
    await wait(100);
  }
  return listed;
}

function check(runs: readonly RunRow[], jobs: readonly string[]): void {
  const byJob = Map.groupBy(runs, ({ job_id }) => job_id);
  for (const [i, jobId] of jobs.entries()) {
    const attempts = (byJob.get(jobId) ?? []).map(({ attempt }) => Number(attempt)).sort();
    expect(attempts.length, jobId).toBeGreaterThan(0);
    expect(attempts.length, jobId).toBeLessThanOrEqual(isRetried(i) ? ATTEMPTS : 1);
    expect(attempts, jobId).toEqual(attempts.map((_, n) => n + 1));
    // Only after a lost run is there a second one.
    const statuses = (byJob.get(jobId) ?? []).map(({ status }) => status);
    expect(statuses.filter((status) => status !== "lost").length, jobId).toBeLessThanOrEqual(1);
    if (isRetried(i) && attempts.length < ATTEMPTS) expect(statuses, jobId).toContain("succeeded");
  }
  expect(byJob.size).toBe(jobs.length);
}

it(`${NODES} nodes that are killed and stand still, on a Postgres that is cut off and restarted, run ${OCCURRENCES} occurrences (CHAOS_SEED=${SEED})`, async () => {
  const next = random(SEED);
  const postgres = await startPostgres();
  onTestFinished(() => postgres.close());
  const dir = await tempDir();
  const marks = writeSideEffectTool(dir);
  const db = await openPostgres({ url: postgres.url, now: Date.now });
  onTestFinished(() => db.close());
  const jobs = await storeJobs(db, next);
  const env = {
    ...COMPILE_CACHE,
    NIGHTSHIFT_DATABASE_URL: postgres.url,
    NIGHTSHIFT_DATABASE_TIMEOUT_MS: "3000",
    NIGHTSHIFT_LEASE_MS: String(LEASE_MS),
  };
  let starts = 0;
  const open = (): Child => {
    starts++;
    return start([PROGRAM, BUILT_LIBRARY, dir, marks.module], { env });
  };
  const calmAt = Date.now() + 5_000 + SPAN_MS;
  const isCalm = () => Date.now() > calmAt;
  const [listed, , ...last] = await Promise.all([
    watchSessions(postgres.url, isCalm),
    trouble(postgres, isCalm),
    ...Array.from({ length: NODES }, () => harass(open, next, isCalm)),
  ]);
  const readRuns = () => db.kysely.selectFrom("runs").selectAll().execute();
  const runs = await eventually(async () => {
    const all = await readRuns();
    const hasRun = new Set(all.map(({ job_id }) => job_id));
    const due = await db.kysely
      .selectFrom("jobs")
      .select("job_id")
      .where("next_run_at", "is not", null)
      .execute();
    return (
      hasRun.size === jobs.length && due.length === 0 && all.every(({ status }) => isEnded(status)) && all
    );
  }, 400_000);
  for (const node of last) {
    node.end();
    expect((await node.exited).code, node.stderr()).toBe(0);
    expect(node.stderr()).not.toContain(new URL(postgres.url).password);
  }
  check(runs, jobs);
  checkSideEffects(runs, marks.read());
  // Without failures that hit running runs, and without events in the sessions, this test would show nothing.
  expect(runs.filter(({ status }) => status === "lost").length).toBeGreaterThan(NODES);
  expect(starts).toBeGreaterThan(2 * NODES);
  expect(listed).toBeGreaterThan(10);
});
