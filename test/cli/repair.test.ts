import { chmodSync, existsSync, statSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { identifyProcess } from "../../src/scheduler/this-process.ts";
import { cli, start } from "../child-process.ts";
import { tempDir } from "../harness.ts";
import { ask, endedRun, openProgram } from "../program.ts";

interface Repair {
  readonly check: string;
  readonly found: string;
  readonly repaired: boolean;
  readonly advice?: string;
}

/** A data folder with a fact and a job that has run, closed; resolves to their ids. */
async function someData() {
  const program = await openProgram({ scheduler: true });
  const alice = program.open();
  const { fact_id } = await ask(alice, "save_fact", { fact: "Tea." });
  const tool = { name: "current_time", arguments: {} };
  const { job_id } = await ask(alice, "schedule_task", { tool, every_seconds: 3_600 });
  const { run_id } = await ask(alice, "run_job", { job_id });
  await endedRun(alice, job_id, run_id);
  await program.close();
  const dir = program.dataDir;
  return { dir, jobs: join(dir, "jobs.sqlite"), facts: join(dir, "facts.sqlite"), fact_id, job_id, run_id };
}

async function repair(dir: string) {
  const { code, stdout, stderr } = await cli(["doctor", "--repair", "--json", "--data", dir]);
  expect(stderr).toBe("");
  const { ok, repairs } = JSON.parse(stdout) as { ok: boolean; repairs: Repair[] };
  expect(code).toBe(ok ? 0 : 1);
  return { ok, repairs };
}
const isSound = async (dir: string) => JSON.parse((await cli(["doctor", "--json", "--data", dir])).stdout).ok;

function change(file: string, ...statements: string[]): void {
  const raw = new DatabaseSync(file, { enableForeignKeyConstraints: false });
  for (const sql of statements) raw.exec(sql);
  raw.close();
}
const get = (file: string, sql: string) => {
  const raw = new DatabaseSync(file, { readOnly: true });
  const row = raw.prepare(sql).get();
  raw.close();
  return row && { ...row };
};

/** Damages `text` by one byte, in the page of a table or of an index. */
async function damage(file: string, name: string, text: string): Promise<void> {
  const page = Number(get(file, `SELECT rootpage FROM sqlite_master WHERE name = '${name}'`)?.rootpage);
  const size = Number(get(file, "PRAGMA page_size")?.page_size);
  const bytes = await readFile(file);
  const at = bytes.indexOf(text, (page - 1) * size);
  expect(at).toBeLessThan(page * size);
  expect(at).toBeGreaterThan(0);
  bytes.writeUInt8((bytes[at + text.length - 1] ?? 0) ^ 1, at + text.length - 1);
  await writeFile(file, bytes);
}

/** A run of the job that is held by that process. */
const held = (job_id: string, pid: number) =>
  `INSERT INTO runs SELECT 'run_held', job_id, user_key, kind, 'manual', 'running', NULL, scheduled_for, NULL, NULL,
   ${Date.now() + 600_000}, 'worker_x', '${identifyProcess({ isShared: false }).host}', ${pid}, 1, 0, created_at, created_at, NULL, NULL, 0, 0, prompt,
   NULL, detail, NULL, 0, 0, NULL FROM runs WHERE job_id = '${job_id}' LIMIT 1`;

describe("nightshift doctor --repair", () => {
  it("finds nothing to repair in sound data, and leaves no copy of it", async () => {
    const { dir, jobs, facts } = await someData();
    expect(await repair(dir)).toEqual({ ok: true, repairs: [] });
    for (const file of [jobs, facts]) expect(existsSync(`${file}.repair.bak`)).toBe(false);
    expect(await repair(await tempDir())).toEqual({ ok: true, repairs: [] });
  });

  it("makes indices anew where they alone are damaged, after a copy for this account only", async () => {
    const { dir, jobs, facts, fact_id, run_id } = await someData();
    await damage(jobs, "runs_of_user", run_id);
    await damage(facts, "sqlite_autoindex_keyv_1", fact_id);
    const before = [await readFile(jobs), await readFile(facts)];
    expect(await isSound(dir)).toBe(false);
    expect([await readFile(jobs), await readFile(facts)]).toEqual(before);
    const { ok, repairs } = await repair(dir);
    expect(repairs).toEqual([
      { check: "facts.sqlite", found: expect.stringContaining("sqlite_autoindex_keyv_1"), repaired: true },
      { check: "jobs.sqlite", found: expect.stringContaining("runs_of_user"), repaired: true },
    ]);
    expect(ok).toBe(true);
    for (const file of [jobs, facts]) expect((await stat(`${file}.repair.bak`)).mode & 0o777).toBe(0o600);
    expect(await isSound(dir)).toBe(true);
    const alice = (await openProgram({ dataDir: dir })).open();
    expect((await ask(alice, "list_facts", {})).facts).toMatchObject([{ fact_id }]);
    expect((await ask(alice, "list_runs", {})).runs).toMatchObject([{ run_id }]);
  });

  it("repairs rows: a job without its next run, wrong counters, transcripts of no run, runs of dead processes", async () => {
    const { dir, jobs, job_id } = await someData();
    const dead = start(["-e", ""]);
    await dead.exited;
    change(
      jobs,
      "UPDATE jobs SET next_run_at = NULL",
      "UPDATE job_counters SET runs_succeeded = 0",
      "INSERT INTO transcripts VALUES ('run_of_nobody', '[]')",
      held(job_id, dead.pid),
    );
    expect(await isSound(dir)).toBe(false);
    const { ok, repairs } = await repair(dir);
    expect(repairs.map(({ found }) => found)).toEqual([
      "1 rows of transcripts that belong to no row of runs",
      `${job_id} is active and has no next run`,
      `the counters of ${job_id} are below its runs`,
      "run_held was running in a process that is dead; it is lost",
    ]);
    expect(repairs.every(({ check, repaired }) => check === "jobs.sqlite" && repaired)).toBe(true);
    expect(ok).toBe(true);
    expect(get(jobs, "SELECT next_run_at FROM jobs")?.next_run_at).toBeGreaterThan(Date.now());
    expect(get(jobs, "SELECT runs_started, runs_succeeded, runs_failed FROM job_counters")).toEqual({
      runs_started: 2,
      runs_succeeded: 1,
      runs_failed: 1,
    });
    expect(get(jobs, "SELECT count(*) AS n FROM transcripts WHERE run_id = 'run_of_nobody'")).toEqual({
      n: 0,
    });
    expect(get(`${jobs}.repair.bak`, "SELECT next_run_at FROM jobs")).toEqual({ next_run_at: null });
    expect(await repair(dir)).toEqual({ ok: true, repairs: [] });
  });

  it("closes files that others could read, and empties the log that a dead process left", async () => {
    const { dir, jobs } = await someData();
    chmodSync(jobs, 0o644);
    const script = `const db = new (require("node:sqlite").DatabaseSync)(${JSON.stringify(jobs)});
      db.exec("update jobs set name = 'from the log'"); process.kill(process.pid, "SIGKILL");`;
    expect((await start(["-e", script]).exited).signal).toBe("SIGKILL");
    expect(statSync(`${jobs}-wal`).size).toBeGreaterThan(0);
    const { ok, repairs } = await repair(dir);
    expect(ok).toBe(true);
    expect(repairs.map(({ found }) => found)).toEqual(
      expect.arrayContaining([
        `others could look into ${jobs}`,
        expect.stringMatching(/^a dead process had left \d+ bytes in the write-ahead log$/),
      ]),
    );
    expect(statSync(jobs).mode & 0o777).toBe(0o600);
    expect(statSync(`${jobs}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0);
    expect(get(jobs, "SELECT name FROM jobs")).toEqual({ name: "from the log" });
  });

  it("does nothing while another process has a run at work, and says which", async () => {
    const { dir, jobs, job_id } = await someData();
    const alive = start(["-e", "process.stdin.resume()"]);
    change(jobs, "UPDATE jobs SET next_run_at = NULL", held(job_id, alive.pid));
    chmodSync(jobs, 0o644);
    const before = await readFile(jobs);
    expect(await repair(dir)).toEqual({
      ok: false,
      repairs: [
        {
          check: "jobs.sqlite",
          found: `process ${alive.pid} on ${hostname()} has a run at work`,
          repaired: false,
          advice: "Nothing was repaired. Stop it, and ask again.",
        },
      ],
    });
    expect((await readFile(jobs)).equals(before)).toBe(true);
    expect(statSync(jobs).mode & 0o777).toBe(0o644);
    expect(existsSync(`${jobs}.repair.bak`)).toBe(false);
    const { stdout } = await cli(["doctor", "--repair", "--data", dir]);
    expect(stdout).toMatch(/^left +jobs\.sqlite +process \d+ on .* has a run at work$/m);
  });

  it("leaves a damaged table, and what is no database, as they are, and says what can be done", async () => {
    const { dir, jobs, facts } = await someData();
    const page = Number(get(jobs, "SELECT rootpage FROM sqlite_master WHERE name = 'jobs'")?.rootpage);
    const bytes = await readFile(jobs);
    bytes.fill(0xff, (page - 1) * 4096, (page - 1) * 4096 + 64);
    await writeFile(jobs, bytes);
    await writeFile(facts, "this is no database".repeat(500));
    const { ok, repairs } = await repair(dir);
    expect(ok).toBe(false);
    expect(repairs).toMatchObject([
      { check: "facts.sqlite", repaired: false, advice: expect.stringContaining("backup") },
      { check: "jobs.sqlite", repaired: false, advice: expect.stringContaining("backup") },
    ]);
    expect((await readFile(jobs)).equals(bytes)).toBe(true);
  });
});
