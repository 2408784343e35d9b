import { spawnSync } from "node:child_process";
import { globSync, statSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");

export const BUILT_LIBRARY = join(ROOT, "dist/index.js");

/** Builds into `dist` when there is nothing yet, or something older than the source: once, before the first test. */
export default function build(): void {
  const timeOf = (file: string) => statSync(join(ROOT, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const built = Math.min(
    ...["cli.js", "ghost-thread.js", "load-thread.js", "index.d.ts"].map((file) => timeOf(`dist/${file}`)),
  );
  const sources = globSync("{src,packages}/**/*.ts", { cwd: ROOT });
  const newest = Math.max(...[...sources, "rolldown.config.ts", "package-lock.json"].map(timeOf));
  if (built > newest) return;
  const { status, stderr, stdout } = spawnSync("npm", ["run", "build"], { cwd: ROOT, encoding: "utf8" });
  if (status !== 0) throw new Error(`npm run build failed\n${stdout}\n${stderr}`);
}
