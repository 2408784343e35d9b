import { type FSWatcher, watch } from "node:fs";
import type { Log } from "../../log.ts";
import type { JobBook } from "../store.ts";
import { type DescribeCache, scanFolder } from "./scan.ts";

export interface WatchedFolder {
  close(): Promise<void>;
}

const SETTLE_MS = 150;

/**
 * Keeps the owner's folder jobs in step with the files: now, and whenever the folder changes. Each problem is logged
 * once, with its file and line; a file that is bad now keeps the job it had.
 */
export async function watchFolder(options: {
  dir: string;
  book: JobBook;
  log: Log;
  clock: () => number;
  onChange: () => void;
}): Promise<WatchedFolder> {
  const { dir, book, log, clock, onChange } = options;
  const cache: DescribeCache = new Map();
  const told = new Set<string>();
  const rescan = async () => {
    const { jobs, problems } = await scanFolder(dir, clock(), cache);
    const bad = problems.map(({ file }) => cache.get(file)).filter((job) => job !== undefined);
    const changed = await book.syncFolder([...jobs, ...bad]);
    for (const problem of problems) {
      const line = `${problem.file}${problem.line ? `:${problem.line}` : ""}: ${problem.message}`;
      if (!told.has(line))
        log.error({ file: problem.file, line: problem.line }, `a job file is left out: ${line}`);
      told.add(line);
    }
    if (changed.created + changed.changed + changed.removed === 0) return;
    log.info(changed, "the jobs folder changed");
    onChange();
  };

  let timer: NodeJS.Timeout | undefined;
  let working: Promise<void> = rescan();
  await working;
  const again = () => {
    working = working
      .then(rescan)
      .catch((error: unknown) => log.error({ err: error }, "the jobs folder could not be read"));
  };
  const watcher: FSWatcher = watch(dir, () => {
    clearTimeout(timer);
    timer = setTimeout(again, SETTLE_MS);
  });
  watcher.on("error", (error) => log.error({ err: error }, "the jobs folder is no longer watched"));
  return {
    async close() {
      watcher.close();
      clearTimeout(timer);
      await working;
    },
  };
}
