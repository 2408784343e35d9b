import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, it } from "vitest";
import { SCHEMA_VERSION } from "../../src/database/migrations.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { start } from "../child-process.ts";
import { tempDir } from "../harness.ts";
import { openPostgres } from "../postgres.ts";
import { newJob, START } from "../world.ts";
import { openLocation } from "./open-location.ts";

const WORKER = join(import.meta.dirname, "worker.ts");

describe.each(["SQLite", "Postgres"])("several processes on one jobs database in %s", (kind) => {
  let location: string;
  let log: string;

  /** Starts a process, and resolves when it waits to be told to go. Its answer is null if it was killed before. */
  async function startWorker(task: "open" | "claim" | "work") {
    const child = start([WORKER, task, location, log]);
    await child.line(0);
    const answer = child.exited.then((): string[] | null => {
      const line = child.lines()[1];
      return line === undefined ? null : JSON.parse(line);
    });
    return { go: () => child.write("go\n"), kill: () => child.kill("SIGKILL"), answer };
  }

  async function storeOneShots(count: number): Promise<string[]> {
    const db = await openLocation(location, () => START);
    const store = openJobStore(db, { userKey: "a", userId: "alice", now: () => START });
    const ids: string[] = [];
    for (let i = 0; i < count; i++) {
      const at = START + i;
      ids.push((await store.create(newJob({ schedule: { kind: "at", at }, nextRunAt: at }))).jobId);
    }
    await db.close();
    return ids;
  }

  async function storedRuns() {
    const db = await openLocation(location, () => START);
    const rows = await db.kysely.selectFrom("runs").selectAll().execute();
    await db.close();
    return rows;
  }

  beforeEach(async () => {
    const dir = await tempDir();
    location = kind === "SQLite" ? join(dir, "jobs.sqlite") : (await openPostgres()).url;
    log = join(dir, "side-effects");
  });

  it("make the tables once when they start at the same moment", async () => {
    const workers = await Promise.all(Array.from({ length: 4 }, () => startWorker("open")));
    for (const worker of workers) worker.go();
    for (const worker of workers) expect(await worker.answer).toEqual([]);
    const db = await openLocation(location, () => START);
    expect(await db.kysely.selectFrom("schema_version").selectAll().execute()).toHaveLength(SCHEMA_VERSION);
    await db.close();
  });

  it("claim each of 500 occurrences exactly once between them", async () => {
    const ids = await storeOneShots(500);
    const workers = await Promise.all([startWorker("claim"), startWorker("claim")]);
    for (const worker of workers) worker.go();
    const [one, two] = await Promise.all(workers.map((worker) => worker.answer));
    const claimed = [...(one ?? []), ...(two ?? [])];
    expect(claimed).toHaveLength(500);
    expect(claimed.sort()).toEqual(ids.sort());
    // Unless both had a share, this test shows nothing.
    expect(one?.length).toBeGreaterThan(0);
    expect(two?.length).toBeGreaterThan(0);
    expect(await storedRuns()).toHaveLength(500);
  });

  it("lose no occurrence and run none twice when they are killed at random moments", async () => {
    const ids = await storeOneShots(400);
    let kills = 0;
    for (let finished = false; !finished; ) {
      const worker = await startWorker("work");
      worker.go();
      if (kills < 25) {
        await sleep(Math.random() * 40);
        worker.kill();
        kills++;
      }
      finished = (await worker.answer) !== null;
    }
    const rows = await storedRuns();
    expect(rows.map((row) => row.job_id).sort()).toEqual(ids.sort());
    const statuses = new Set(rows.map((row) => row.status));
    expect([...statuses].filter((status) => status !== "succeeded" && status !== "lost")).toEqual([]);
    const happened = existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [];
    expect(new Set(happened).size).toBe(happened.length);
    for (const { job_id, status } of rows) if (status === "succeeded") expect(happened).toContain(job_id);
    expect(kills).toBeGreaterThan(3);
  });
});
