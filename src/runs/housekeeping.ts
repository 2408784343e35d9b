import { setTimeout as wait } from "node:timers/promises";
import type { Database } from "../database/open-sqlite.ts";
import type { Log } from "../log.ts";
import { forgetOldRuns, type Keep } from "../store/retention.ts";

const EVERY_MS = 3_600_000;

/** Deletes what is no longer to be kept: now, and every hour until it is stopped. A failure is logged, and left to the next hour. */
export function startRetention(
  db: Database,
  { keep, log, now }: { keep: Keep; log: Log; now: () => number },
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const keepHouse = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        const { runs, transcripts } = await forgetOldRuns(db, keep, now(), signal);
        if (runs + transcripts > 0) log.info({ runs, transcripts }, "old runs were deleted");
      } catch (error) {
        if (!signal.aborted)
          log.error({ err: error }, "old runs could not be deleted; trying again in an hour");
      }
      await wait(EVERY_MS, undefined, { ref: false, signal }).catch(() => {});
    }
  };
  const work = keepHouse();
  return {
    async stop() {
      stopping.abort();
      await work;
    },
  };
}
