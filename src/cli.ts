#!/usr/bin/env node
// The only file that ends the process. It checks Node's version before it imports code that an older Node cannot parse.
import module from "node:module";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  const needed = `Nightshift needs Node 22.18 or later; this is ${process.version}`;
  process.stderr.write(
    `${needed}. npm fetches one: npx -y -p node@24 node "${process.argv[1]}" <arguments>\n`,
  );
  process.exit(1);
}
// Keeps compiled code on disk between starts, because a desktop client starts one server per window.
module.enableCompileCache();
const { main } = await import("./cli/main.ts");
process.exit(await main(process.argv.slice(2)));
