// Imports one code job and posts its fields. It runs in a thread of its own, so that a file that never finishes loading
// or ends its process does no harm, and so that a changed file is loaded again.
import { pathToFileURL } from "node:url";
import { parentPort, workerData } from "node:worker_threads";

/** The main thread checks them. As much as the file itself may have. */
const MAX_FIELDS_CHARS = 256 * 1024;

async function loadFields(file: string): Promise<object> {
  try {
    const { default: spec } = (await import(pathToFileURL(file).href)) as { default?: unknown };
    if (!spec || typeof spec !== "object")
      return { problem: "it needs a default export: defineJob({ … }), or a plain object" };
    const { run, ...fields } = spec as { run?: unknown };
    if (typeof run !== "function") return { problem: "its default export needs a function run(ghost)" };
    const text = JSON.stringify(fields);
    if (text.length > MAX_FIELDS_CHARS) return { problem: "its fields are larger than 256 KiB" };
    return { fields: JSON.parse(text) as unknown };
  } catch (error) {
    return { problem: `it cannot be loaded: ${error instanceof Error ? error.message : String(error)}` };
  }
}

parentPort?.postMessage(await loadFields(String(workerData)));
