import { setTimeout as wait } from "node:timers/promises";
import { MessageChannel, Worker } from "node:worker_threads";
import type { GhostThread, ThreadExit } from "../ghost/ghost-thread.ts";
import type { Log } from "../log.ts";

export interface StartedThread extends GhostThread {
  /** Puts the thread to use: from here on it keeps the process alive, and its memory is watched. */
  begin(): void;
  /** Resolves when the thread has loaded and waits for a run, or has ended. */
  readonly ready: Promise<unknown>;
}

const TERMINATE_WAIT_MS = 2_000;
/** Characters of a thread's output that go to the debug log. */
const MAX_PRINTED_CHARS = 4_096;

/**
 * Starts a worker that shares nothing with this process but one port: no environment (it may hold keys), no
 * arguments, no Node flags, no output (stdout belongs to MCP), and a heap of its own. Bree supervises `worker`.
 */
export function startWorker(
  path: string,
  options: { memoryMb: number; log: Log },
): { worker: Worker; thread: StartedThread } {
  const { port1: port, port2 } = new MessageChannel();
  const worker = new Worker(path, {
    workerData: { port: port2 },
    transferList: [port2],
    env: {},
    argv: [],
    execArgv: [],
    stdout: true,
    stderr: true,
    resourceLimits: resourceLimits(options.memoryMb),
  });
  // A spare thread does not keep the process alive.
  worker.unref();
  drainOutput(worker, options.log);
  const { exited, crash } = watchExit(worker);
  // After a crash this comes later than `exited`.
  const gone = new Promise<true>((resolve) => worker.once("exit", () => resolve(true)));
  const loaded = new Promise<void>((resolve) => port.once("message", () => resolve()));
  port.unref();
  let unwatch = () => {};
  const terminate = async () => {
    unwatch();
    void worker.terminate();
    const isGone = await Promise.race([gone, wait(TERMINATE_WAIT_MS, false, { ref: false })]);
    if (!isGone)
      options.log.error({ thread: worker.threadId }, "a ghost's thread does not end: it is blocked");
  };
  const onMemoryExceeded = () => {
    crash({ kind: "crashed", error: "out of memory", outOfMemory: true });
    void terminate();
  };
  const begin = () => {
    worker.ref();
    unwatch = watchMemory(worker, options.memoryMb, onMemoryExceeded);
  };
  return { worker, thread: { port, exited, ready: Promise.race([loaded, exited]), begin, terminate } };
}

function watchExit(worker: Worker): { exited: Promise<ThreadExit>; crash: (end: ThreadExit) => void } {
  const { promise, resolve } = Promise.withResolvers<ThreadExit>();
  worker.once("error", (error: unknown) => {
    const { message, code } = (error ?? {}) as { message?: unknown; code?: unknown };
    resolve({
      kind: "crashed",
      error: String(message ?? error).slice(0, 1_000),
      outOfMemory: code === "ERR_WORKER_OUT_OF_MEMORY",
    });
  });
  // "error" comes before "exit", and a promise keeps its first value.
  worker.once("exit", (code) => resolve({ kind: "exited", code }));
  return { exited: promise, crash: resolve };
}

/** Reads what a thread prints, which would pile up otherwise, and logs the beginning. It never goes to stdout. */
function drainOutput(worker: Worker, log: Log): void {
  let left = MAX_PRINTED_CHARS;
  for (const stream of [worker.stdout, worker.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      if (left <= 0 || !log.isLevelEnabled("debug")) return;
      const printed = chunk.toString("utf8").slice(0, left);
      left -= printed.length;
      log.debug({ thread: worker.threadId, printed }, "a ghost's thread printed");
    });
  }
}

/*
 * V8 ends a worker that exceeds its heap limit, except where one allocation exceeds what is left of the limit by 16 MiB:
 * that ends the whole process (tried: `new Array(2e7).fill(0.5)` under a limit of 64 MiB). And memory of buffers counts
 * towards no limit. So V8's limit is set far above ours, and this process watches our limit from outside, which works
 * while the thread spins. Not covered: a single allocation of more than a gigabyte.
 */

/** Difference between our limit and V8's: what a fast leak can allocate between two looks. */
const HEADROOM_MB = 1_024;
/** Dead objects that V8 may keep before it collects them, on top of `memoryMb` of live ones. */
const GARBAGE_MB = 96;
/** One look costs about 25 µs. */
const CHECK_EVERY_MS = 100;
const MIB = 1024 * 1024;

/** V8's limits for a thread whose heap and buffers are watched to stay within `memoryMb`. */
const resourceLimits = (memoryMb: number) => ({
  maxOldGenerationSizeMb: memoryMb + HEADROOM_MB,
  // A ghost mostly waits. V8's default would reserve 1.5 MB more for each.
  maxYoungGenerationSizeMb: 1,
});

/** Calls `exceeded` once when the thread uses more than its limit. Returns a function that ends the watch. */
export function watchMemory(worker: Worker, memoryMb: number, exceeded: () => void): () => void {
  const limitBytes = (memoryMb + GARBAGE_MB) * MIB;
  let isLooking = false;
  const look = async () => {
    if (isLooking) return;
    isLooking = true;
    try {
      const { used_heap_size, external_memory } = await worker.getHeapStatistics();
      if (used_heap_size + external_memory <= limitBytes) return;
      clearInterval(timer);
      exceeded();
    } catch {
      // The thread has not started yet, as on a busy machine, or has ended.
    } finally {
      isLooking = false;
    }
  };
  const timer = setInterval(look, CHECK_EVERY_MS).unref();
  const end = () => clearInterval(timer);
  worker.once("exit", end);
  return end;
}
