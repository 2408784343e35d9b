import { spawnSync } from "node:child_process";
import { globSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./harness.ts";

export const BUILT_CLI = join(ROOT, "dist/cli.js");

export const BUILT_LIBRARY = join(ROOT, "dist/index.js");

const LOCK = join(ROOT, "node_modules/.nightshift-build");
const LOCK_MS = 120_000;

/** Builds into `dist` when there is nothing yet, or something older than the source; one test file at a time. */
export function ensureBuilt(): void {
  while (!takeLock()) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  try {
    buildIfOld();
  } finally {
    rmSync(LOCK, { force: true });
  }
}

/** One that was left behind by a process that was killed counts for nothing. */
function takeLock(): boolean {
  const made = statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs;
  if (made !== undefined && Date.now() - made > LOCK_MS) rmSync(LOCK, { force: true });
  try {
    writeFileSync(LOCK, "", { flag: "wx" });
    return true;
  } catch {
    return false;
  }
}

function buildIfOld(): void {
  const timeOf = (file: string) => statSync(join(ROOT, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const built = Math.min(
    timeOf("dist/cli.js"),
    timeOf("dist/ghost-thread.js"),
    timeOf("dist/load-thread.js"),
  );
  const newest = Math.max(
    ...globSync("src/**/*.ts", { cwd: ROOT }).map(timeOf),
    timeOf("rolldown.config.ts"),
  );
  if (built > newest) return;
  const { status, stderr, stdout } = spawnSync("npm", ["run", "build"], {
    cwd: ROOT,
    encoding: "utf8",
    shell: false,
  });
  if (status !== 0) throw new Error(`npm run build failed\n${stdout}\n${stderr}`);
}
