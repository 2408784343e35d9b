import { type FSWatcher, watch } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../log.ts";

/** How often to look for what the file system does not report: another folder in its place, a linked file that changed. */
const LOOK_EVERY_MS = 1_000;
const MAX_LINKS = 10_000;

/**
 * Calls `onChange` after each change of the folder's files. A folder that is replaced (made anew, moved, or a link that
 * leads elsewhere) is followed; so are the targets of links in it. Throws when the folder is not there.
 */
export function watchChanges(
  dir: string,
  { log, onChange }: { log: Log; onChange: () => void },
): { close(): Promise<void> } {
  let watcher: FSWatcher | undefined;
  let seen: FolderState | undefined;
  let isGone = false;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;
  const open = () => {
    watcher?.close();
    watcher = watch(dir, onChange);
    watcher.on("error", (error) =>
      log.error(
        { err: error },
        "the jobs folder's changes are no longer reported; it is looked at every second",
      ),
    );
  };
  const look = async () => {
    const state = await readState(dir);
    if (isClosed) return;
    if (!state) {
      if (!isGone) onChange();
      isGone = true;
      return;
    }
    if (seen && (isGone || state.folder !== seen.folder)) {
      open();
      log.info("the jobs folder was replaced; the new one is watched");
    }
    if (seen && (isGone || state.text !== seen.text)) onChange();
    seen = state;
    isGone = false;
  };
  const again = () => {
    timer = setTimeout(() => {
      working = look()
        .catch((error: unknown) => log.error({ err: error }, "the jobs folder could not be looked at"))
        .finally(() => !isClosed && again());
    }, LOOK_EVERY_MS);
  };
  open();
  let working: Promise<unknown> = look();
  again();
  return {
    async close() {
      isClosed = true;
      clearTimeout(timer);
      watcher?.close();
      await working;
    },
  };
}

interface FolderState {
  /** Identifies the folder itself. */
  readonly folder: string;
  /** Differs when the folder, its names, or the target of a link in it has changed. */
  readonly text: string;
}

/** Undefined when the folder is not there. */
async function readState(dir: string): Promise<FolderState | undefined> {
  try {
    // With its time of birth: the number of a deleted folder is often given to the next one.
    const { dev, ino, birthtimeMs, mtimeMs } = await stat(dir);
    const entries = await readdir(dir, { withFileTypes: true });
    const links = entries.filter((entry) => entry.isSymbolicLink()).slice(0, MAX_LINKS);
    const targets: string[] = [];
    for (const { name } of links) targets.push(`${name} ${await describeTarget(join(dir, name))}`);
    const folder = `${dev} ${ino} ${birthtimeMs}`;
    return { folder, text: [folder, mtimeMs, ...targets].join("\n") };
  } catch {
    return undefined;
  }
}

async function describeTarget(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found ? `${found.dev} ${found.ino} ${found.mtimeMs} ${found.size}` : "none";
}
