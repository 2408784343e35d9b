// A process of its own for the tests beside it: a program that has Nightshift in it, as it is built, and runs due jobs
// until it is killed or its stdin ends. `node embedding-program.ts <library> <data folder> <tools module>`.

import { pathToFileURL } from "node:url";

const [, , library = "", dataDir = "", tools = ""] = process.argv;
const { createNightshift } = await import(pathToFileURL(library).href);
const night = await createNightshift({
  dataDir,
  tools: [tools],
  spareThreads: 0,
  maxGhosts: 4,
  logLevel: "warn",
});
process.stdout.write("up\n");
process.stdin.resume().once("end", () => void night.close());
