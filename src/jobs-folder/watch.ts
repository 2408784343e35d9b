import { type FSWatcher, watch } from "node:fs";
import type { JobStore } from "../jobs/contracts.ts";
import type { Log } from "../log.ts";
import { type DescribeCache, readFolder, scanFolder } from "./scan.ts";

export interface WatchedFolder {
  /** Ends the watch, and a scan that is at work. */
  close(): Promise<void>;
}

const SETTLE_MS = 150;
/** A start waits so long for the first scan; a file that is slow to load is then read behind its back. */
const FIRST_SCAN_MS = 2_000;
/** After a scan that failed: no other change may come that would have the files looked at. */
const AGAIN_MS = 5_000;

/**
 * Keeps the owner's folder jobs in step with the files: now, and whenever the folder changes. A problem is logged
 * when it appears, with its file and line; a file that is bad keeps the job it had, over restarts too. Rejects with
 * CONFIG_INVALID when the folder cannot be read.
 */
export async function watchFolder(options: {
  dir: string;
  store: JobStore;
  log: Log;
  now: () => number;
  onChange: () => void;
}): Promise<WatchedFolder> {
  const { dir, store, log, now, onChange } = options;
  const cache: DescribeCache = new Map();
  const closed = new AbortController();
  let warned = new Set<string>();
  const rescan = async () => {
    const { jobs, problems } = await scanFolder(dir, now(), { cache, signal: closed.signal });
    if (closed.signal.aborted) return;
    const bad = problems.map(({ file }) => file);
    const changed = await store.syncFolder(jobs, bad);
    const lines = new Set<string>();
    for (const { file, line, message } of problems) {
      const said = `${file}${line ? `:${line}` : ""}: ${message}`;
      if (!warned.has(said)) log.error({ file, line }, `a job file is left out: ${said}`);
      lines.add(said);
    }
    warned = lines;
    if (changed.created + changed.changed + changed.removed === 0) return;
    log.info(changed, "the jobs folder changed");
    onChange();
  };

  await readFolder(dir);
  let timer: NodeJS.Timeout | undefined;
  let working: Promise<void> = Promise.resolve();
  const scanIn = (ms: number) => {
    clearTimeout(timer);
    if (!closed.signal.aborted) timer = setTimeout(again, ms);
  };
  const failed = (error: unknown) => {
    log.error({ err: error }, "the jobs folder could not be read; trying again");
    scanIn(AGAIN_MS);
  };
  function again(): void {
    working = working.then(rescan).catch(failed);
  }
  // Watched before it is read: a change in between is seen.
  const watcher: FSWatcher = watch(dir, () => scanIn(SETTLE_MS));
  watcher.on("error", (error) => log.error({ err: error }, "the jobs folder is no longer watched"));
  again();
  const slow = Promise.withResolvers<void>();
  const firstScanTimer = setTimeout(slow.resolve, FIRST_SCAN_MS);
  await Promise.race([working, slow.promise]);
  clearTimeout(firstScanTimer);
  return {
    async close() {
      watcher.close();
      closed.abort();
      clearTimeout(timer);
      await working;
    },
  };
}
