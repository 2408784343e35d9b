// Checks that what is checked out may be published as the version of package.json, and says how. Publishes nothing.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

const readJson = (file: string) => JSON.parse(readFileSync(file, "utf8"));
const git = (...args: string[]) => execFileSync("git", args, { encoding: "utf8" }).trim();

const { version } = readJson("package.json");
const tag = `v${version}`;
const problems: string[] = [];

if (
  !new RegExp(`^## \\[${RegExp.escape(version)}\\] - \\d{4}-\\d\\d-\\d\\d$`, "m").test(
    readFileSync("CHANGELOG.md", "utf8"),
  )
)
  problems.push(`CHANGELOG.md has no heading "## [${version}] - <date>"`);
if (readJson("package-lock.json").version !== version)
  problems.push("package-lock.json has another version; run npm install");
// The registry of MCP servers has the version in a file of its own.
if (existsSync("server.json") && readJson("server.json").version !== version)
  problems.push("server.json has another version");
if (git("status", "--porcelain") !== "") problems.push("there are changes that are not committed");
if (!git("tag", "--points-at", "HEAD").split("\n").includes(tag)) problems.push(`HEAD has no tag ${tag}`);

for (const problem of problems) console.error(`- ${problem}`);
if (problems.length > 0) process.exit(1);
execFileSync("npx", ["vitest", "run", "--project", "long", "test/packed.test.ts"], { stdio: "inherit" });
console.log(`Ready: npm pack && npm publish nightshift-${version}.tgz`);
