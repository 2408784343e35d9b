// `npm run bundle` makes nightshift-<version>.mcpb, which Claude Desktop and others install by a double click: the packed
// package, what it needs beside it, and a manifest.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packExtension } from "@anthropic-ai/mcpb";
import { bundleManifest } from "./bundle-manifest.ts";

const manifest = JSON.parse(readFileSync("package.json", "utf8"));
const work = mkdtempSync(join(tmpdir(), "nightshift-bundle-"));
try {
  const run = (command: string, args: readonly string[], cwd?: string) =>
    execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  run("npm", ["pack", "--pack-destination", work]);
  const folder = join(work, "bundle");
  mkdirSync(folder);
  run("tar", [
    "-xzf",
    join(work, `${manifest.name}-${manifest.version}.tgz`),
    "-C",
    folder,
    "--strip-components",
    "1",
  ]);
  run(
    "npm",
    ["install", "--omit=dev", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund"],
    folder,
  );
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(bundleManifest(manifest), null, 2));
  copyFileSync("icon.png", join(folder, "icon.png"));
  const outputPath = `${manifest.name}-${manifest.version}.mcpb`;
  if (!(await packExtension({ extensionPath: folder, outputPath, silent: true })))
    throw new Error("the bundle could not be packed");
  console.log(outputPath);
} finally {
  rmSync(work, { recursive: true, force: true });
}
