import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { NightshiftError } from "../../src/errors.ts";
import { start, startServer } from "../child-process.ts";
import { eventually, tempDir } from "../harness.ts";
import { openGhostWorld } from "./ghost-world.ts";

/** Holds the write lock of the file from another process, until it is told to go. */
async function holdLock(file: string) {
  const script = `const { DatabaseSync } = require("node:sqlite");
    const db = new DatabaseSync(${JSON.stringify(file)}, { timeout: 10_000 });
    db.exec("begin immediate");
    process.stdout.write("held");
    process.stdin.resume().once("end", () => { db.exec("commit"); db.close(); });`;
  const holder = start(["-e", script]);
  await eventually(async () => holder.stdout() === "held");
  return async () => {
    holder.end();
    expect((await holder.exited).code, holder.stderr()).toBe(0);
  };
}

async function jobsDirWith(body: string): Promise<string> {
  const dir = await tempDir();
  await writeFile(join(dir, "work.ts"), `export default { run: async () => {\n${body}\n} };\n`);
  return dir;
}

const code = { kind: "code", file: "work.ts" } as const;

describe("a database that another process keeps locked for longer than lockTimeoutMs", () => {
  it("delays the ends of ghosts that worked meanwhile, and loses none", async () => {
    const jobsDir = await jobsDirWith(`await new Promise((r) => setTimeout(r, 300)); return "worked";`);
    const world = await openGhostWorld({ jobsDir, lockTimeoutMs: 50, leaseMs: 60_000 });
    const ids = (await Promise.all([1, 2, 3].map(() => world.addJob(code)))).map(({ jobId }) => jobId);
    await world.loop.tick();
    expect(world.loop.running).toHaveLength(3);
    const release = await holdLock(join(world.dir, "jobs.sqlite"));
    // Writes are rejected, and reads go on.
    await expect(world.addJob(code)).rejects.toMatchObject({ code: "DATA_UNAVAILABLE" });
    expect((await world.runOf(ids[0] ?? "")).status).toBe("running");
    const failed = () => world.lines.filter(({ msg }) => msg === "the end of a run could not be written");
    await eventually(async () => failed().length >= 3, 20_000);
    await release();
    await world.loop.idle();
    for (const jobId of ids) {
      expect(await world.runOf(jobId)).toMatchObject({ status: "succeeded", output: "worked" });
      expect((await world.runs.list({ jobId })).runs).toHaveLength(1);
    }
    expect(world.threads.size).toBe(0);
    await world.addJob(code);
    expect(await world.loop.tick()).toBe(1);
    await world.loop.idle();
  }, 40_000);

  it("makes the loop try again, until what became due meanwhile has run", async () => {
    const world = await openGhostWorld({ lockTimeoutMs: 20 });
    const dueAt = Date.now() + 300;
    const action = { kind: "tool", tool: "current_time", arguments: {} } as const;
    const { jobId } = await world.addJob(action, { dueAt });
    const release = await holdLock(join(world.dir, "jobs.sqlite"));
    await world.loop.start();
    const failed = () => world.lines.some(({ msg }) => msg === "due jobs could not be read; trying again");
    await eventually(async () => failed(), 20_000);
    await release();
    const run = await eventually(async () => {
      const { runs } = await world.runs.list({ jobId });
      return runs[0]?.finishedAt && runs;
    }, 20_000);
    expect(run).toMatchObject([{ status: "succeeded", scheduledFor: dueAt }]);
  }, 40_000);
});

describe("a database that could not be opened when the server started", () => {
  it("is tried again, so that jobs run as soon as it can", async () => {
    const data = await tempDir();
    const file = join(data, "jobs.sqlite");
    await writeFile(file, "no database".repeat(1_000));
    const server = await startServer(["--data", data, "--user", "alice"]);
    await eventually(async () => server.stderr().includes("the scheduler did not start"), 20_000);
    await rm(file);
    const tool = { name: "current_time", arguments: {} };
    const { job_id } = await server.call("schedule_task", { tool, every_seconds: 86_400 });
    const { run_id } = await server.call("run_job", { job_id });
    await eventually(async () => (await server.call("get_run", { run_id })).status === "succeeded", 20_000);
    server.end();
    expect((await server.exited).code).toBe(0);
  }, 60_000);
});

/** A disk that commits and then fails to confirm it, `left` times. */
const unconfirmed =
  (failures: { left: number }) =>
  (db: Database): Database => ({
    ...db,
    async transact(work) {
      const result = await db.transact(work);
      if (failures.left-- > 0) throw new NightshiftError("DATA_UNAVAILABLE", "not confirmed", {});
      return result;
    },
  });

describe("a disk that does not confirm what was committed", () => {
  it("writes the end of a run once, and reports it as it is", async () => {
    const failures = { left: 0 };
    const ended: string[] = [];
    const world = await openGhostWorld({
      jobsDir: await jobsDirWith(`return "done once";`),
      disturb: unconfirmed(failures),
      listener: { onEnd: (_claimed, { status }) => ended.push(status) },
    });
    const { jobId } = await world.addJob(code);
    await world.loop.tick();
    failures.left = 1;
    await world.loop.idle();
    expect(failures.left).toBeLessThan(1);
    expect(await world.runOf(jobId)).toMatchObject({ status: "succeeded", output: "done once" });
    expect(ended).toEqual(["succeeded"]);
    const audits = world.lines.filter(({ job_id, status }) => job_id === jobId && status);
    expect(audits.map(({ status }) => status)).toEqual(["succeeded"]);
    expect((await world.jobs.counters([jobId])).get(jobId)).toMatchObject({ runsSucceeded: 1 });
  });

  it("ends a claim that was not confirmed as lost: it does not run twice, nor stay running", async () => {
    const failures = { left: 0 };
    const world = await openGhostWorld({ disturb: unconfirmed(failures), leaseMs: 1_000 });
    const { jobId } = await world.addJob({ kind: "tool", tool: "current_time", arguments: {} });
    failures.left = 1;
    await expect(world.loop.tick()).rejects.toMatchObject({ code: "DATA_UNAVAILABLE" });
    expect(await world.loop.tick()).toBe(0);
    await world.loop.start();
    await eventually(async () => (await world.runOf(jobId)).status === "lost", 20_000);
    expect((await world.runs.list({ jobId })).runs).toHaveLength(1);
  }, 30_000);
});
