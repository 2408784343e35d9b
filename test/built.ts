import { spawnSync } from "node:child_process";
import { globSync, statSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./harness.ts";

export const BUILT_CLI = join(ROOT, "dist/cli.js");

/** Builds into `dist` when there is nothing yet, or something older than the source. */
export function ensureBuilt(): void {
  const timeOf = (file: string) => statSync(join(ROOT, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const built = Math.min(
    timeOf("dist/cli.js"),
    timeOf("dist/ghost-thread.js"),
    timeOf("dist/describe-thread.js"),
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
