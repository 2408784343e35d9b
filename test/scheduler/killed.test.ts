import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type StdioServer, startServer } from "../child-process.ts";
import { eventually, tempDir } from "../harness.ts";

/** A job that ignores everything, also its abort signal, until there is a file `go`. */
const WORK = (dir: string) => `
  import { existsSync } from "node:fs";
  export default { run: async () => {
    if (!existsSync(${JSON.stringify(join(dir, "go"))})) for (;;) await new Promise((r) => setTimeout(r, 50));
    return "done";
  } };`;

// biome-ignore lint/suspicious/noExplicitAny: whatever came over the wire
type Shown = any;

const statusOf = async (server: StdioServer, run_id: string): Promise<Shown> =>
  server.call("get_run", { run_id });

describe("kill -9", () => {
  it("in each state that a run can be in leaves it what the next process can make good", async () => {
    const dir = await tempDir();
    const [data, jobs] = [join(dir, "data"), join(dir, "jobs")];
    await mkdir(jobs);
    await writeFile(join(jobs, "work.ts"), WORK(dir).replace("default {", 'default { every: "7d",'));
    const args = ["--data", data, "--user", "alice", "--jobs", jobs];
    const killed = await startServer(args);
    const job: Shown = await eventually(async () => (await killed.call("list_jobs")).jobs[0], 20_000);
    const run = async (server: StdioServer, overlap: string) =>
      (await server.call("run_job", { job_id: job.job_id, overlap })).run_id;

    const ended = (
      await killed.call("run_job", {
        job_id: (
          await killed.call("schedule_task", { tool: { name: "whoami" }, every_seconds: 86_400 })
        ).job_id,
      })
    ).run_id;
    await eventually(async () => (await statusOf(killed, ended)).status === "succeeded", 20_000);
    const before = await statusOf(killed, ended);
    const cancelling = await run(killed, "allow_all");
    const running = await run(killed, "allow_all");
    for (const run_id of [cancelling, running])
      await eventually(async () => (await statusOf(killed, run_id)).status === "running", 20_000);
    const held = await run(killed, "buffer_all");
    expect((await statusOf(killed, held)).status).toBe("queued");
    await killed.call("cancel_run", { run_id: cancelling });
    expect((await statusOf(killed, cancelling)).status).toMatch(/running|cancelled/);
    killed.kill("SIGKILL");
    await killed.exited;

    await writeFile(join(dir, "go"), "");
    const next = await startServer(args);
    const end = (run_id: string): Promise<Shown> =>
      eventually(async () => {
        const found = await statusOf(next, run_id);
        return found.finished_at && found;
      }, 30_000);
    expect(await end(running)).toMatchObject({
      status: "lost",
      failure: { code: "GHOST_CRASHED", message: expect.stringContaining("ended or fell silent") },
    });
    expect((await end(cancelling)).status).toMatch(/lost|cancelled/);
    expect(await end(held)).toMatchObject({ status: "succeeded", output: "done" });
    expect(await statusOf(next, ended)).toEqual(before);
    next.end();
    expect((await next.exited).code).toBe(0);
  }, 90_000);

  it("between the queueing of a run and its start, and before a retry, loses neither", async () => {
    const dir = await tempDir();
    const [data, jobs] = [join(dir, "data"), join(dir, "jobs")];
    await mkdir(jobs);
    const spec = 'default { every: "7d", retry: { attempts: 2, backoff_seconds: 12, on: ["lost"] },';
    await writeFile(join(jobs, "work.ts"), WORK(dir).replace("default {", spec));
    const args = ["--data", data, "--user", "alice", "--jobs", jobs];
    const first = await startServer(args);
    const job: Shown = await eventually(async () => (await first.call("list_jobs")).jobs[0], 20_000);
    const { run_id } = await first.call("run_job", { job_id: job.job_id });
    // Killed as soon as the run is queued, just before or after it is claimed.
    first.kill("SIGKILL");
    await first.exited;

    const second = await startServer(args);
    await eventually(async () => (await statusOf(second, run_id)).status !== "queued", 20_000);
    second.kill("SIGKILL");
    await second.exited;
    const attempts = async (server: StdioServer): Promise<Shown[]> =>
      (await server.call("list_runs", { job_id: job.job_id })).runs;
    // This process marks the run as lost, queues the second attempt, and is killed before it starts.
    const third = await startServer(args);
    await eventually(async () => (await attempts(third)).length === 2, 20_000);
    third.kill("SIGKILL");
    await third.exited;

    await writeFile(join(dir, "go"), "");
    const last = await startServer(args);
    const runs = await eventually(async () => {
      const found = await attempts(last);
      return found.every(({ finished_at }) => finished_at) && found;
    }, 30_000);
    expect(runs.map(({ attempt, status }) => [attempt, status])).toEqual([
      [2, "succeeded"],
      [1, "lost"],
    ]);
    last.end();
    expect((await last.exited).code).toBe(0);
  }, 90_000);
});
