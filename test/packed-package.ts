import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "./harness.ts";

const run = promisify(execFile);
/** What a copy of the checkout does without. */
const LEFT_OUT = new Set([".git", ".nightshift", "coverage", "dist", "node_modules"]);

/** The environment of npm as a user has it: without the settings that `npm run` passes on to its scripts. */
export const npmEnvironment = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined || /^npm_(?!config_(?:registry|cache)$)/i.test(name) ? [] : [[name, value]],
    ),
  );

async function npm(args: readonly string[], cwd: string): Promise<void> {
  const shell = process.platform === "win32";
  await run("npm", [...args], { cwd, env: npmEnvironment(), maxBuffer: 64 * 1024 * 1024, shell });
}

/** Packs a copy of the checkout, so that the build of the checkout stays as it is. Resolves to the packed file. */
export async function pack(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), "nightshift-pack-"));
  const isKept = (path: string) => !LEFT_OUT.has(path.slice(ROOT.length).split(sep)[0] ?? "");
  await cp(ROOT, copy, { recursive: true, filter: isKept });
  await symlink(join(ROOT, "node_modules"), join(copy, "node_modules"), "junction");
  await npm(["pack"], copy);
  const file = (await readdir(copy)).find((name) => name.endsWith(".tgz"));
  if (!file) throw new Error("npm pack has written no file");
  return join(copy, file);
}

/** A folder with nothing but the packed package and what it depends on. No script of a package is run. */
export async function installInto(file: string): Promise<string> {
  const prefix = await mkdtemp(join(tmpdir(), "nightshift-packed-"));
  await writeFile(join(prefix, "package.json"), '{ "private": true, "type": "module" }');
  await npm(["install", "--ignore-scripts", "--no-audit", "--no-fund", file], prefix);
  return prefix;
}

/** The binary of another Node, from its npm package, or the reason why there is none. */
export async function installNode(version: string): Promise<{ node: string } | { reason: string }> {
  const name = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  const prefix = await mkdtemp(join(tmpdir(), "nightshift-node-"));
  try {
    await writeFile(join(prefix, "package.json"), '{ "private": true }');
    await npm(["install", "--ignore-scripts", "--no-audit", "--no-fund", `${name}@${version}`], prefix);
    const node = join(
      prefix,
      "node_modules",
      name,
      "bin",
      process.platform === "win32" ? "node.exe" : "node",
    );
    const { stdout } = await run(node, ["--version"]);
    return stdout.trim() === `v${version}` ? { node } : { reason: `${name} is ${stdout.trim()}` };
  } catch (error) {
    return { reason: `Node ${version} cannot be installed here: ${String(error).slice(0, 300)}` };
  }
}
