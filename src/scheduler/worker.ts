import { MessageChannel, Worker } from "node:worker_threads";
import type { GhostThread, ThreadExit } from "../ghost/ghost-thread.ts";
import type { Log } from "../log.ts";

export interface StartedThread extends GhostThread {
  /** From here on it is at work: it keeps the process alive, and its memory is watched. */
  begin(): void;
  /** Resolves when the thread has loaded and waits for work, or is gone. */
  readonly ready: Promise<unknown>;
}

const TERMINATE_WAIT_MS = 2_000;
/** Characters of what a thread prints that are worth a debug line. */
const MAX_PRINTED_CHARS = 4_096;

/** Bree's to supervise, and ours to talk to. */
export interface Started {
  readonly worker: Worker;
  readonly thread: StartedThread;
}

/**
 * Starts a worker that shares nothing with this process but one port: no environment (it may hold keys), no
 * arguments, no Node flags, no output (stdout belongs to MCP), and a heap of its own.
 */
export function startWorker(path: string, options: { memoryMb: number; log: Log }): Started {
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
  // A spare holds no process open.
  worker.unref();
  drainOutput(worker, options.log);
  const { exited, crash } = endOf(worker);
  // Later than `exited` after a crash, which is known before the thread is gone.
  const gone = new Promise<true>((resolve) => worker.once("exit", () => resolve(true)));
  const loaded = new Promise<void>((resolve) => port.once("message", () => resolve()));
  port.unref();
  let unwatch = () => {};
  const terminate = async () => {
    unwatch();
    void worker.terminate();
    const isGone = await Promise.race([gone, after(TERMINATE_WAIT_MS)]);
    if (!isGone) options.log.error({ thread: worker.threadId }, "a ghost's thread does not end: it blocks");
  };
  const outgrown = () => {
    crash({ kind: "crashed", error: "out of memory", outOfMemory: true });
    void terminate();
  };
  const begin = () => {
    worker.ref();
    unwatch = watchMemory(worker, options.memoryMb, outgrown);
  };
  return { worker, thread: { port, exited, ready: Promise.race([loaded, exited]), begin, terminate } };
}

function endOf(worker: Worker): { exited: Promise<ThreadExit>; crash: (end: ThreadExit) => void } {
  const { promise, resolve } = Promise.withResolvers<ThreadExit>();
  worker.once("error", (error: unknown) => {
    const { message, code } = (error ?? {}) as { message?: unknown; code?: unknown };
    resolve({
      kind: "crashed",
      error: String(message ?? error).slice(0, 1_000),
      outOfMemory: code === "ERR_WORKER_OUT_OF_MEMORY",
    });
  });
  // "error" comes first where there is one; the promise keeps the first answer.
  worker.once("exit", (code) => resolve({ kind: "exited", code }));
  return { exited: promise, crash: resolve };
}

/** What a thread prints must be read, or it would pile up; it is kept from stdout, and told to the log in part. */
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

const after = (ms: number) =>
  new Promise<false>((resolve) => {
    setTimeout(() => resolve(false), ms).unref();
  });

/*
 * V8 ends a worker that outgrows its heap limit step by step, but one allocation that is larger than the limit's
 * remainder by 16 MiB ends the whole process (tried: `new Array(2e7).fill(0.5)` under a limit of 64 MiB); and what
 * buffers hold counts for no limit at all. So V8's limit is set far above the one that is meant, and the one that
 * is meant is watched from outside, which works while the thread spins. What is left: a single allocation of more
 * than a gigabyte.
 */

/** Room between the limit that is watched and V8's own: what a fast leak can take between two looks. */
const HEADROOM_MB = 1_024;
/** What V8 keeps of dead objects before it collects them, beyond a limit's worth of live ones. */
const GARBAGE_MB = 96;
/** A look costs some 25 µs. */
const LOOK_EVERY_MS = 100;
const MIB = 1024 * 1024;

/** V8's limits for a thread whose heap and buffers are watched to stay within `memoryMb`. */
export const resourceLimits = (memoryMb: number) => ({
  maxOldGenerationSizeMb: memoryMb + HEADROOM_MB,
  // A ghost mostly waits: what V8 would reserve for a busier one is 1.5 MB of each.
  maxYoungGenerationSizeMb: 1,
});

/** Calls `exceeded` once when the thread holds more than it may; returns what ends the watch. */
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
      // It has not begun yet, as on a busy machine, or is gone.
    } finally {
      isLooking = false;
    }
  };
  const timer = setInterval(look, LOOK_EVERY_MS).unref();
  const end = () => clearInterval(timer);
  worker.once("exit", end);
  return end;
}
