import type { Database } from "../database/database.ts";
import type { Log } from "../log.ts";
import { CLOCK_TOLERANCE_MS, mendJobsAhead, wasClockAhead } from "../store/clock-ahead.ts";

const CLOCK_EVERY_MS = 1_000;

export interface ClockWatch {
  /** Looks at the clock once; it does so by itself every second. Resolves when what needed it is mended. */
  look(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Finds out, now and while it runs, that the clock was ahead and has been set right, and then gives each job that was
 * stored meanwhile its own next time. `onMended` is called when there were some.
 */
export async function watchClock(
  db: Database,
  { now, log, onMended }: { now: () => number; log: Log; onMended: () => void },
): Promise<ClockWatch> {
  let working: Promise<void> = Promise.resolve();
  const repair = async () => {
    try {
      const jobs = await mendJobsAhead(db, now());
      if (jobs === 0) return;
      log.warn({ jobs }, "the clock was ahead and is set back: what was due too late has its own time again");
      onMended();
    } catch (error) {
      log.error({ err: error }, "the clock was set back, but the jobs' times could not be checked");
    }
  };
  let seen = now();
  const look = () => {
    const at = now();
    if (at < seen - CLOCK_TOLERANCE_MS) working = working.then(repair);
    seen = at;
    return working;
  };
  if (await wasClockAhead(db, seen)) working = repair();
  const timer = setInterval(look, CLOCK_EVERY_MS).unref();
  return {
    look,
    async close() {
      clearInterval(timer);
      await working;
    },
  };
}
