import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it, onTestFinished } from "vitest";
import { identifyProcess, isAlive } from "../../src/scheduler/this-process.ts";
import type { Worker } from "../../src/store/run-queue.ts";
import { newJob, openWorld } from "../world.ts";

const MODULE = new URL("../../src/scheduler/this-process.ts", import.meta.url).href;
const SCRIPT = `const { identifyProcess } = await import(${JSON.stringify(MODULE)});
  console.log(JSON.stringify(identifyProcess({ isShared: true })));
  process.stdin.resume();`;
/** Runs a command in a space of pids of its own, as a container has one, under the same host name. */
const UNSHARE = ["unshare", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"];
const canUnshare = spawnSync(UNSHARE[0] ?? "", [...UNSHARE.slice(1), "true"]).status === 0;

/** A real process: what it says of itself, and its end. */
async function startProcess(before: readonly string[] = []) {
  const [command = "", ...args] = [...before, process.execPath, "--input-type=module", "-e", SCRIPT];
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const end = async () => {
    child.kill("SIGKILL");
    await exited;
  };
  onTestFinished(end);
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { worker: JSON.parse(line.toString()) as Worker, end };
}

const isLinux = process.platform === "linux";
if (!isLinux) console.info("test/scheduler/this-process.test.ts is skipped: only Linux has /proc.");
else if (!canUnshare)
  console.info("Processes in another space of pids are not tested: unshare needs rights.");

describe.runIf(isLinux)("a process, as others know it", () => {
  /** Claims a run as `holder`, and lets this process look for lost ones. */
  async function openRun(holder: Worker) {
    const { user, claim, runQueue, now } = await openWorld("SQLite");
    const { jobId } = await user("a").jobs.create(newJob());
    await user("a").runs.enqueue(jobId);
    await claim({ limit: 1, worker: holder, leaseMs: 30_000 });
    const worker = identifyProcess({ isShared: true });
    return async () => (await runQueue.reapLost({ now: now(), worker, isAlive })).length;
  }

  it("is on the host of its neighbours, and is dead for them once it has ended", async () => {
    const { worker, end } = await startProcess();
    expect(worker.host).toBe(identifyProcess({ isShared: true }).host);
    const reap = await openRun(worker);
    expect(await reap()).toBe(0);
    await end();
    expect(await reap()).toBe(1);
  });

  it.runIf(canUnshare)(
    "is known by its lease alone where pids mean other processes, under the same name",
    async () => {
      const { worker } = await startProcess(UNSHARE);
      expect(worker.pid).toBe(1);
      const here = identifyProcess({ isShared: true });
      expect(worker.host.split(" ")[0]).toBe(here.host.split(" ")[0]);
      expect(worker.host).not.toBe(here.host);
      // A pid that is nobody's here says nothing of a process elsewhere.
      const reap = await openRun({ ...worker, pid: 2 ** 22 + 1 });
      expect(await reap()).toBe(0);
    },
  );

  it("is dead when its pid was given to another one", async () => {
    const { worker } = await startProcess();
    expect(isAlive(worker.pid, worker.workerId)).toBe(true);
    expect(isAlive(worker.pid, worker.workerId.replace(/\d+$/, "1"))).toBe(false);
    expect(await (await openRun({ ...worker, workerId: worker.workerId.replace(/\d+$/, "1") }))()).toBe(1);
  });

  it("is one process, however often this program is loaded into it", async () => {
    const again = (await import(`${MODULE}?again`)) as { identifyProcess: typeof identifyProcess };
    expect(again.identifyProcess({ isShared: true })).toEqual(identifyProcess({ isShared: true }));
  });
});
