// `node release/pack.ts begin` puts the manifest of the published package in the place of the checkout's, and `end` puts
// that back. npm runs them before and after it packs.

import { copyFileSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { publishedManifest } from "./manifest.ts";

const KEPT = "package.checkout.json";

if (process.argv[2] === "begin") {
  copyFileSync("package.json", KEPT);
  const manifest = publishedManifest(JSON.parse(readFileSync(KEPT, "utf8")));
  writeFileSync("package.published.json", `${JSON.stringify(manifest, null, 2)}\n`);
  renameSync("package.published.json", "package.json");
} else {
  renameSync(KEPT, "package.json");
}
