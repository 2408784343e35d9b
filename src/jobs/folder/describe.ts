import { extname } from "node:path";
import { Worker } from "node:worker_threads";

/** In source this is a .ts file beside another; in the bundle both are .js files. */
const THREAD_FILE = new URL(
  import.meta.url.endsWith(".ts") ? "../../jobs-folder/load-thread.ts" : "./load-thread.js",
  import.meta.url,
);

export type Description = { readonly fields: unknown } | { readonly problem: string };

/** Asks a code job's module for its fields, in a thread that is gone afterwards. Never throws. */
export async function describeCodeJob(
  file: string,
  { timeoutMs = 10_000, signal }: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<Description> {
  const worker = new Worker(THREAD_FILE, {
    workerData: file,
    env: {},
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: 128 },
  });
  const { promise, resolve } = Promise.withResolvers<Description>();
  const timer = setTimeout(
    () => resolve({ problem: `it did not finish loading within ${timeoutMs / 1000} s` }),
    timeoutMs,
  );
  const abort = () => resolve({ problem: "its folder is no longer read" });
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  worker.once("message", (message: Description) => resolve(message));
  worker.once("error", (error: Error) => resolve({ problem: `it cannot be loaded: ${error.message}` }));
  worker.once("exit", () => resolve({ problem: "it ended its thread while it was loaded" }));
  const described = await promise;
  clearTimeout(timer);
  signal?.removeEventListener("abort", abort);
  await worker.terminate();
  return described;
}

export const isCodeFile = (file: string): boolean =>
  [".ts", ".js", ".mts", ".mjs"].includes(extname(file)) && !file.endsWith(".d.ts");
