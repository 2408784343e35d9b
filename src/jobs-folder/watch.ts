import { type FSWatcher, watch } from "node:fs";
import type { JobStore } from "../jobs/contracts.ts";
import type { Log } from "../log.ts";
import { warningOf } from "./front-matter.ts";
import { type DescribeCache, readFolder, scanFolder } from "./scan.ts";

export interface WatchedFolder {
  /** Ends the watch and a scan in progress. */
  close(): Promise<void>;
}

/** An editor may write a file in several steps. */
const DEBOUNCE_MS = 150;
/** The start waits this long for the first scan, which then goes on in the background. */
const FIRST_SCAN_MS = 2_000;
/** The wait after a scan that failed: no further change of a file may come to start one. */
const RESCAN_MS = 5_000;

/**
 * Makes the owner's folder jobs match the files: now, and whenever the folder changes. A problem is logged once, with
 * its file and line; a bad file keeps the job that it had, over restarts too. Rejects with
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
      const text = `${file}${line ? `:${line}` : ""}: ${message}`;
      if (!warned.has(text)) log.error({ file, line }, `a job file is left out: ${text}`);
      lines.add(text);
    }
    for (const job of jobs) {
      const warning = warningOf(job);
      if (warning === undefined) continue;
      const text = `${job.file}: ${warning}`;
      if (!warned.has(text)) log.warn({ file: job.file }, `a job file may not do what it should: ${text}`);
      lines.add(text);
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
    scanIn(RESCAN_MS);
  };
  function again(): void {
    working = working.then(rescan).catch(failed);
  }
  // Watched before the first scan, so that no change in between is missed.
  const watcher: FSWatcher = watch(dir, () => scanIn(DEBOUNCE_MS));
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
