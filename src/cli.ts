#!/usr/bin/env node
// The only file that ends the process. It imports nothing before it knows that this Node can run the rest.
import module from "node:module";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `Nightshift needs Node 22.18 or later; this is ${process.version}. With npm: npx -y node@24 <this command>\n`,
  );
  process.exit(1);
}
// Compiled code is kept between starts: a desktop client starts a server for every window.
module.enableCompileCache();
const { main } = await import("./cli/main.ts");
process.exit(await main(process.argv.slice(2)));
