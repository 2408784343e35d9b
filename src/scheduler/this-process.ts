import { hash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { Worker } from "../store/run-queue.ts";

/**
 * The names of this process for others. `host` is one boot of one machine and one pid namespace, because a pid is unique
 * only within these. The machine's name is not enough: machines and containers may share one. The worker id contains
 * the start time, because a pid is given to another process later.
 *
 * Where the system does not tell these (it is not Linux), a file is on this machine and its name is enough; among
 * processes that share a database over a network (`isShared`) the host is nobody else's, and leases alone tell that a
 * process is dead.
 */
export function identifyProcess({ isShared }: { isShared: boolean }): Worker {
  const { pid } = process;
  const pidNamespace = findPidNamespace();
  const startedAt = startOfProcess(pid);
  const isKnown = pidNamespace !== undefined && startedAt !== undefined;
  if (!isKnown)
    return {
      workerId: RANDOM_WORKER,
      host: isShared ? `${hostname()} ${RANDOM_WORKER}` : hostname(),
      pid,
    };
  const host = `${hostname()} ${pidNamespace}`;
  return { workerId: `worker_${hash("sha256", host).slice(0, 16)}_${pid}_${startedAt}`, host, pid };
}

/** One per process: two schedulers in it must not take each other's runs for those of a dead process. */
const RANDOM_WORKER = `worker_${crypto.randomUUID()}`;

/** True when the process that has this worker id exists on this host, also one of another user. */
export function isAlive(pid: number, workerId = ""): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const [, started] = /^worker_[0-9a-f]{16}_\d+_(\d+)$/.exec(workerId) ?? [];
  const startedAt = started && startOfProcess(pid);
  // Another start: the pid was given to another process.
  return !startedAt || startedAt === started;
}

/** The id of this boot, and the pid namespace in it. */
function findPidNamespace(): string | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return undefined;
  }
}

/** When a process started, in ticks since the boot; field 22 of proc_pid_stat(5). */
function startOfProcess(pid: number): string | undefined {
  try {
    // Its name, in parentheses, may hold anything.
    const [, fields = ""] = /\) ([^)]*)$/.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
    return fields.split(" ")[19];
  } catch {
    return undefined;
  }
}
