import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import type { Worker } from "node:worker_threads";
import { NightshiftError } from "../errors.ts";
import type { GhostThread } from "../ghost/ghost-thread.ts";
import type { Log } from "../log.ts";
import { type StartedThread, startWorker } from "./worker.ts";

/** Threads for ghosts. Spare ones are started ahead of need; each is used once. */
export interface Threads {
  /**
   * Starts the spare threads that are missing: call it when something will be due soon. Resolves when they have loaded.
   * Never rejects; the next `take` tells what is wrong.
   */
  warm(): Promise<void>;
  /** A spare thread, or a new one. It need not have loaded: its port keeps what is sent. A new spare is started later. */
  take(): Promise<GhostThread>;
  /** Number of threads that are alive, spare or running a ghost. */
  readonly size: number;
  /** Ends every thread, also one that ignores messages. */
  close(): Promise<void>;
}

export interface ThreadsOptions {
  readonly spare: number;
  /** Spare threads are started only while there are fewer threads than this. Default: no limit. */
  readonly most?: number;
  /** Heap of one thread, in MiB. */
  readonly memoryMb: number;
  readonly log: Log;
  /** While true, one thread fewer loads at once than there are processors. Default: never. */
  readonly isInUse?: () => boolean;
  /** Default: the ghost's entry, from source or as built. */
  readonly threadFile?: string;
}

/** The ghost that took the spare gets the processor first. */
const REPLACE_AFTER_MS = 25;

/**
 * Opens ghost threads on Bree, which is imported when the first is needed. Each thread is one Bree job with a name
 * of its own. Not used: Bree's timers (wrong across DST), its 'done' message (ends a thread at once), and its stop() with
 * 'cancel' (hangs on a thread that ignores it).
 */
export function openThreads(options: ThreadsOptions): Threads {
  const { most = Number.POSITIVE_INFINITY } = options;
  const launcher = createLauncher(options);
  const spares: Promise<StartedThread>[] = [];
  let replacing: NodeJS.Timeout | undefined;

  const fill = () => {
    replacing = undefined;
    while (!launcher.isClosed && spares.length < options.spare && launcher.total < most) {
      const spare = launcher.start();
      spares.push(spare);
      // A spare that failed to start or ended is removed. It is not replaced at once: the next might fail too, for ever.
      const remove = () => {
        const index = spares.indexOf(spare);
        if (index >= 0) spares.splice(index, 1);
      };
      spare.then(({ exited }) => void exited.then(remove), remove);
    }
  };

  return {
    get size() {
      return launcher.alive.size;
    },
    async warm() {
      fill();
      await Promise.allSettled(spares.map((spare) => spare.then(({ ready }) => ready)));
    },
    async take() {
      if (launcher.isClosed) throw closed();
      const thread = await (spares.shift() ?? launcher.start());
      thread.begin();
      replacing ??= setTimeout(fill, REPLACE_AFTER_MS).unref();
      return thread;
    },
    async close() {
      clearTimeout(replacing);
      await launcher.close();
    },
  };
}

/** Starts threads through Bree, as many at once as the limiter allows, and ends them all. */
function createLauncher(options: ThreadsOptions) {
  const alive = new Map<string, StartedThread>();
  const starting = new Set<Promise<StartedThread>>();
  const limiter = createThreadLimiter(() =>
    Math.max(1, availableParallelism() - (options.isInUse?.() ? 1 : 0)),
  );
  let bree: Promise<Bree> | undefined;
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
  return {
    alive,
    get isClosed() {
      return isClosed;
    },
    /** Threads that are alive or about to be. */
    get total() {
      return alive.size + starting.size;
    },
    start(): Promise<StartedThread> {
      const thread = limiter.run(launch);
      starting.add(thread);
      const done = () => starting.delete(thread);
      thread.then(done, done);
      return thread;
    },
    async close() {
      isClosed = true;
      limiter.lift();
      await Promise.allSettled([...starting]);
      await Promise.all([...alive.values()].map((thread) => thread.terminate()));
    },
  };
}

/** The part of Bree 9.2 that is used; its own types lack some of it. */
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
    // The run that a thread served reports how the thread ended.
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

/** Lets a few threads load at once; the others wait, in order. */
export interface ThreadLimiter {
  run(launch: () => Promise<StartedThread>): Promise<StartedThread>;
  /** Limits nothing any more. */
  lift(): void;
}

/** A thread that has not loaded after this time does not keep the others waiting. */
const LOAD_TIMEOUT_MS = 5_000;

/**
 * Loading a thread takes processor time only. More at once than there are processors would not be ready sooner, and would
 * keep the main thread from live calls (measured: stalls of 200 ms instead of 20). `width` is called before each start:
 * how many may load at once.
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
