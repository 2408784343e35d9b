import { spawnSync } from "node:child_process";
import { appendFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { cli, startServer } from "./child-process.ts";
import { tempDir } from "./harness.ts";
import { ask, endedRun, openProgram } from "./program.ts";

const tool = { name: "current_time", arguments: {} };
const runsOf = async (context: Parameters<typeof ask>[0], job_id: string) =>
  (await ask(context, "list_runs", { job_id })).runs;

/** A disk of 4 MB, or the reason why there is none. */
async function smallDisk(): Promise<{ dir: string } | { reason: string }> {
  const dir = await tempDir();
  const { status, stderr, error } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", dir], {
    encoding: "utf8",
  });
  if (status !== 0) return { reason: `no disk can be mounted here: ${error?.message ?? stderr.trim()}` };
  onTestFinished(() => void spawnSync("umount", ["-l", dir]));
  return { dir };
}

/** Fills the disk. The function that it returns frees it again. */
function fill(dir: string): () => void {
  const file = join(dir, "filler");
  for (let bytes = 65_536; bytes >= 1; bytes = Math.floor(bytes / 2)) {
    try {
      for (;;) appendFileSync(file, Buffer.alloc(bytes, 1));
    } catch {
      // So much does not fit any more: the next write is smaller.
    }
  }
  return () => rmSync(file);
}

describe("a full disk", () => {
  it("refuses what would be stored, in a sentence, and what ran meanwhile is as it was when there is room", async (test) => {
    const disk = await smallDisk();
    if ("reason" in disk) {
      console.info(disk.reason);
      return test.skip(disk.reason);
    }
    const program = await openProgram({ dataDir: join(disk.dir, "data"), scheduler: true });
    const alice = program.open();
    const { fact_id } = await ask(alice, "save_fact", { fact: "There was room." });
    const slow = await ask(alice, "schedule_task", { tool, every_seconds: 86_400 });
    await ask(alice, "run_job", { job_id: slow.job_id });
    await endedRun(alice, slow.job_id);
    const soon = await ask(alice, "schedule_task", {
      tool,
      execute_at: new Date(Date.now() + 1_000).toISOString(),
    });

    const makeRoom = fill(disk.dir);
    // Pages that exist may have some free space, but not so much.
    const long = "x".repeat(8_000);
    const full = /disk of the data folder is full|could not be read or written/;
    const refused = async () => {
      for (let i = 0; i < 20; i++) await ask(alice, "save_fact", { fact: `${long.slice(20)} ${i}` });
    };
    await expect(refused()).rejects.toThrow(full);
    const refusedJob = async () => {
      for (let i = 0; i < 200; i++)
        await ask(alice, "schedule_task", { tool, every_seconds: 3600, name: `${i} ${"n".repeat(90)}` });
    };
    await expect(refusedJob()).rejects.toThrow(full);
    expect((await ask(alice, "recall_facts", { query: "room" })).facts[0]).toMatchObject({ fact_id });
    expect(await runsOf(alice, slow.job_id)).toHaveLength(1);
    await expect
      .poll(() => Date.now(), { timeout: 5_000 })
      .toBeGreaterThan(Date.parse(soon.next_runs[0]) + 500);

    makeRoom();
    expect(await endedRun(alice, soon.job_id)).toMatchObject({ status: "succeeded" });
    expect(await runsOf(alice, soon.job_id)).toHaveLength(1);
    await ask(alice, "save_fact", { fact: "There is room again." });
    await program.close();
    const { stdout } = await cli(["doctor", "--data", program.dataDir, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true });
  }, 60_000);

  it("delays the end of a run that worked meanwhile, and loses nothing of what it came to", async (test) => {
    const disk = await smallDisk();
    if ("reason" in disk) {
      console.info(disk.reason);
      return test.skip(disk.reason);
    }
    const answered = Promise.withResolvers<void>();
    const program = await openProgram({
      dataDir: join(disk.dir, "data"),
      scheduler: true,
      script: async () => {
        await answered.promise;
        return { text: "x".repeat(50_000) };
      },
    });
    const alice = program.open();
    const { job_id } = await ask(alice, "schedule_task", { prompt: "Write.", every_seconds: 86_400 });
    const { run_id } = await ask(alice, "run_job", { job_id });
    await expect
      .poll(async () => (await ask(alice, "get_run", { run_id })).status, { timeout: 20_000 })
      .toBe("running");
    const makeRoom = fill(disk.dir);
    answered.resolve();
    const refused = () => program.lines.some(({ msg }) => String(msg).includes("could not be written"));
    await expect.poll(refused, { timeout: 20_000 }).toBe(true);
    expect((await ask(alice, "get_run", { run_id })).status).toBe("running");
    makeRoom();
    const run = await endedRun(alice, job_id, run_id);
    expect(run).toMatchObject({ status: "succeeded", output: "x".repeat(50_000) });
    expect((await ask(alice, "inbox", {})).items).toHaveLength(1);
  }, 60_000);

  it("is the same where a file may not grow (ulimit -f), and takes no server down", async () => {
    const dir = await tempDir();
    const server = await startServer(["--data", dir, "--user", "alice"], {
      command: "/bin/sh",
      before: ["-c", `ulimit -f 1200; exec "$0" "$@"`, process.execPath],
    });
    const said: string[] = [];
    let saved = 0;
    for (let i = 0; i < 300 && said.length < 3; i++)
      await server.call("save_fact", { fact: `${i} ${"y".repeat(7_000)}` }).then(
        () => saved++,
        (error: Error) => said.push(error.message),
      );
    expect(said).toHaveLength(3);
    for (const sentence of said) expect(sentence).toMatch(/the disk of the data folder/i);
    expect((await server.call("list_facts", { limit: 100 })).facts.length).toBeGreaterThan(0);
    const job = await server.call("schedule_task", { tool, every_seconds: 3600 });
    expect(job.job_id).toMatch(/^job_/);
    server.end();
    expect((await server.exited).code).toBe(0);
    const reopened = await openProgram({ dataDir: dir });
    const list = (cursor?: string) =>
      ask(reopened.open(), "list_facts", { limit: 100, ...(cursor && { cursor }) });
    let page = await list();
    let count = page.facts.length;
    for (; page.next_cursor; count += page.facts.length) page = await list(page.next_cursor);
    expect(count).toBe(saved);
    await ask(reopened.open(), "save_fact", { fact: "There is room again." });
  }, 60_000);
});
