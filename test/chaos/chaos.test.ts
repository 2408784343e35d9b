import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { openDatabase } from "../../src/database/open-sqlite.ts";
import type { RunRow } from "../../src/database/schema.ts";
import type { JobStore } from "../../src/jobs/contracts.ts";
import { DEFAULT_POLICY, type Policy } from "../../src/jobs/job.ts";
import { isEnded } from "../../src/jobs/run.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { BUILT_LIBRARY } from "../built.ts";
import { type Child, cli, start } from "../child-process.ts";
import { eventually, tempDir } from "../harness.ts";
import { random } from "../random.ts";
import { newJob } from "../world.ts";
import { COMPILE_CACHE, checkSideEffects, writeSideEffectTool } from "./side-effects.ts";

const PROCESSES = 3;
const KILLS = 300;
/** The share of kills that come before the process is up. */
const STILLBORN = 0.2;
/** The longest life of a process that is up: twice as long as its start took, which tells how busy the machine is. */
const lifeMs = (bootMs: number): number => Math.min(Math.max(2 * bootMs, 400), 800);
const ONE_SHOTS = 90;
/** Jobs that are due when the killing is over. */
const AFTERWARDS = 5;
/** The span in which those jobs are due. */
const SPAN_MS = 50_000;

const PROGRAM = join(import.meta.dirname, "embedding-program.ts");
const SEED = Number(process.env.CHAOS_SEED ?? Date.now() & 0xffff);

const ATTEMPTS = 3;
/** Users with one job each that is due every second. */
const POLICIES: Record<string, Partial<Policy>> = {
  default: {},
  "all, one after the other": { catchup: "all", overlap: "buffer_all" },
  "all at once": { catchup: "all", overlap: "allow_all" },
  "the newest": { overlap: "cancel_other" },
  "with jitter": { jitterSeconds: 1, catchup: "all", overlap: "buffer_one" },
  "with retries": {
    catchup: "all",
    overlap: "allow_all",
    retry: { attempts: ATTEMPTS, backoffSeconds: 1, maxBackoffSeconds: 1, on: ["lost"] },
  },
};

interface Stored {
  readonly recurring: ReadonlyMap<string, { name: string; firstAt: number }>;
  readonly oneShots: readonly string[];
}

const action = { kind: "tool", tool: "leave_mark", arguments: {} } as const;
const oneShot = (at: number) => newJob({ action, schedule: { kind: "at", at }, nextRunAt: at });

/** The job store of one of three users. */
function storeOf(db: Database, i: number): JobStore {
  const userId = "abc"[i % 3] ?? "";
  return openJobStore(db, { userKey: userId.repeat(64), userId, now: Date.now });
}

async function storeJobs(file: string, next: () => number): Promise<Stored> {
  const db = await openDatabase({ file, now: Date.now });
  const begin = Date.now() + 1_000;
  const firstAt = begin + 1_000;
  const recurring = new Map<string, { name: string; firstAt: number }>();
  for (const [i, [name, change]] of Object.entries(POLICIES).entries()) {
    const policy = { ...DEFAULT_POLICY, ...change };
    const schedule = { kind: "every", everySeconds: 1, anchor: begin } as const;
    const job = newJob({ name, action, schedule, policy, nextRunAt: firstAt });
    recurring.set((await storeOf(db, i).create(job)).jobId, { name, firstAt });
  }
  const oneShots: string[] = [];
  for (let i = 0; i < ONE_SHOTS; i++) {
    const job = oneShot(begin + Math.floor(next() * SPAN_MS));
    oneShots.push((await storeOf(db, i).create(job)).jobId);
  }
  await db.close();
  return { recurring, oneShots };
}

/** Pauses the jobs that would go on for ever, as their owners would, and adds some that nobody will disturb. */
async function endStorm(file: string, { recurring }: Stored): Promise<readonly string[]> {
  const db = await openDatabase({ file, now: Date.now });
  for (const [i, jobId] of [...recurring.keys()].entries())
    await storeOf(db, i).update(jobId, () => ({ status: "paused" }));
  const added = Array.from({ length: AFTERWARDS }, (_, i) => storeOf(db, i).create(oneShot(Date.now())));
  const ids = (await Promise.all(added)).map(({ jobId }) => jobId);
  await db.close();
  return ids;
}

function readRuns(file: string): RunRow[] {
  const raw = new DatabaseSync(file, { readOnly: true });
  try {
    expect(
      raw
        .prepare("pragma integrity_check")
        .all()
        .map((row) => ({ ...row })),
    ).toEqual([{ integrity_check: "ok" }]);
    expect(raw.prepare("pragma foreign_key_check").all()).toEqual([]);
    return raw.prepare("select * from runs").all() as unknown as RunRow[];
  } finally {
    raw.close();
  }
}

const occurrenceOf = ({ job_id, scheduled_for }: RunRow): string => `${job_id} ${scheduled_for}`;

function checkOccurrences(runs: readonly RunRow[], { recurring, oneShots }: Stored): void {
  const attempts = Map.groupBy(runs, occurrenceOf);
  for (const [occurrence, rows] of attempts) {
    const numbers = rows.map(({ attempt }) => Number(attempt)).sort();
    const { name } = recurring.get(rows[0]?.job_id ?? "") ?? { name: "once" };
    expect(numbers, `${name}: ${occurrence}`).toEqual(
      Array.from({ length: name === "with retries" ? rows.length : 1 }, (_, i) => i + 1),
    );
    expect(rows.length).toBeLessThanOrEqual(ATTEMPTS);
  }
  const firsts = Map.groupBy(
    runs.filter(({ attempt }) => attempt === 1),
    ({ job_id }) => job_id,
  );
  for (const jobId of oneShots) expect(firsts.get(jobId), jobId).toHaveLength(1);
  for (const [jobId, { name, firstAt }] of recurring) {
    const rows = firsts.get(jobId) ?? [];
    const lastAt = Math.max(...rows.map(({ scheduled_for }) => scheduled_for));
    const stoodFor = rows.reduce((sum, { coalesced }) => sum + 1 + coalesced, 0);
    // Each second has a row of its own, or a row that counts it as missed.
    expect(stoodFor, name).toBe((lastAt - firstAt) / 1_000 + 1);
  }
}

describe(`${PROCESSES} processes on one data folder, killed ${KILLS} times at random`, () => {
  it(`end every occurrence once, and do nothing twice (CHAOS_SEED=${SEED})`, async () => {
    const next = random(SEED);
    const dir = await tempDir();
    const file = join(dir, "jobs.sqlite");
    const marks = writeSideEffectTool(dir);
    const stored = await storeJobs(file, next);
    const open = (): Child =>
      start([PROGRAM, BUILT_LIBRARY, dir, marks.module], {
        env: { ...COMPILE_CACHE, NIGHTSHIFT_LEASE_MS: "10000" },
      });

    let kills = 0;
    const errors: string[] = [];
    const note = (child: Child) =>
      errors.push(
        ...child
          .stderr()
          .split("\n")
          .filter((line) => line && !line.includes('"level":40')),
      );
    const killing = Array.from({ length: PROCESSES }, async () => {
      let bootMs = 200;
      while (kills < KILLS) {
        kills++;
        const child = open();
        if (next() < STILLBORN) {
          await wait(next() * bootMs);
        } else {
          const startedMs = performance.now();
          await eventually(async () => child.stdout() !== "", 60_000);
          bootMs = performance.now() - startedMs;
          await wait(next() * lifeMs(bootMs));
        }
        child.kill("SIGKILL");
        expect((await child.exited).signal).toBe("SIGKILL");
        note(child);
      }
    });
    await Promise.all(killing);

    const afterwards = await endStorm(file, stored);
    const last = open();
    const jobCount = ONE_SHOTS + AFTERWARDS + stored.recurring.size;
    await eventually(async () => {
      const runs = readRuns(file);
      const hasRun = new Set(runs.map(({ job_id }) => job_id));
      return hasRun.size === jobCount && runs.every(({ status }) => isEnded(status));
    }, 300_000);
    last.end();
    expect((await last.exited).code, last.stderr()).toBe(0);
    note(last);

    const runs = readRuns(file);
    const ended = Map.groupBy(runs, ({ status }) => status);
    checkOccurrences(runs, stored);
    checkSideEffects(runs, marks.read());
    expect(errors).toEqual([]);
    const { stdout } = await cli(["doctor", "--data", dir, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true });
    // Without kills that hit running runs, and without runs that succeeded, this test would show nothing.
    expect(ended.get("lost")?.length).toBeGreaterThan(PROCESSES);
    for (const jobId of afterwards)
      expect(runs.find(({ job_id }) => job_id === jobId)?.status, jobId).toBe("succeeded");
  });
});
