// `node release/pack.ts begin` builds, and puts the manifest of the published package in the place of the checkout's; `end`
// puts that back. npm runs them before and after it packs.

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { publishedManifest } from "./manifest.ts";

const MANIFEST = "package.json";
const KEPT = "package.checkout.json";

const restore = () => renameSync(KEPT, MANIFEST);

if (process.argv[2] === "begin") {
  // npm does not come to the end when it fails in between.
  if (existsSync(KEPT)) restore();
  execFileSync("npm", ["run", "build"], { stdio: "inherit", shell: process.platform === "win32" });
  copyFileSync(MANIFEST, KEPT);
  const manifest = publishedManifest(JSON.parse(readFileSync(KEPT, "utf8")));
  writeFileSync("package.published.json", `${JSON.stringify(manifest, null, 2)}\n`);
  renameSync("package.published.json", MANIFEST);
} else {
  restore();
}
