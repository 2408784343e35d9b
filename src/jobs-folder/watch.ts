import type { JobStore } from "../jobs/contracts.ts";
import type { Log } from "../log.ts";
import { warningOf } from "./front-matter.ts";
import { type DescribeCache, type FolderScan, readFolder, scanFolder } from "./scan.ts";
import { watchChanges } from "./watch-changes.ts";

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
 * Makes the owner's folder jobs match the files: now, and whenever the folder changes or is replaced. A problem is
 * logged once, with its file and line; a bad file keeps the job that it had, over restarts too. While the folder is
 * gone its jobs stay as they are. Rejects with CONFIG_INVALID when the folder cannot be read.
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
  const tell = createTeller(log);
  let isUnreadable = false;
  const rescan = async () => {
    const scan = await scanFolder(dir, now(), { cache, signal: closed.signal });
    if (closed.signal.aborted) return;
    if (isUnreadable) log.info("the jobs folder can be read again");
    isUnreadable = false;
    const bad = scan.problems.map(({ file }) => file);
    const changed = await store.syncFolder(scan.jobs, bad);
    tell(scan);
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
    if (!isUnreadable) log.error({ err: error }, "the jobs folder could not be read; trying again");
    isUnreadable = true;
    scanIn(RESCAN_MS);
  };
  function again(): void {
    working = working.then(rescan).catch(failed);
  }
  // Watched before the first scan, so that no change in between is missed.
  const changes = watchChanges(dir, { log, onChange: () => scanIn(DEBOUNCE_MS) });
  again();
  const slow = Promise.withResolvers<void>();
  const firstScanTimer = setTimeout(slow.resolve, FIRST_SCAN_MS);
  await Promise.race([working, slow.promise]);
  clearTimeout(firstScanTimer);
  return {
    async close() {
      closed.abort();
      clearTimeout(timer);
      await changes.close();
      await working;
    },
  };
}

/** Logs what is wrong with the files of a scan, unless it was so in the scan before. */
function createTeller(log: Log): (scan: FolderScan) => void {
  let told = new Set<string>();
  return ({ jobs, problems, ignored }) => {
    const lines = new Set<string>();
    const tell = (text: string, write: () => void) => {
      if (!told.has(text)) write();
      lines.add(text);
    };
    for (const { file, line, message } of problems) {
      const text = `${file}${line ? `:${line}` : ""}: ${message}`;
      tell(text, () => log.error({ file, line }, `a job file is left out: ${text}`));
    }
    for (const { file, message } of ignored) {
      const text = `${file}: ${message}`;
      tell(text, () => log.warn({ file }, `a file of the jobs folder is left alone: ${text}`));
    }
    for (const job of jobs) {
      const warning = warningOf(job);
      if (warning === undefined) continue;
      const { file } = job;
      const text = `${file}: ${warning}`;
      tell(text, () => log.warn({ file }, `a job file may not do what it should: ${text}`));
    }
    told = lines;
  };
}
