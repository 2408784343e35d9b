import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import type { Worker } from "node:worker_threads";
import { NightshiftError } from "../errors.ts";
import type { GhostThread } from "../ghost/ghost-thread.ts";
import type { Log } from "../log.ts";
import { type StartedThread, startWorker } from "./worker.ts";

/** Threads for ghosts: spare ones started ahead of need, each used once. */
export interface Threads {
  /**
   * Starts the spare threads that are missing: for when something is about to be due. Resolves when they wait for
   * work; never rejects, because the next `take` says what is wrong.
   */
  warm(): Promise<void>;
  /** A spare thread, or a new one: it need not be ready, its port keeps what is sent. The spare is replaced later. */
  take(): Promise<GhostThread>;
  /** Threads alive, spare or at work. */
  readonly size: number;
  /** Ends every thread, also one that ignores messages. */
  close(): Promise<void>;
}

export interface ThreadsOptions {
  readonly spare: number;
  /** Threads at once: spare ones, too, are started only within it. Default: no limit but that of `take`'s callers. */
  readonly most?: number;
  /** Heap of one thread, in MiB. */
  readonly memoryMb: number;
  readonly log: Log;
  /** While it says true, one thread fewer loads at once than there are processors. Default: never. */
  readonly isInUse?: () => boolean;
  /** Default: the ghost's entry, from source or as built. */
  readonly threadFile?: string;
}

/** Let the ghost that took the spare have the processor first. */
const REPLACE_AFTER_MS = 25;

/**
 * Opens ghost threads on Bree, which is imported when the first is needed. Each thread is one Bree job with a name
 * of its own. Bree's timers, its 'done' and 'cancel' messages and its stop() are not used: design.md says why.
 */
export function openThreads(options: ThreadsOptions): Threads {
  const alive = new Map<string, StartedThread>();
  const starting = new Set<Promise<StartedThread>>();
  const spares: Promise<StartedThread>[] = [];
  const limiter = createThreadLimiter(() =>
    Math.max(1, availableParallelism() - (options.isInUse?.() ? 1 : 0)),
  );
  const { most = Number.POSITIVE_INFINITY } = options;
  let bree: Promise<Bree> | undefined;
  let replacing: NodeJS.Timeout | undefined;
  let count = 0;
  let isClosed = false;

  const launch = async (): Promise<StartedThread> => {
    bree ??= loadBree(options, alive);
    const opened = await bree;
    if (isClosed) throw closed();
    const name = `ghost-${++count}`;
    await opened.add({ name, path: options.threadFile ?? defaultThreadFile() });
    await opened.run(name);
    const thread = alive.get(name);
    if (!thread) throw new NightshiftError("INTERNAL", "A ghost's thread did not start.");
    if (isClosed) await thread.terminate();
    return thread;
  };
  const start = (): Promise<StartedThread> => {
    const thread = limiter.run(launch);
    starting.add(thread);
    const done = () => starting.delete(thread);
    thread.then(done, done);
    return thread;
  };
  const fill = () => {
    replacing = undefined;
    while (!isClosed && spares.length < options.spare && alive.size + starting.size < most) {
      const spare = start();
      spares.push(spare);
      // One that failed is no spare. It is not replaced at once: it might fail again, for ever.
      const forget = () => {
        const at = spares.indexOf(spare);
        if (at >= 0) spares.splice(at, 1);
      };
      spare.then(({ exited }) => void exited.then(forget), forget);
    }
  };

  return {
    get size() {
      return alive.size;
    },
    async warm() {
      fill();
      await Promise.allSettled(spares.map((spare) => spare.then(({ ready }) => ready)));
    },
    async take() {
      if (isClosed) throw closed();
      const thread = await (spares.shift() ?? start());
      thread.begin();
      replacing ??= setTimeout(fill, REPLACE_AFTER_MS).unref();
      return thread;
    },
    async close() {
      isClosed = true;
      clearTimeout(replacing);
      limiter.lift();
      await Promise.allSettled([...starting]);
      await Promise.all([...alive.values()].map((thread) => thread.terminate()));
    },
  };
}

/** The part of Bree 9.2 that is used, with what its own types leave out. */
interface Bree {
  add(job: { name: string; path: string }): Promise<unknown>;
  run(name: string): Promise<void>;
  on(event: "worker deleted", listener: (name: string) => void): void;
  createWorker(path: string, options: { workerData: { job: { name: string } } }): Worker;
}

async function loadBree({ memoryMb, log }: ThreadsOptions, alive: Map<string, StartedThread>): Promise<Bree> {
  const { default: Constructor } = (await import("bree")) as unknown as {
    default: new (config: object) => Bree;
  };
  const bree = new Constructor({
    root: false,
    doRootCheck: false,
    jobs: [],
    timeout: false,
    removeCompleted: true,
    acceptedExtensions: [".ts", ".js"],
    // How threads end is told by the run they served.
    logger: false,
    errorHandler: () => {},
  });
  bree.on("worker deleted", (name) => alive.delete(name));
  bree.createWorker = (path, { workerData }) => {
    const { worker, thread } = startWorker(path, { memoryMb, log });
    alive.set(workerData.job.name, thread);
    return worker;
  };
  return bree;
}

/** `src/ghost/thread/entry.ts` beside this source, `ghost-thread.js` beside the bundle. */
function defaultThreadFile(): string {
  const entry = import.meta.url.endsWith(".ts") ? "../ghost/thread/entry.ts" : "./ghost-thread.js";
  return fileURLToPath(new URL(entry, import.meta.url));
}

const closed = () =>
  new NightshiftError("CONTEXT_CLOSED", "Nightshift is stopping; no new ghost is started.");

/** Lets a few threads load at once, and the others wait for their turn, in order. */
export interface ThreadLimiter {
  run(launch: () => Promise<StartedThread>): Promise<StartedThread>;
  /** Lets everyone through from here on. */
  lift(): void;
}

/** A thread that has not loaded by then does not keep the others waiting. */
const LOAD_TIMEOUT_MS = 5_000;

/**
 * Loading a thread is all processor. More of them at once than there are processors would not be ready sooner, but
 * would take the main thread's turns from live calls (measured: stalls of 200 ms instead of 20). `width` is asked
 * anew for each: how many may load at once.
 */
export function createThreadLimiter(width: () => number): ThreadLimiter {
  const waiting: (() => void)[] = [];
  let isOpen = false;
  let loading = 0;

  const startWaiting = () => {
    while (waiting.length > 0 && (isOpen || loading < width())) {
      loading++;
      waiting.shift()?.();
    }
  };
  const finishOne = () => {
    loading--;
    startWaiting();
  };
  return {
    async run(launch) {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        startWaiting();
      });
      const { promise: done, resolve } = Promise.withResolvers<void>();
      const timeout = setTimeout(resolve, LOAD_TIMEOUT_MS).unref();
      void done.then(finishOne);
      const end = () => {
        clearTimeout(timeout);
        resolve();
      };
      const thread = launch();
      thread.then(({ ready }) => ready).then(end, end);
      return thread;
    },
    lift() {
      isOpen = true;
      startWaiting();
    },
  };
}
