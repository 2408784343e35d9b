import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openRunQueue } from "../../src/store/open-run-queue.ts";
import { eventually, tempDir } from "../harness.ts";
import { openGhostWorld } from "./ghost-world.ts";

const elsewhere = { workerId: "worker_elsewhere", host: "elsewhere", pid: 1 };

/** A world with one running ghost, whose run another process has marked as lost. */
async function openLostRun(body: string) {
  const jobsDir = await tempDir();
  await writeFile(join(jobsDir, "work.ts"), `export default { run: async (ghost) => {\n${body}\n} };\n`);
  const ended: string[] = [];
  const world = await openGhostWorld({
    jobsDir,
    listener: { onEnd: (_claimed, { status }) => ended.push(status) },
  });
  const { jobId } = await world.addJob({ kind: "code", file: "work.ts" });
  await world.loop.tick();
  const other = openRunQueue(world.db);
  const lost = await other.reapLost({ now: Date.now() + 60_000, worker: elsewhere, isAlive: () => true });
  expect(lost.map((run) => run.jobId)).toEqual([jobId]);
  const verify = async () => {
    await world.loop.idle();
    expect(await world.runOf(jobId)).toMatchObject({ status: "lost", output: null });
    expect((await world.runs.list({ jobId })).runs).toHaveLength(1);
    expect(world.lines.flatMap(({ msg, status }) => (msg === "ghost run ended" ? [status] : []))).toEqual([
      "lost",
    ]);
    expect((await world.jobs.counters([jobId])).get(jobId)).toMatchObject({
      runsSucceeded: 0,
      runsFailed: 1,
    });
    expect(ended).toEqual([]);
    expect(world.threads.size).toBe(0);
  };
  return { world, verify };
}

describe("a ghost whose run is marked as lost while it works", () => {
  it("is told to stop with the next renewal of leases, and changes nothing any more", async () => {
    const { world, verify } = await openLostRun(`
      for (;;) await new Promise((go, stop) => {
        setTimeout(go, 100);
        ghost.signal.addEventListener("abort", () => stop(ghost.signal.reason), { once: true });
      });`);
    world.loop.wake();
    // Its own deadline comes minutes later than this test's.
    await eventually(async () => world.loop.running.length === 0, 25_000);
    await verify();
  }, 30_000);

  it("has no effect when it ends before that", async () => {
    const { verify } = await openLostRun(
      `await new Promise((go) => setTimeout(go, 300)); return "too late";`,
    );
    await verify();
  }, 30_000);
});
