import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openRunQueue } from "../../src/scheduler/ledger.ts";
import { eventually, tempDir } from "../harness.ts";
import { openGhostWorld } from "./night.ts";

const elsewhere = { workerId: "worker_elsewhere", host: "elsewhere", pid: 1 };

/** A night with one ghost at work, whose run another process has taken for lost. */
async function lostNight(body: string) {
  const jobsDir = await tempDir();
  await writeFile(join(jobsDir, "work.ts"), `export default { run: async (ghost) => {\n${body}\n} };\n`);
  const ended: string[] = [];
  const night = await openGhostWorld({
    jobsDir,
    listener: { onEnd: (_claimed, { status }) => ended.push(status) },
  });
  const { jobId } = await night.addJob({ kind: "code", file: "work.ts" });
  await night.clock.tick();
  const other = openRunQueue(night.db);
  const lost = await other.reapLost({ now: Date.now() + 60_000, worker: elsewhere, isAlive: () => true });
  expect(lost.map((run) => run.jobId)).toEqual([jobId]);
  const verify = async () => {
    await night.clock.idle();
    expect(await night.runOf(jobId)).toMatchObject({ status: "lost", output: null });
    expect((await night.runs.list({ jobId })).runs).toHaveLength(1);
    expect(night.lines.flatMap(({ msg, status }) => (msg === "ghost run ended" ? [status] : []))).toEqual([
      "lost",
    ]);
    expect((await night.jobs.counters([jobId])).get(jobId)).toMatchObject({
      runsSucceeded: 0,
      runsFailed: 1,
    });
    expect(ended).toEqual([]);
    expect(night.threads.size).toBe(0);
  };
  return { night, verify };
}

describe("a ghost whose run was taken for lost while it works", () => {
  it("is told to stop with the next beat, and changes nothing any more", async () => {
    const { night, verify } = await lostNight(`
      for (;;) await new Promise((go, stop) => {
        setTimeout(go, 100);
        ghost.signal.addEventListener("abort", () => stop(ghost.signal.reason), { once: true });
      });`);
    const began = performance.now();
    night.clock.wake();
    await eventually(async () => night.clock.running.length === 0, 10_000);
    // Not at its deadline.
    expect(performance.now() - began).toBeLessThan(10_000);
    await verify();
  }, 30_000);

  it("comes to nothing when it ends before that", async () => {
    const { verify } = await lostNight(`await new Promise((go) => setTimeout(go, 300)); return "too late";`);
    await verify();
  }, 30_000);
});
