import type { Worker } from "node:worker_threads";

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
