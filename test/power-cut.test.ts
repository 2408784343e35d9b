import { statSync } from "node:fs";
import { cp, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { cli, startServer } from "./child-process.ts";
import { eventually, tempDir } from "./harness.ts";
import { ask, openProgram } from "./program.ts";
import { random } from "./random.ts";

const FILES = ["facts.sqlite", "jobs.sqlite"] as const;
type Sizes = Record<(typeof FILES)[number], number>;
const CALLS = 12;
const CUTS = 6;

/** Bytes of each write-ahead log: acknowledged writes lie within them. */
const sizesOf = (dir: string): Sizes =>
  Object.fromEntries(
    FILES.map((file) => [file, statSync(join(dir, `${file}-wal`), { throwIfNoEntry: false })?.size ?? 0]),
  ) as Sizes;

interface Acknowledged {
  readonly kind: "fact" | "job";
  readonly id: string;
  /** The sizes of the logs when the response had come. */
  readonly sizes: Sizes;
}

/** A server that saves, schedules and runs until it is killed, and its acknowledgements, oldest first. */
async function killedAtWork(dir: string): Promise<Acknowledged[]> {
  const server = await startServer(["--data", dir, "--user", "alice"]);
  const known: Acknowledged[] = [];
  const tool = { name: "current_time", arguments: {} };
  for (let i = 0; i < CALLS; i++) {
    const { fact_id } = await server.call("save_fact", { fact: `Fact ${i}.` });
    known.push({ kind: "fact", id: fact_id, sizes: sizesOf(dir) });
    const execute_at = new Date(Date.now() + 200).toISOString();
    const { job_id } = await server.call("schedule_task", { tool, execute_at });
    known.push({ kind: "job", id: job_id, sizes: sizesOf(dir) });
  }
  server.kill("SIGKILL");
  await server.exited;
  return known;
}

/** The folder as a power cut would leave it: each log ends, or continues with garbage, where the disk had come to. */
async function cutAt(dir: string, sizes: Sizes, next: () => number): Promise<string> {
  const copy = join(await tempDir(), "data");
  await cp(dir, copy, { recursive: true });
  for (const file of FILES) {
    const log = `${join(copy, file)}-wal`;
    // This file was memory that the processes shared: it does not survive.
    await rm(`${join(copy, file)}-shm`, { force: true });
    const handle = await open(log, "r+");
    const { size } = await handle.stat();
    if (next() < 0.5) await handle.truncate(sizes[file]);
    else
      await handle.write(
        Buffer.alloc(size - sizes[file], next() < 0.5 ? 0 : 0xa5),
        0,
        size - sizes[file],
        sizes[file],
      );
    await handle.close();
  }
  return copy;
}

function isWhole(file: string): boolean {
  const raw = new DatabaseSync(file, { readOnly: true });
  const found = Object.values(raw.prepare("pragma integrity_check").get() ?? {})[0];
  raw.close();
  return found === "ok";
}

async function idsOf(program: Awaited<ReturnType<typeof openProgram>>) {
  const alice = program.open();
  const { facts } = await ask(alice, "list_facts", { limit: 100 });
  const { jobs } = await ask(alice, "list_jobs", { limit: 100 });
  return {
    fact: new Set(facts.map(({ fact_id }: { fact_id: string }) => fact_id)),
    job: new Set(jobs.map(({ job_id }: { job_id: string }) => job_id)),
  };
}

describe("a power cut, which takes the end of the write-ahead logs with it", () => {
  it("takes back nothing that had been acknowledged by then, and no occurrence is lost for it", async () => {
    const seed = Date.now() & 0xffff;
    const next = random(seed);
    const dir = await tempDir();
    const known = await killedAtWork(dir);
    const full = sizesOf(dir);
    for (let cut = 0; cut < CUTS; cut++) {
      const hint = `seed ${seed}, cut ${cut}`;
      // The cut lies between two acknowledgements, where a frame may be there in part.
      const upTo = Math.floor(next() * known.length);
      const least = known[upTo]?.sizes ?? full;
      const most = known[upTo + 1]?.sizes ?? full;
      const sizes = Object.fromEntries(
        FILES.map((file) => [file, least[file] + Math.floor(next() * (most[file] - least[file]))]),
      ) as Sizes;
      const copy = await cutAt(dir, sizes, next);
      const program = await openProgram({ dataDir: copy, scheduler: true });
      const had = await idsOf(program);
      for (const { kind, id } of known.slice(0, upTo + 1))
        expect(had[kind].has(id), `${hint}: ${kind} ${id}`).toBe(true);
      const runs = await eventually(async () => {
        const page = await ask(program.open(), "list_runs", { limit: 100 });
        const isOver = page.runs.every(({ finished_at }: { finished_at?: string }) => finished_at);
        return isOver && page.runs.length >= had.job.size && page.runs;
      }, 60_000);
      const jobs = runs.map(({ job_id }: { job_id: string }) => job_id);
      expect(new Set(jobs), hint).toEqual(had.job);
      expect(jobs, hint).toHaveLength(had.job.size);
      for (const { status } of runs) expect(status, hint).toMatch(/^(?:succeeded|lost)$/);
      await ask(program.open(), "save_fact", { fact: "After the cut." });
      await program.close();
      for (const file of FILES) expect(isWhole(join(copy, file)), `${hint}: ${file}`).toBe(true);
    }
  });

  it("leaves a file that can be used, whatever byte of the logs was the last", async () => {
    const next = random(7);
    const dir = await tempDir();
    await killedAtWork(dir);
    const full = sizesOf(dir);
    for (const share of [0, 0.001, 0.1, 0.5, 0.9]) {
      const sizes = Object.fromEntries(FILES.map((file) => [file, Math.floor(full[file] * share)])) as Sizes;
      const copy = await cutAt(dir, sizes, next);
      const program = await openProgram({ dataDir: copy });
      await ask(program.open(), "save_fact", { fact: "After the cut." });
      await ask(program.open(), "schedule_task", { tool: { name: "whoami" }, every_seconds: 60 });
      await program.close();
      const { stdout } = await cli(["doctor", "--data", copy, "--json"]);
      expect(JSON.parse(stdout), `${share}`).toMatchObject({ ok: true });
    }
  });
});
